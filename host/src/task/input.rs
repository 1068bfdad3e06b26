//! What a task has fetched and not yet processed.

use crate::operator::Stop;
use crate::record::batch::Record;
use crate::record::{Offset, Timestamp, TopicPartition};
use crate::topology::plan::Payload;
use crate::transport::{Fetch, Records};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes of fetched batches that wait for one partition at most; above it nothing is fetched for the partition.
pub const QUEUE_BYTES_MAX: usize = 1024 * 1024;

/// One input partition of a task.
#[derive(Debug)]
pub struct Input {
    /// The partition.
    pub partition: TopicPartition,
    /// The step that its records go to.
    pub step: usize,
    /// How its values are read.
    pub payload: Payload,
    /// Where to fetch next.
    pub fetch: Offset,
    /// The next record to process: what is committed.
    pub position: Offset,
    loads: VecDeque<Load>,
    /// Whether the log held nothing beyond what was fetched when it was last asked.
    caught_up: bool,
}

/// The records of one batch.
#[derive(Debug)]
pub(super) struct Load {
    /// What the records' cells are relative to.
    pub(super) bytes: Arc<Vec<u8>>,
    /// All records that are to be processed.
    pub(super) records: Arc<Vec<Record>>,
    /// How many of them were taken.
    pub(super) taken: usize,
    /// Offset after the batch, which may end in records that compaction took away.
    next: Offset,
}

impl Load {
    /// The records that were not taken yet.
    pub(super) fn waiting(&self) -> &[Record] {
        self.records.get(self.taken..).unwrap_or_default()
    }
}

impl Input {
    /// An input that goes on at `position`.
    pub fn new(partition: TopicPartition, step: usize, payload: Payload, position: Offset) -> Self {
        Self { partition, step, payload, fetch: position, position, loads: VecDeque::new(), caught_up: false }
    }

    /// Whether more may be fetched.
    pub fn has_room(&self) -> bool {
        self.loads.iter().map(|load| load.bytes.len()).sum::<usize>() < QUEUE_BYTES_MAX
    }

    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.loads.is_empty()
    }

    /// Whether a record may be about to come whose timestamp is not known yet: nothing waits here, and the log was not
    /// found to end. Kafka Streams' `max.task.idle.ms = 0` waits for such a partition too.
    pub fn is_behind(&self) -> bool {
        self.loads.is_empty() && !self.caught_up
    }

    /// Takes in what was fetched: records, or the news that the log ends there. Records before the position are left out:
    /// the first batch may begin earlier.
    ///
    /// # Errors
    /// If a batch is damaged.
    pub fn feed(&mut self, fetched: Fetch) -> Result<(), Stop> {
        let Some(next) = fetched.next() else { return Ok(()) };
        self.caught_up = matches!(fetched, Fetch::End(_));
        for records in fetched.records() {
            let Records { bytes, mut records, next } = records.map_err(|error| self.damaged(&error))?;
            let before = records.partition_point(|record| record.offset < self.fetch);
            records.drain(..before);
            self.loads.push_back(Load { bytes, records: Arc::new(records), taken: 0, next });
        }
        self.fetch = self.fetch.max(next);
        self.settle();
        if self.loads.is_empty() {
            self.position = self.position.max(self.fetch);
        }
        Ok(())
    }

    /// The timestamp of the record at the head.
    pub fn head(&self) -> Option<Timestamp> {
        self.load()?.waiting().first().map(|record| record.timestamp)
    }

    /// The batch at the head; it has records waiting.
    pub(super) fn load(&self) -> Option<&Load> {
        self.loads.front()
    }

    /// Takes so many records off the batch at the head.
    pub(super) fn advance(&mut self, count: usize) {
        let Some(load) = self.loads.front_mut() else { return };
        load.taken += count;
        if let Some(last) = load.taken.checked_sub(1).and_then(|last| load.records.get(last)) {
            self.position = last.offset.next();
        }
        self.settle();
    }

    /// Forgets what was fetched and goes back to `position`.
    pub fn rewind(&mut self, position: Offset) {
        self.loads.clear();
        self.caught_up = false;
        self.fetch = position;
        self.position = position;
    }

    /// Lets go of batches that are used up; with the last of them the position moves behind what compaction took away.
    fn settle(&mut self) {
        while let Some(load) = self.loads.front().filter(|load| load.waiting().is_empty()) {
            self.position = self.position.max(load.next);
            self.loads.pop_front();
        }
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> Stop {
        Stop::Damaged { partition: self.partition.clone(), reason: error.to_string() }
    }
}
