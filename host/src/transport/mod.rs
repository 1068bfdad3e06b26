//! What carries topics: the port, and its adapters. Batches go in and come out as they lie in a log; no message object
//! a record.

mod admin;
pub mod embedded;
pub mod socket;

pub use admin::{Admin, Member};

use crate::record::{Offset, Partition, Timestamp, Topic, TopicPartition};
use crate::store::Writes;
use std::time::Duration;

/// How a topic is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: Topic,
    /// Number of partitions, at least 1.
    pub partitions: i32,
    /// Kafka's `cleanup.policy`.
    pub cleanup: Cleanup,
    /// Kafka's `retention.ms`: how long records are kept; none: for ever.
    pub retention: Option<Duration>,
    /// Kafka's `retention.bytes`, per partition; none: without bound.
    pub retention_bytes: Option<u64>,
}

impl TopicSpec {
    /// A topic of so many partitions that keeps its records for ever.
    pub const fn new(name: Topic, partitions: i32) -> Self {
        Self { name, partitions, cleanup: Cleanup::Delete, retention: None, retention_bytes: None }
    }

    /// Its partitions.
    pub fn all_partitions(&self) -> impl Iterator<Item = TopicPartition> {
        (0..self.partitions).map(|number| TopicPartition::new(self.name.clone(), Partition::new(number)))
    }
}

/// Kafka's `cleanup.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Old records go by retention.
    Delete,
    /// The last record of every key stays.
    Compact,
}

/// A stretch of record batches (Kafka's v2 format, each complete) of one partition, in offset order.
#[derive(Debug)]
pub struct Fetched {
    /// The batches, one after the other. The first may begin before the offset that was asked for; the reader skips.
    pub batches: Vec<u8>,
    /// Where to fetch next.
    pub next: Offset,
}

/// One unit of work of a worker: all of it happens, or none of it.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Finished record batches with base offset 0, in the order in which each partition gets them.
    pub outputs: Vec<(TopicPartition, Vec<u8>)>,
    /// For each input partition the next offset to read.
    pub offsets: Vec<(TopicPartition, Offset)>,
    /// Changelog partitions whose end after this transaction is kept with the state, in its meta family under the key
    /// given: up to there the local state is current (Kafka Streams' checkpoint).
    pub checkpoints: Vec<(TopicPartition, Vec<u8>)>,
    /// What the tasks' stores change. The transport applies it: together with the log where it can (embedded), right
    /// after its own commit where it cannot.
    pub state: Writes,
}

/// Why a transport could not do what it was asked, named by remedy.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The same call may succeed later, with everything as it was (disk full, broker away).
    #[error("{0}")]
    Retry(String),
    /// The topic or partition is not there.
    #[error("there is no partition {0}")]
    Unknown(TopicPartition),
    /// What was asked for is gone: the log begins later.
    #[error("{partition} begins at offset {start}, but offset {asked} was asked for: what lies between was deleted")]
    OutOfRange {
        /// The partition.
        partition: TopicPartition,
        /// What was asked for.
        asked: Offset,
        /// Where it begins.
        start: Offset,
    },
    /// What was asked for makes no sense here; asking again does not help.
    #[error("{0}")]
    Refused(String),
    /// The data is damaged; the process must not go on.
    #[error("{0}")]
    Corrupt(String),
}

/// One connection to the topics, used by one worker or tool at a time.
pub trait Transport: Send {
    /// Makes a topic if it is not there; an existing one is left as it is.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn create_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError>;

    /// Gives an existing topic this retention and cleanup. Its partitions stay as they are.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn alter_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError>;

    /// All topics, by name.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn topics(&mut self) -> Result<Vec<TopicSpec>, TransportError>;

    /// One topic; none if it is not there.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn topic(&mut self, name: &Topic) -> Result<Option<TopicSpec>, TransportError>;

    /// First offset held and the offset that the next record will get.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn bounds(&mut self, partition: &TopicPartition) -> Result<(Offset, Offset), TransportError>;

    /// The first offset whose record's timestamp is `timestamp` or later; none if there is no such record.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn offset_at(&mut self, partition: &TopicPartition, timestamp: Timestamp)
    -> Result<Option<Offset>, TransportError>;

    /// Where the group goes on reading.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn committed(&mut self, group: &str, partition: &TopicPartition) -> Result<Option<Offset>, TransportError>;

    /// Committed batches from `from` on: at least one whole batch if there is any, else up to about `bytes_max`.
    /// None if there is nothing new. Offsets may have gaps, where compaction took records away.
    ///
    /// # Errors
    /// [`TransportError::OutOfRange`] if the log begins later; else see [`TransportError`].
    fn fetch(
        &mut self,
        partition: &TopicPartition,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Option<Fetched>, TransportError>;

    /// A number that differs whenever something may have been appended to any topic: as long as it stays the same there is
    /// nothing new to read.
    fn version(&mut self) -> u64;

    /// Sleeps until something may have been appended to any topic, or `timeout` has passed.
    fn wait(&mut self, timeout: Duration);

    /// Commits a transaction of the group. When it returns an error nothing of it has happened; `Retry` may be called
    /// again with the same transaction.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn commit(&mut self, group: &str, transaction: &Transaction) -> Result<(), TransportError>;

    /// Deletes records before an offset: Kafka's `DeleteRecords`. The partition then begins there.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn delete_records(&mut self, partition: &TopicPartition, before: Offset) -> Result<(), TransportError>;
}
