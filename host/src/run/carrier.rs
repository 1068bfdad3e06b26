//! What carried the topics from which the state in a data directory came. A cluster's state is thrown away where its
//! changelogs do not know it; the embedded log takes what it finds for the truth, and would go on with a cluster's.

use super::{App, Host, RunError};
use crate::store::{Family, Writes};

/// Under which it is noted in the data directory; gone with the state.
pub(super) fn key(app: &str) -> String {
    format!("on-kafka/{app}")
}

impl App {
    /// Notes that the app's state is a cluster's, or refuses to go on with such state without it.
    ///
    /// # Errors
    /// If it is a cluster's, and there is none.
    pub(super) fn check_carrier(&self, host: &Host) -> Result<(), RunError> {
        let app = self.manifest.app.as_str();
        if self.blueprint.plan.subtopologies.iter().all(|part| part.stores.is_empty()) {
            return Ok(());
        }
        let noted = host.db.get(Family::Meta, key(app).as_bytes())?.is_some();
        match (host.cluster_of(), noted) {
            (Some(_), false) => {
                let mut writes = Writes::default();
                writes.put(Family::Meta, key(app), []);
                Ok(host.db.apply(&writes, true)?)
            }
            (None, true) => Err(RunError::Carrier { app: app.into() }),
            _ => Ok(()),
        }
    }
}
