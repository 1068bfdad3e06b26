//! Where changelogs end, without asking for it at every commit.

use crate::record::{Offset, TopicPartition};
use std::collections::HashMap;

/// Where changelog partitions that only we write end at least. They may end later, where others' aborted records lie:
/// a checkpoint that is too low costs reading them, one that is too high would lose changes.
#[derive(Default)]
pub(super) struct Ends {
    known: HashMap<TopicPartition, Offset>,
    /// Records of the open transaction.
    open: HashMap<TopicPartition, i64>,
}

impl Ends {
    /// What was asked for just now.
    pub(super) fn learn(&mut self, partition: &TopicPartition, end: Offset) {
        self.known.insert(partition.clone(), end);
    }

    /// Where a partition ends at least, with what is committed.
    pub(super) fn known(&self, partition: &TopicPartition) -> Option<Offset> {
        self.known.get(partition).copied()
    }

    /// Records were written, and are not committed yet.
    pub(super) fn wrote(&mut self, partition: &TopicPartition, records: i64) {
        if self.known.contains_key(partition) {
            *self.open.entry(partition.clone()).or_default() += records;
        }
    }

    /// What was written is committed; `marker`: each partition got one, too.
    pub(super) fn committed(&mut self, marker: bool) {
        for (partition, records) in self.open.drain() {
            if let Some(end) = self.known.get_mut(&partition) {
                let ahead = if crate::fault::is("checkpoint-ahead") { records + 1 } else { 0 };
                *end = Offset::new(end.get() + records + i64::from(marker) + ahead);
            }
        }
    }

    /// What was written and not committed never will be.
    pub(super) fn lost(&mut self) {
        self.open.clear();
    }
}
