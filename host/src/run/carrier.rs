//! What carried the topics from which the state in a data directory came. On a cluster state is thrown away where the changelogs
//! do not know it, that of the embedded log too; the embedded log takes what it finds for the truth, and would go on with a
//! cluster's.

use super::{App, Host, RunError};
use crate::store::{Family, KeyValueStore, Writes};

/// Under which it is noted in the data directory; gone with the state.
pub(super) fn key(app: &str) -> String {
    format!("on-kafka/{app}")
}

impl App {
    /// Notes that the app's state is a cluster's, or refuses to go on with what is the other's.
    ///
    /// # Errors
    /// If it is a cluster's, and there is none; or the embedded log's, and there is one.
    pub(super) fn check_carrier(&self, host: &Host) -> Result<(), RunError> {
        let app = self.manifest.app.as_str();
        let mut stores = self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.stores).peekable();
        if stores.peek().is_none() {
            return Ok(());
        }
        let noted = host.db.get(Family::Meta, key(app).as_bytes())?.is_some();
        match (host.cluster_of(), noted) {
            (Some(_), false) => {
                for store in stores {
                    if KeyValueStore::holds_rows(&host.db, app, &store.name)? {
                        return Err(RunError::Carrier { app: app.into(), cluster: false });
                    }
                }
                let mut writes = Writes::default();
                writes.put(Family::Meta, key(app), []);
                Ok(host.db.apply(&writes, true)?)
            }
            (None, true) => Err(RunError::Carrier { app: app.into(), cluster: true }),
            _ => Ok(()),
        }
    }
}
