//! The topics that tasks write, and how many partitions they have: learnt when a task writes to one first, and when one
//! gets more, which somebody else looks for.

use super::{State, Worker};
use crate::record::Topic;
use crate::task::Topics;
use crate::transport::{Transport, TransportError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The topics that the workers of an app write, each with its partitions.
#[derive(Debug, Default)]
pub struct Outputs {
    topics: Mutex<BTreeMap<Topic, i32>>,
    /// How often one of them was found to have more.
    grown: AtomicU64,
}

impl Outputs {
    fn topics(&self) -> MutexGuard<'_, BTreeMap<Topic, i32>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of them.
    pub fn known(&self) -> BTreeMap<Topic, i32> {
        self.topics().clone()
    }

    /// A topic has so many partitions, and keys go to all of them from now on. Whoever hears of fewer than are known was told
    /// by a broker that is behind.
    pub fn note(&self, topic: &Topic, partitions: i32) {
        let mut topics = self.topics();
        let known = topics.entry(topic.clone()).or_insert(partitions);
        if partitions > *known {
            tracing::info!(%topic, was = *known, now = partitions, "a topic that is written got more partitions");
            *known = partitions;
            self.grown.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A topic is gone, and may be made anew.
    pub fn forget(&self, topic: &Topic) {
        self.topics().remove(topic);
    }

    /// How many partitions all tasks write to: those that the first one of them heard of, until all hear of more.
    fn settled(&self, topic: &Topic, heard: i32) -> i32 {
        *self.topics().entry(topic.clone()).or_insert(heard)
    }

    fn partitions(&self, topic: &Topic) -> Option<i32> {
        self.topics().get(topic).copied()
    }
}

/// Topics as tasks see them when they write.
pub(super) struct Written<'a> {
    pub(super) log: &'a mut dyn Transport,
    pub(super) outputs: &'a Outputs,
}

impl Topics for Written<'_> {
    fn partitions(&mut self, topic: &Topic) -> Result<i32, TransportError> {
        let Some(known) = self.outputs.partitions(topic) else {
            let heard = self.log.partitions(topic)?;
            return Ok(self.outputs.settled(topic, heard));
        };
        // Made anew it would have other partitions than it had.
        let gone = || TransportError::Retry(format!("topic {topic} is not there any more"));
        self.log.topic(topic)?.map(|_| known).ok_or_else(gone)
    }

    fn batch_bytes_max(&mut self, topic: &Topic) -> Result<Option<usize>, TransportError> {
        self.log.batch_bytes_max(topic)
    }
}

impl Worker {
    /// Has tasks write to partitions that topics got since this was asked last: between two turns.
    pub(super) fn widen(&mut self) {
        let Self { state: State { tasks, grown, .. }, shared, .. } = self;
        let now = shared.outputs.grown.load(Ordering::SeqCst);
        if std::mem::replace(grown, now) != now {
            tasks.iter_mut().for_each(|owned| owned.task.widen(&|topic| shared.outputs.partitions(topic)));
        }
    }
}
