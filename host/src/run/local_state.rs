//! What lies in the data directory of the state of an app's tasks.

use super::{App, upkeep};
use crate::store::{Db, KeyValueStore, StoreError};
use crate::task::TaskId;
use crate::transport::kafka;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The stores of each task that are restored from changelogs.
#[derive(Debug)]
pub(super) struct LocalState {
    db: Db,
    app: String,
    /// By the task's number: its partition, and the stores' names.
    tasks: BTreeMap<usize, (i32, Vec<String>)>,
}

impl LocalState {
    /// That of tasks with these numbers; none if no store is restored from a changelog.
    pub(super) fn of(app: &App, db: &Db, ids: &[TaskId]) -> Option<Arc<dyn kafka::LocalState>> {
        let mut tasks = BTreeMap::new();
        for (number, id) in ids.iter().enumerate() {
            let stores = app.blueprint.stores(id.subtopology).iter();
            let logged: Vec<String> = stores.filter(|store| store.changelog).map(|store| store.name.clone()).collect();
            if !logged.is_empty() {
                tasks.insert(number, (id.partition.get(), logged));
            }
        }
        let (db, app) = (db.clone(), app.manifest.app.clone());
        (!tasks.is_empty()).then(|| -> Arc<dyn kafka::LocalState> { Arc::new(Self { db, app, tasks }) })
    }

    fn position(&self, partition: i32, store: &str) -> Result<u64, StoreError> {
        let store = KeyValueStore::existing(&self.db, &self.app, store, partition)?;
        let checkpoint = store.map(|store| store.checkpoint()).transpose()?.flatten();
        Ok(checkpoint.and_then(|checkpoint| kafka::position(&checkpoint, upkeep::now())).unwrap_or(0))
    }
}

impl kafka::LocalState for LocalState {
    fn positions(&self) -> BTreeMap<usize, u64> {
        let of = |(number, (partition, stores)): (&usize, &(i32, Vec<String>))| {
            // A database that cannot be read ends the workers; what is told until then matters to nobody.
            let position = |store: &String| self.position(*partition, store).unwrap_or(0);
            (*number, stores.iter().map(position).fold(0, u64::saturating_add))
        };
        self.tasks.iter().map(of).collect()
    }

    fn stateful(&self) -> BTreeSet<usize> {
        self.tasks.keys().copied().collect()
    }
}
