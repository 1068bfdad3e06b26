//! What topics take: librdkafka fills batches up to one size for all topics of a producer, and does not split those that a
//! topic refuses, as Java's producer does.

use crate::record::Topic;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Kafka's `max.message.bytes` of the topics that were asked about.
#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<Topic, usize>>);

impl Limits {
    /// Notes what a topic takes.
    pub(super) fn note(&self, topic: &Topic, bytes: usize) {
        self.locked().insert(topic.clone(), bytes);
    }

    /// Bytes of a batch that a topic takes at most, as far as is known.
    pub(super) fn of(&self, topic: &Topic) -> usize {
        self.locked().get(topic).copied().unwrap_or(usize::MAX)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Topic, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
