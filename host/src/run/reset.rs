//! Deleting the local state of a store, to have it built anew from its changelog.

use super::{App, RunError, open};
use crate::record::Topic;
use crate::store::{KeyValueStore, Local, must_hold_data};
use std::path::Path;

/// What a reset does, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reset {
    /// Partitions of the store.
    pub partitions: i32,
    /// Rows in all of them.
    pub rows: u64,
    /// The changelog from which the rows come back when the app runs next; none: they do not come back.
    pub changelog: Option<Topic>,
}

impl App {
    /// Deletes all local rows of a store if `really`, else only says what there is. Other stores, topics and offsets stay
    /// as they are.
    ///
    /// # Errors
    /// If there is no such store, or the data directory cannot be used.
    pub fn reset_store(&self, data: &Path, store: &str, really: bool) -> Result<Reset, RunError> {
        must_hold_data(data)?;
        let (db, mut log) = open(data, true)?;
        let partitions = self.partitions_of(store, &mut log)?;
        let parts = self.blueprint.plan.subtopologies.iter();
        let logged = parts.flat_map(|part| &part.stores).any(|spec| spec.name == store && spec.changelog);
        let mut reset = Reset { partitions, rows: 0, changelog: logged.then(|| self.blueprint.changelog(store)) };
        for partition in 0..partitions {
            let Some(mut store) = KeyValueStore::existing(&db, &self.manifest.app, store, partition)? else { continue };
            // Rows that were never written to a changelog are not in it.
            if !store.is_empty()? && !matches!(store.local()?, Local::Current(_)) {
                reset.changelog = None;
            }
            reset.rows += if really { store.reset()? } else { store.count()? };
        }
        Ok(reset)
    }
}
