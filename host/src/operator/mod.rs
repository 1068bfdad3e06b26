//! What each operator does to a batch of rows. One file an operator; no I/O, no clock.
//!
//! An operator gets rows in the order in which one record at a time would have brought them, and hands rows on in the
//! same order. Null keys, drops and timestamps follow Kafka Streams (its rule is named where it surprises).

mod call;
mod fold;
mod group_table;
mod sink;
mod split;
mod table;
mod transform;

pub use call::{Caller, Failure, Use};
pub use fold::{Ahead, Folder, Function};
pub use group_table::GroupTable;
pub use sink::{Emission, Sink, To};
pub use split::Split;
pub use table::{Table, TableFilter, TableMapValues};
pub use transform::Transform;

use crate::plugin::port::{CallError, Instance};
use crate::record::{Offset, Row, Topic, TopicPartition, Turn};
use crate::store::{KeyValueStore, StoreError};
use crate::topology::plan::OnError;
use std::time::Duration;

/// What operators work on during a turn.
pub struct Context<'a> {
    /// The bytes and paths of the rows.
    pub turn: &'a mut Turn,
    /// The task's stores, by the plan's index.
    pub stores: &'a mut [KeyValueStore],
    /// The task's plugin instances, by the index that a [`Caller`] holds.
    pub plugins: &'a mut [Box<dyn Instance>],
    /// What the turn brings forth besides rows.
    pub effects: &'a mut Effects,
}

/// What a turn brings forth besides rows.
#[derive(Debug, Default)]
pub struct Effects {
    /// Rows that a user's function failed on and that go to the dead-letter topic.
    pub dead: Vec<Failure>,
    /// Rows that a user's function failed on and that are skipped.
    pub skipped: Vec<Failure>,
    /// Records dropped: null keys, null values where they mean nothing, failures that are skipped or dead-lettered
    /// (Kafka Streams' `dropped-records-total`).
    pub dropped: u64,
    /// Rows for topics, in the order in which their sinks ran.
    pub emissions: Vec<Emission>,
    /// Topics that plugins chose in this turn.
    pub chosen: Vec<Topic>,
    /// The deadlines of the turn's calls that did not keep them, together.
    pub late: Duration,
    /// How much of that a turn may have while a call covers several rows; none: any.
    pub late_max: Option<Duration>,
    /// Bytes to build a field in.
    scratch: Vec<u8>,
}

/// An operator at its place in a task.
pub trait Operator: Send {
    /// Takes a batch through. Output `i` of the step is `outputs[i]`.
    ///
    /// # Errors
    /// See [`Stop`].
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop>;

    /// Hands on what was held back until the commit; most operators hold nothing back.
    ///
    /// # Errors
    /// See [`Stop`].
    fn flush(&mut self, _cx: &mut Context<'_>, _outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        Ok(())
    }

    /// Forgets what it held back itself, not in a store, since the last commit.
    fn rollback(&mut self) {}

    /// Bytes that it holds back itself, not in a store.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Sets how many bytes it may hold back itself. Results do not depend on it.
    fn set_held_bytes_max(&mut self, _bytes: usize) {}
}

/// Why a turn cannot be finished. Nothing of it may be committed.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// A user's function failed on a record, and the node's policy is to stop.
    #[error("node {node:?} failed on {}, and its policy is to stop: {reason}", named(.input.as_ref()))]
    Record {
        /// The node.
        node: String,
        /// The failing row's input record, as an index into the turn.
        origin: u32,
        /// Where that record was read, which the task knows; none for what was held back until a commit.
        input: Option<(TopicPartition, Offset)>,
        /// What the plugin said.
        reason: String,
    },
    /// The plugin cannot be set up again after it broke down.
    #[error("node {node:?}: the plugin cannot be set up again: {error}")]
    Plugin {
        /// The node.
        node: String,
        /// Why.
        error: CallError,
    },
    /// Calls were late for so long that the turn is given up: what it took is to be taken again, fewer records at a time.
    #[error("node {node:?}: calls of its plugin were late for {} ms in one turn", .late.as_millis())]
    Late {
        /// The node.
        node: String,
        /// The deadlines that were not kept, together.
        late: Duration,
    },
    /// A record's timestamp is negative, and there is no extractor that knows better.
    #[error("record {partition} at offset {offset} has the invalid timestamp {timestamp}")]
    Timestamp {
        /// Where the record was read.
        partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// Its timestamp.
        timestamp: crate::record::Timestamp,
    },
    /// A fetched batch or an internal topic's record is damaged.
    #[error("{partition}: {reason}")]
    Damaged {
        /// Where it was read.
        partition: TopicPartition,
        /// What is wrong.
        reason: String,
    },
    /// Records were deleted before they were read, and the app is not to go on without them.
    #[error(
        "MS-R006: {partition} begins at offset {start}, but was read up to offset {asked} only, and auto-offset-reset is \"none\"; set it to \"earliest\" or \"latest\" under [guarantee] to go on without what was deleted"
    )]
    Gone {
        /// The partition.
        partition: TopicPartition,
        /// Where it would have been read on.
        asked: Offset,
        /// Where it begins.
        start: Offset,
    },
    /// A task cannot be opened.
    #[error("{0}")]
    Opening(Box<dyn std::error::Error + Send + Sync>),
    /// The transport failed.
    #[error(transparent)]
    Transport(#[from] crate::transport::TransportError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An input record, for a message.
fn named(input: Option<&(TopicPartition, Offset)>) -> String {
    match input {
        Some((partition, offset)) => format!("record {partition} at offset {offset}"),
        None => "a row that was held back until the commit".into(),
    }
}

/// Merges the outputs of several steps, and turns a table's changes into a stream: rows pass as they are.
pub struct Merge;

impl Operator for Merge {
    fn run(&mut self, rows: &[Row], _cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        only(outputs).extend_from_slice(rows);
        Ok(())
    }
}

/// The one output of a step that has one.
#[expect(clippy::indexing_slicing, reason = "the task makes at least one output a step")]
fn only(outputs: &mut [Vec<Row>]) -> &mut Vec<Row> {
    &mut outputs[0]
}

/// Follows a node's policy for one failed row.
fn settle(failure: Failure, policy: OnError, node: &str, effects: &mut Effects) -> Result<(), Stop> {
    match policy {
        OnError::Stop => {
            let origin = failure.row.origin;
            return Err(Stop::Record { node: node.into(), origin, input: None, reason: failure.reason });
        }
        OnError::Skip => effects.skipped.push(failure),
        OnError::DeadLetter => effects.dead.push(failure),
    }
    effects.dropped += 1;
    Ok(())
}
