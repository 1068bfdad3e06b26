//! Deleting the local state of a store, to have it built anew from its changelog.

use super::{App, RunError, open};
use crate::record::Topic;
use crate::store::{KeyValueStore, Local, must_hold_data};
use crate::transport::{Transport, TransportError};
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
    /// What the rows are, if the app cannot read them: the changelog is emptied too.
    pub was: Option<String>,
}

impl App {
    /// Deletes all local rows of a store if `really`, else only says what there is. Rows that the app would misread go from
    /// the changelog too. Other stores, topics and offsets stay as they are.
    ///
    /// # Errors
    /// If there is no such store, or the data directory cannot be used.
    pub fn reset_store(&self, data: &Path, store: &str, really: bool) -> Result<Reset, RunError> {
        must_hold_data(data)?;
        let (db, mut log) = open(data, true)?;
        let partitions = self.partitions_of(store, &mut log)?;
        let partitions = partitions.max(KeyValueStore::held(&db, &self.manifest.app, store)?);
        let was = self.foreign(store, &db)?;
        let parts = self.blueprint.plan.subtopologies.iter();
        let logged = parts.flat_map(|part| &part.stores).any(|spec| spec.name == store && spec.changelog);
        let changelog = self.blueprint.changelog(store);
        let back = (logged && was.is_none()).then(|| changelog.clone());
        let mut reset = Reset { partitions, rows: 0, changelog: back, was };
        for partition in 0..partitions {
            let Some(mut store) = KeyValueStore::existing(&db, &self.manifest.app, store, partition)? else { continue };
            // Rows that were never written to a changelog are not in it.
            if !store.is_empty()? && !matches!(store.local()?, Local::Current(_)) {
                reset.changelog = None;
            }
            reset.rows += store.count()?;
            if really {
                store.reset()?;
            }
        }
        if really && reset.was.is_some() {
            let partitions =
                log.topic(&changelog)?.into_iter().flat_map(|topic| topic.all_partitions().collect::<Vec<_>>());
            let ends = partitions.map(|partition| Ok((partition.clone(), log.bounds(&partition)?.1)));
            let ends: Vec<_> = ends.collect::<Result<_, TransportError>>()?;
            log.delete_records(&ends)?;
        }
        Ok(reset)
    }
}
