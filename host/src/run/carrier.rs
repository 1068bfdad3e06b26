//! What carried the topics from which the state in a data directory came. The embedded log takes what it finds for the truth, and
//! would go on with a cluster's; on a cluster what its changelogs do not know is thrown away, and a store without one would go
//! on with what the embedded log's topics left.

use super::{App, Host, RunError};
use crate::store::{Db, Family, KeyValueStore, StoreError, Writes};

/// Under which it is noted in the data directory that state is a cluster's; gone with the state.
pub(super) fn key(app: &str) -> String {
    format!("on-kafka/{app}")
}

/// Whether state of the app lies here that came from the embedded log.
///
/// # Errors
/// If the data directory cannot be read.
pub fn holds_embedded_state(db: &Db, app: &str) -> Result<bool, StoreError> {
    Ok(!is_noted(db, app)? && holds_rows(db, app)?)
}

fn is_noted(db: &Db, app: &str) -> Result<bool, StoreError> {
    Ok(db.get(Family::Meta, key(app).as_bytes())?.is_some())
}

/// Whether any store that the app has had here holds anything.
fn holds_rows(db: &Db, app: &str) -> Result<bool, StoreError> {
    for store in KeyValueStore::names(db, app)? {
        if KeyValueStore::held(db, app, &store)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

impl App {
    /// Notes that the app's state is a cluster's, or refuses to go on with what is the other's.
    ///
    /// # Errors
    /// If it is a cluster's, and there is none; or the embedded log's, and there is one.
    pub(super) fn check_carrier(&self, host: &Host) -> Result<(), RunError> {
        let (app, db) = (self.manifest.app.as_str(), &host.db);
        if self.blueprint.plan.subtopologies.iter().all(|part| part.stores.is_empty()) {
            return Ok(());
        }
        let (on_cluster, noted) = (host.cluster_of().is_some(), is_noted(db, app)?);
        if on_cluster == noted {
            return Ok(());
        }
        if holds_rows(db, app)? {
            return Err(RunError::Carrier { app: app.into(), cluster: noted });
        }
        let mut writes = Writes::default();
        if on_cluster {
            writes.put(Family::Meta, key(app), []);
        } else {
            // A run on a cluster that came to nothing.
            for store in KeyValueStore::names(db, app)? {
                KeyValueStore::drop_all(db, app, &store)?;
            }
            writes.delete(Family::Meta, key(app));
        }
        Ok(db.apply(&writes, true)?)
    }
}
