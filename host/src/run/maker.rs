//! Making tasks: their stores and inputs, where the group goes on.

use super::agreement::Agreement;
use super::{App, RunError};
use crate::operator::Stop;
use crate::record::{Offset, TopicPartition};
use crate::store::{Db, KeyValueStore};
use crate::task::{Assembly, Input, TURN_ROWS_MAX, Task, TaskId};
use crate::topology::OffsetReset;
use crate::transport::{Fence, Transaction, Transport, TransportError};
use crate::worker::Tasks;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};

/// Which worker of this process has which task, at work or as a copy: none gets one whose stores another has open.
#[derive(Debug, Default)]
pub(super) struct Claims {
    holders: HashMap<usize, usize>,
    /// Tasks that a worker waits for: who has a copy lets go of it.
    wanted: HashMap<usize, usize>,
}

/// Makes the tasks of a worker.
pub(super) struct Maker {
    pub(super) app: Arc<App>,
    pub(super) db: Db,
    /// By their numbers.
    pub(super) ids: Arc<[TaskId]>,
    pub(super) worker: usize,
    pub(super) claims: Arc<Mutex<Claims>>,
    /// With the group; none where there is none.
    pub(super) agreement: Option<Arc<Mutex<Agreement>>>,
}

impl Tasks for Maker {
    fn agree(&mut self) -> Result<(), Stop> {
        let Some(agreement) = &self.agreement else { return Ok(()) };
        match agreement.try_lock() {
            Ok(mut agreement) => agreement.check(),
            Err(TryLockError::Poisoned(agreement)) => agreement.into_inner().check(),
            // What it finds is asked for once more, and costs nothing then.
            Err(TryLockError::WouldBlock) => Err(TransportError::Retry("another worker asks".into()).into()),
        }
        .map_err(stop)
    }

    fn open(&mut self, number: usize, fence: Option<&Fence>, log: &mut dyn Transport) -> Result<Task, Stop> {
        let Some(id) = self.ids.get(number).copied() else {
            let what = format!("there is no task {number}; was the app changed while others run it?");
            return Err(TransportError::Refused(what).into());
        };
        self.want(number);
        self.claim(number)?;
        let assembly = self.assemble(id, fence, log).map_err(stop)?;
        self.app.blueprint.task(id, assembly)
    }

    fn close(&mut self, number: usize) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let Claims { holders, wanted } = &mut *claims;
        for claimed in [holders, wanted] {
            claimed.retain(|task, worker| *task != number || *worker != self.worker);
        }
    }

    fn put_off(&mut self, number: usize) {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.holders.retain(|task, worker| *task != number || *worker != self.worker);
    }

    fn copy(&mut self, number: usize) -> Result<Vec<(KeyValueStore, TopicPartition)>, Stop> {
        let Some(id) = self.ids.get(number) else { return Ok(Vec::new()) };
        self.claim(number)?;
        let app = self.app.manifest.app.as_str();
        let logged = self.app.blueprint.stores(id.subtopology).iter().filter(|spec| spec.changelog);
        let copy = logged.map(|spec| {
            let store = KeyValueStore::open(&self.db, app, &spec.name, id.partition.get())?;
            Ok((store, TopicPartition::new(self.app.blueprint.changelog(&spec.name), id.partition)))
        });
        copy.collect()
    }

    fn is_wanted(&self, number: usize) -> bool {
        let claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.wanted.get(&number).is_some_and(|worker| *worker != self.worker)
    }
}

impl Maker {
    /// Has who keeps a copy let go of it. It stands until the task is closed, or another worker gets it.
    fn want(&self, number: usize) {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).wanted.insert(number, self.worker);
    }

    fn claim(&self, number: usize) -> Result<(), TransportError> {
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = *claims.holders.entry(number).or_insert(self.worker);
        if holder != self.worker {
            return Err(TransportError::Retry(format!("worker {holder} has the task")));
        }
        Ok(())
    }

    fn assemble(&self, id: TaskId, fence: Option<&Fence>, log: &mut dyn Transport) -> Result<Assembly, RunError> {
        let app = self.app.manifest.app.as_str();
        let stores = self.app.blueprint.stores(id.subtopology);
        let stores = stores.iter().map(|store| KeyValueStore::open(&self.db, app, &store.name, id.partition.get()));
        let stores = stores.collect::<Result<Vec<_>, _>>()?;
        let mut inputs = Vec::new();
        for source in self.app.blueprint.sources(id.subtopology) {
            let partition = TopicPartition::new(source.topic, id.partition);
            let position = self.app.position(&partition, fence, log)?;
            inputs.push(Input::new(partition, source.step, source.payload, position));
        }
        Ok(Assembly { stores, inputs, turn_rows_max: crate::killpoint::turn_rows().unwrap_or(TURN_ROWS_MAX) })
    }
}

/// What a worker can tell apart.
fn stop(error: RunError) -> Stop {
    match error {
        RunError::Transport(error) => Stop::Transport(error),
        RunError::Store(error) => Stop::Store(error),
        other => Stop::Opening(Box::new(other)),
    }
}

impl App {
    /// Where a partition is read on.
    pub(super) fn position(
        &self,
        partition: &TopicPartition,
        fence: Option<&Fence>,
        log: &mut dyn Transport,
    ) -> Result<Offset, RunError> {
        let committed = log.committed(&self.manifest.app, partition)?;
        let (start, end) = log.bounds(partition)?;
        if let Some(position) = committed.filter(|position| *position <= end) {
            return Ok(position);
        }
        if let Some(committed) = committed {
            tracing::warn!(%partition, %committed, %end, "the topic is shorter than what was read of it; was it made anew?");
        }
        let reset = self.manifest.settings.auto_offset_reset;
        match reset {
            OffsetReset::Latest if !self.repartitions().contains(&partition.topic) => {
                // Kept, so that a restart before the first record does not begin later still.
                let offsets = vec![(partition.clone(), end)];
                let transaction = Transaction { offsets, fence: fence.cloned(), ..Transaction::default() };
                log.commit(&self.manifest.app, &transaction)?;
                Ok(end)
            }
            OffsetReset::None if !self.repartitions().contains(&partition.topic) => {
                Err(RunError::NoOffset { partition: partition.clone() })
            }
            _ => Ok(start),
        }
    }
}
