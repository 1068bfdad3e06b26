//! The native side of a pair: what one would write by hand over the same log.

use crate::Failure;
use crate::clock::{Clock, Span};
use crate::data::{self, FETCH_BYTES, partition};
use millstream::record::batch::{BatchBuilder, Batches, Compression};
use millstream::record::{Offset, Topic, TopicPartition};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{Fetched, TopicSpec, Transaction, Transport};
use std::path::Path;
use std::sync::Arc;

/// Bytes after which a batch is closed: what the host does.
const BATCH_BYTES: usize = 256 * 1024;

/// What becomes of a value.
pub(crate) enum Made {
    /// Nothing is written.
    Nothing,
    /// The record is written as it is.
    Same,
    /// The record is written with the value that was made.
    Value,
}

/// Batches for one partition.
pub(crate) struct Producer {
    partition: TopicPartition,
    builder: BatchBuilder,
}

impl Producer {
    /// Makes the topic, with one partition.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(log: &mut EmbeddedLog, topic: &str) -> Result<Self, Failure> {
        log.create_topic(&TopicSpec::new(Topic::new(topic), 1))?;
        Ok(Self { partition: partition(topic), builder: BatchBuilder::new(Compression::None) })
    }

    /// Appends a record.
    pub(crate) fn append(&mut self, time: i64, key: Option<&[u8]>, value: Option<&[u8]>, to: &mut Transaction) {
        self.builder.append(time, key, value, &[]);
        if self.builder.size() >= BATCH_BYTES {
            to.outputs.push((self.partition.clone(), self.builder.finish()));
        }
    }

    /// Closes the open batch.
    pub(crate) fn close(&mut self, to: &mut Transaction) {
        if self.builder.count() > 0 {
            to.outputs.push((self.partition.clone(), self.builder.finish()));
        }
    }
}

/// Where a partition is read.
pub(crate) struct Consumer {
    partition: TopicPartition,
    /// Where to fetch next.
    pub(crate) position: Offset,
}

impl Consumer {
    /// From the beginning.
    pub(crate) fn new(topic: &str) -> Self {
        Self { partition: partition(topic), position: Offset::new(0) }
    }

    /// The next batches.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) fn fetch(&mut self, log: &mut EmbeddedLog) -> Result<Option<Fetched>, Failure> {
        let fetched = log.fetch(&self.partition, self.position, FETCH_BYTES)?.batches();
        if let Some(fetched) = &fetched {
            self.position = fetched.next;
        }
        Ok(fetched)
    }

    /// Notes the position.
    pub(crate) fn note(&self, to: &mut Transaction) {
        to.offsets.push((self.partition.clone(), self.position));
    }
}

/// When to commit: after so many records, so that the loop commits as often as the host did in its 100 ms each, however
/// busy the machine was.
pub(crate) struct Due {
    every: u64,
    since: u64,
}

impl Due {
    /// For so many commits over so many records.
    pub(crate) fn new(records: u64, commits: u64) -> Self {
        Self { every: records.div_ceil(commits.max(1)).max(1), since: 0 }
    }

    /// Counts a record.
    pub(crate) fn count(&mut self) {
        self.since += 1;
    }

    /// Whether it is time; begins to count anew if so.
    pub(crate) fn now(&mut self) -> bool {
        let due = self.since >= self.every;
        self.since = if due { 0 } else { self.since };
        due
    }
}

/// Runs a stateless function over the input, to its end.
///
/// # Errors
/// If the log fails or the input is damaged.
pub(crate) fn stateless(
    directory: &Path,
    mut due: Due,
    mut make: impl FnMut(&[u8], &mut Vec<u8>) -> Result<Made, Failure>,
) -> Result<Span, Failure> {
    let (_db, mut log) = data::open(directory)?;
    let clock = Clock::start();
    let mut input = Consumer::new("input");
    let mut output = Producer::new(&mut log, "output")?;
    let mut transaction = Transaction::default();
    let mut made = Vec::new();
    loop {
        let fetched = input.fetch(&mut log)?;
        let end = fetched.is_none();
        for batch in fetched.into_iter().flat_map(|fetched| Batches::new(Arc::new(fetched.batches))) {
            let batch = batch?;
            for record in batch.records() {
                let record = record?;
                let (key, value) = (record.key.of(batch.payload()), record.value.of(batch.payload()));
                made.clear();
                due.count();
                match make(value.unwrap_or_default(), &mut made)? {
                    Made::Nothing => {}
                    Made::Same => output.append(record.timestamp, key, value, &mut transaction),
                    Made::Value => output.append(record.timestamp, key, Some(&made), &mut transaction),
                }
            }
        }
        if due.now() || end {
            output.close(&mut transaction);
            input.note(&mut transaction);
            log.commit("bench", &transaction)?;
            transaction = Transaction::default();
        }
        if end {
            return Ok(clock.stop());
        }
    }
}
