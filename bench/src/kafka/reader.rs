//! Topics that are read.

use super::client::{LIMIT, WAIT, input};
use super::data::PARTITIONS;
use super::ffi::{Message, Queue};
use crate::Failure;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Instant;

/// A consumer's client.
pub(super) type Input = BaseConsumer;

/// A topic that is read.
pub(super) struct Source {
    /// Its name.
    pub(super) topic: String,
    /// Where its records come.
    pub(super) queue: Queue,
    /// Where each partition is read next.
    pub(super) positions: Vec<i64>,
}

impl Source {
    /// All partitions' records come into one queue, also those that the group gives later.
    ///
    /// # Errors
    /// If a partition is not there.
    pub(super) fn new(consumer: &Input, topic: &str) -> Result<Self, Failure> {
        let queue = Queue::new(consumer);
        for partition in 0..PARTITIONS {
            queue.take_in(consumer, topic, partition)?;
        }
        Ok(Self { topic: topic.into(), queue, positions: vec![0; places()] })
    }
}

/// The number of partitions, to count with.
pub(super) fn places() -> usize {
    usize::try_from(PARTITIONS).unwrap_or_default()
}

/// Reads what is committed of a topic, from its beginning, and is in no group.
pub(super) struct Reader {
    // Before the consumer: its queue is let go of first.
    source: Source,
    _consumer: Input,
}

impl Reader {
    /// A reader of a topic.
    ///
    /// # Errors
    /// If the client cannot be made.
    pub(super) fn new(bootstrap: &str, topic: &str) -> Result<Self, Failure> {
        let mut config = input(bootstrap, "millstream-bench-reader");
        let consumer: Input = config.set("enable.partition.eof", "true").create()?;
        let source = Source::new(&consumer, topic)?;
        let mut list = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&list)?;
        Ok(Self { source, _consumer: consumer })
    }

    /// Shows what came, or waits a little for it; says how much it was.
    ///
    /// # Errors
    /// If reading fails, or `each` does.
    pub(super) fn fetch(&mut self, each: impl FnMut(Message<'_>) -> Result<(), Failure>) -> Result<usize, Failure> {
        self.source.queue.fetch(WAIT, each)
    }

    /// Shows all up to the topic's end as it is now.
    ///
    /// # Errors
    /// As [`Self::fetch`]; and if the end is not met in time.
    pub(super) fn read_to_end(
        mut self,
        mut each: impl FnMut(Message<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut end = Instant::now() + LIMIT;
        while self.source.queue.ends < places() {
            if self.fetch(&mut each)? > 0 {
                end = Instant::now() + LIMIT;
            } else if Instant::now() > end {
                return Err(format!("{} cannot be read to its end", self.source.topic).into());
            }
        }
        Ok(())
    }
}
