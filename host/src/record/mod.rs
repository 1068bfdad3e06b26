//! Records and how they lie in memory. No I/O, no clock, no foreign types.
//!
//! A record on its way through a task is a [`Row`]: four small [`Cell`]s that say where its key, value, old value and
//! headers lie in the [`Arena`] of the turn. Operators move rows and append bytes; they never copy a record that they
//! do not change.

mod arena;
pub mod batch;
pub mod change;
pub mod counted;
pub mod headers;
pub mod hex;
mod partitioner;
mod path;
mod row;
pub mod time;
pub mod varint;

pub use arena::{Arena, Cell, Chunk};
pub use partitioner::{murmur2, partition_for};
pub use path::{Path, Paths};
pub use row::{Row, Turn};

use std::fmt;
use std::sync::Arc;

/// Partitions of a topic at most: every one of them costs memory and a task, and a number that was mistyped must not take
/// the machine down. As many as clusters with a few hundred workers have.
pub const PARTITIONS_MAX: i32 = 10_000;

/// A number of partitions, for people.
pub fn partitions(count: i32) -> String {
    if count == 1 { "1 partition".into() } else { format!("{count} partitions") }
}

/// A topic's name. Cheap to clone; compared by its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// Wraps a name as it is; [`crate::topology`] checks that it is legal in Kafka.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// Whether Kafka takes the name: 1 to 249 of `[a-zA-Z0-9._-]`, and not `.` or `..`.
    pub fn is_legal(name: &str) -> bool {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (1..=249).contains(&name.len()) && name.bytes().all(legal) && !matches!(name, "." | "..")
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($inner);

        impl $name {
            /// Wraps a number.
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// The number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A partition of a topic, counted from 0.
    Partition(i32)
);
number!(
    /// A record's place in its partition, counted from 0.
    Offset(i64)
);

impl Offset {
    /// The place right after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Event time in milliseconds since the Unix epoch; negative values are "unknown" in Kafka's protocol.
pub type Timestamp = i64;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: Partition,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub const fn new(topic: Topic, partition: Partition) -> Self {
        Self { topic, partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}
