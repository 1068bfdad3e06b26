//! What carries topics: the port, and its adapters. Batches go in and come out as they lie in a log; no message object
//! a record.

mod admin;
mod coordinator;
pub mod embedded;
mod fetched;
pub mod kafka;
mod setting;
pub mod socket;

pub use admin::{Admin, Member};
pub use coordinator::{Alone, Change, Coordinator, Fence};
pub use fetched::{Fetch, Fetched, Records};
pub use setting::{Client, Property, Secret, Setting};

use crate::record::{Offset, Partition, Timestamp, Topic, TopicPartition};
use crate::store::Writes;
use std::time::Duration;

/// For so long brokers may not know a topic, or a partition, before it is taken to be gone: those that have just started
/// know of none, and some hear of new ones later than others.
pub const MISSING: Duration = Duration::from_secs(30);

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
    /// Both: the last record of a key goes, too, when it is old. Others may have made such a topic on a cluster.
    Both,
    /// Not known: the brokers do not show this user a topic's settings.
    Unseen,
}

impl Cleanup {
    /// What Kafka calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
            Self::Both => "compact,delete",
            Self::Unseen => "unknown",
        }
    }
}

/// One unit of work of a worker: all of it happens, or none of it.
#[derive(Debug, Default)]
pub struct Transaction {
    /// Finished record batches with base offset 0, in the order in which each partition gets them.
    pub outputs: Vec<(TopicPartition, Vec<u8>)>,
    /// For each input partition the next offset to read.
    pub offsets: Vec<(TopicPartition, Offset)>,
    /// What is kept with the state about changelogs.
    pub checkpoints: Vec<Checkpoint>,
    /// What the tasks' stores change. The transport applies it: together with the log where it can (embedded), right
    /// after its own commit where it cannot.
    pub state: Writes,
    /// The membership under which the input was read; none where nobody else could read it.
    pub fence: Option<Fence>,
    /// Whether its worker commits no more: who goes on at its offsets need not see to it that nothing of it is open.
    pub last: bool,
}

/// Up to where the local state agrees with a changelog (Kafka Streams' checkpoint).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The changelog's partition.
    pub changelog: TopicPartition,
    /// Where it is kept in the meta family; the value begins with the offset, 8 bytes big-endian.
    pub key: Vec<u8>,
    /// The offset; none: the partition's end after this transaction.
    pub at: Option<Offset>,
    /// Whether the state then has all that the changelog held when it was last read: else it is as old as it was.
    pub whole: bool,
}

/// What is right where local state and changelog disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The state: it was written in one with the log.
    State,
    /// The changelog: the state is a copy, and others may have written on.
    Changelog,
}

/// Why a transport could not do what it was asked, named by remedy.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The same call may succeed later, with everything as it was (disk full, broker away).
    #[error("{0}")]
    Retry(String),
    /// The open transaction was aborted; what was read since the last commit is to be read again.
    #[error("the transaction was aborted: {0}")]
    Aborted(String),
    /// The open transaction is over, and how is not known here: tasks are to be opened anew, where the group's committed
    /// offsets and the changelogs say.
    #[error("the transaction's outcome is not known: {0}")]
    InDoubt(String),
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

    /// Committed records from `from` on: at least one if there is any, else up to about `bytes_max`. Offsets may have gaps,
    /// where compaction took records away.
    ///
    /// # Errors
    /// [`TransportError::OutOfRange`] if the log begins later; else see [`TransportError`].
    fn fetch(&mut self, partition: &TopicPartition, from: Offset, bytes_max: usize) -> Result<Fetch, TransportError>;

    /// A number that differs whenever something may have been appended to any topic: as long as it stays the same there is
    /// nothing new to read.
    fn version(&mut self) -> u64;

    /// Sleeps until something may have been appended to any topic, or `timeout` has passed.
    fn wait(&mut self, timeout: Duration);

    /// Bytes of a batch that the topic takes at most (Kafka's `max.message.bytes`); none: it does not mind.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn message_bytes_max(&mut self, _topic: &Topic) -> Result<Option<usize>, TransportError> {
        Ok(None)
    }

    /// What is right where local state and changelog disagree.
    fn truth(&self) -> Truth {
        Truth::State
    }

    /// Whether local state with this checkpoint may still be a copy of what its changelog says, as far as can be told from
    /// the checkpoint; if not, it is to be thrown away.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn trusts(&mut self, _changelog: &TopicPartition, _checkpoint: &[u8]) -> Result<bool, TransportError> {
        Ok(true)
    }

    /// Whether outputs are best handed over turn by turn, by [`Transport::send`], instead of at the commit.
    fn sends_early(&self) -> bool {
        false
    }

    /// How long a transaction may be open: a worker commits as often at least.
    fn open_max(&self) -> Duration {
        Duration::MAX
    }

    /// Takes outputs of the open transaction before its commit. They must not be in the transaction that is committed.
    ///
    /// # Errors
    /// `Aborted` or `InDoubt`, as for a commit; else see [`TransportError`].
    fn send(&mut self, outputs: Vec<(TopicPartition, Vec<u8>)>) -> Result<(), TransportError> {
        let what = format!("{} batches were sent outside of a commit", outputs.len());
        Err(TransportError::Refused(what))
    }

    /// Gives up the open transaction, and with it what was sent since the last commit.
    ///
    /// # Errors
    /// `InDoubt` where tasks must be opened anew; else see [`TransportError`].
    fn abort(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    /// The partition is not fetched from any more.
    fn release(&mut self, _partition: &TopicPartition) {}

    /// Whether these positions are the ends of their partitions at this moment, whatever was fetched.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn is_at_end(&mut self, _positions: &[(TopicPartition, Offset)]) -> Result<bool, TransportError> {
        Ok(true)
    }

    /// Commits a transaction of the group. When it returns an error but `InDoubt` nothing of it has happened; `Retry` may
    /// be called again with the same transaction.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn commit(&mut self, group: &str, transaction: &Transaction) -> Result<(), TransportError>;

    /// Deletes the records of partitions before an offset each: Kafka's `DeleteRecords`. They then begin there.
    ///
    /// # Errors
    /// See [`TransportError`]; some may be deleted all the same.
    fn delete_records(&mut self, before: &[(TopicPartition, Offset)]) -> Result<(), TransportError>;
}
