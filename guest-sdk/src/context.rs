//! Facts about the record (pair, timer) at hand, for the few operators that want them.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::context as host;
#[cfg(not(target_family = "wasm"))]
use crate::native::context as host;
use crate::node::at;

/// Where a record was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Where the record was read that the one at hand comes from; none: it is a timer.
pub fn position() -> Option<Position> {
    let found = host::locate(at().2)?;
    Some(Position { topic: found.topic, partition: found.partition, offset: found.offset })
}

/// Highest timestamp of the records that the task had taken, the one at hand included; -1: there was none.
pub fn stream_time() -> i64 {
    host::stream_time(at().2)
}

/// The host's clock, milliseconds since the Unix epoch: the same for the whole batch.
pub fn wall_clock() -> i64 {
    host::wall_clock()
}

/// Highest timestamp that was extracted from the batch's partition before the batch.
pub(crate) fn partition_time() -> i64 {
    host::partition_time()
}
