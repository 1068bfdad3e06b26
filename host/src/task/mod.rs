//! One partition's work: turn, commit, restore, dead letters.
//!
//! A task is a state machine without I/O. It is fed fetched batches, takes them through its subtopology turn by turn,
//! and hands in what a transaction has to hold; then it hears that the transaction was committed, or that it was not.
//!
//! ```text
//!   feed -> turn -> turn -> ... -> hand_in -> committed
//!                                        \-> rollback (to the last commit)
//! ```

mod build;
mod commit;
mod dead_letter;
mod failed;
mod gather;
mod input;
mod origins;
mod outbox;
mod oversize;
mod restore;
mod settle;
mod step;

pub use build::{Assembly, Blueprint};
pub use failed::{Failed, TOLD_MAX};
pub use input::{Input, QUEUE_BYTES_MAX};
pub use origins::Origin;
use outbox::SinkTopic;
pub use outbox::{BATCH_BYTES_MAX, Outbox, Topics};
pub use restore::{Need, Progress, Restore};

use crate::operator::{Context, Effects, Stop};
use crate::plugin::port::Instance;
use crate::record::batch::BatchBuilder;
use crate::record::{Offset, Partition, Row, Topic, TopicPartition, Turn};
use crate::store::KeyValueStore;
use crate::transport::Fetch;
use origins::Origins;
use std::fmt;
use std::time::Duration;
use step::{Step, arriving};

/// Records that one turn takes at most: enough to fill a call into a plugin, few enough to stay in the cache.
pub const TURN_ROWS_MAX: usize = 1024;
/// Bytes of records that one turn takes at most, unless the first is larger.
pub const TURN_BYTES_MAX: usize = 256 * 1024;

/// `<subtopology>_<partition>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Index of the subtopology in the plan.
    pub subtopology: usize,
    /// The partition of its source topics.
    pub partition: Partition,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// A store of the task and its changelog.
struct ChangelogOf {
    partition: TopicPartition,
    builder: BatchBuilder,
}

/// One partition's work.
pub struct Task {
    id: TaskId,
    steps: Vec<Step>,
    inputs: Vec<Input>,
    stores: Vec<KeyValueStore>,
    changelogs: Vec<Option<ChangelogOf>>,
    plugins: Vec<Box<dyn Instance>>,
    /// Topics of its sinks, by the number in [`To::Sink`].
    sinks: Vec<SinkTopic>,
    dead_letter_topic: Option<Topic>,
    /// Whether paths meet again, so that rows must know their ways.
    meets: bool,
    outbox: Outbox,
    turn: Turn,
    origins: Origins,
    effects: Effects,
    outputs: Vec<Vec<Vec<Row>>>,
    committed: Vec<Offset>,
    turn_rows_max: usize,
    /// See [`Task::set_late_max`].
    late_max: Option<Duration>,
}

/// What a turn did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Input records taken.
    pub records: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Records dropped (see [`Effects::dropped`]).
    pub dropped: u64,
    /// Records dead-lettered.
    pub dead_letters: usize,
    /// Rows that functions failed on and that were skipped or dead-lettered: the first [`TOLD_MAX`].
    pub failed: Vec<Failed>,
    /// How many more there were.
    pub failed_more: usize,
    /// Whether calls into plugins were late.
    pub late: bool,
}

impl Task {
    /// Its id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// Its inputs.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Its stores, in the order of the plan.
    pub fn stores(&mut self) -> &mut [KeyValueStore] {
        &mut self.stores
    }

    /// The changelog partition of store `index`; none if it has none.
    pub fn changelog(&self, index: usize) -> Option<&TopicPartition> {
        self.changelogs.get(index)?.as_ref().map(|changelog| &changelog.partition)
    }

    /// Goes on reading input `index` at `position`, over what is gone.
    pub fn skip_to(&mut self, index: usize, position: Offset) {
        if let Some(input) = self.inputs.get_mut(index) {
            input.rewind(position);
        }
    }

    /// Sets how many records a turn takes at most, 1 to [`TURN_ROWS_MAX`]. Results do not depend on it.
    pub fn set_turn_rows_max(&mut self, rows: usize) {
        self.turn_rows_max = rows.clamp(1, TURN_ROWS_MAX);
    }

    /// Sets for how long calls into plugins may be late in one turn before it is given up with [`Stop::Late`], as long as it
    /// has more than one record; none: as long as it takes to find the culprits.
    pub fn set_late_max(&mut self, late: Option<Duration>) {
        self.late_max = late;
    }

    /// How many records a turn takes at most.
    pub fn turn_rows_max(&self) -> usize {
        self.turn_rows_max
    }

    /// Sets how many bytes each of its operators holds back at most until the commit, besides its stores. Results do not
    /// depend on it, but how many records lie in repartition topics does.
    pub fn set_held_bytes_max(&mut self, bytes: usize) {
        self.steps.iter_mut().for_each(|step| step.operator.set_held_bytes_max(bytes));
    }

    /// Bytes that wait for the commit: outputs, changed state, and what operators hold back.
    pub fn uncommitted_bytes(&self) -> usize {
        let held: usize = self.steps.iter().map(|step| step.operator.held_bytes()).sum();
        self.outbox.bytes() + held + self.stores.iter().map(KeyValueStore::uncommitted_bytes).sum::<usize>()
    }

    /// Whether an input is to go on elsewhere than was committed: behind records that were processed, or behind the ends of
    /// transactions, which are none. Kafka Streams commits those, too, so that a group's lag is 0 where nothing is left.
    pub fn has_moved(&self) -> bool {
        self.inputs.iter().zip(&self.committed).any(|(input, committed)| input.position != *committed)
    }

    /// Takes what was fetched in for input `index`: records, or the news that the log ends there.
    ///
    /// # Errors
    /// [`Stop::Damaged`] if a batch is damaged.
    pub fn feed(&mut self, index: usize, fetched: Fetch) -> Result<(), Stop> {
        self.inputs.get_mut(index).map_or(Ok(()), |input| input.feed(fetched))
    }

    /// Takes the next records, lowest timestamp first among the partitions, through all operators. Taking none is no
    /// error.
    ///
    /// # Errors
    /// See [`Stop`]. The task must then be rolled back before anything else.
    pub fn turn(&mut self, topics: &mut dyn Topics) -> Result<Turned, Stop> {
        let bytes = self.gather()?;
        let records = self.origins.len();
        if records == 0 {
            return Ok(Turned::default());
        }
        self.effects.late_max = self.late_max.filter(|_| records > 1);
        self.run(false).map_err(|stop| self.origins.locate(stop))?;
        self.settle(records, bytes, topics)
    }

    /// Takes the rows of the source steps through the others, in order; or, at a commit, what operators held back.
    #[expect(clippy::indexing_slicing, reason = "steps and outputs are of one length, and inputs come before")]
    fn run(&mut self, flush: bool) -> Result<(), Stop> {
        for index in 0..self.steps.len() {
            let (before, after) = self.outputs.split_at_mut(index);
            let outputs = after[0].as_mut_slice();
            let rows = arriving(&self.steps, index, before, self.meets, &mut self.turn);
            let step = &mut self.steps[index];
            let mut cx = Context {
                turn: &mut self.turn,
                stores: &mut self.stores,
                plugins: &mut self.plugins,
                effects: &mut self.effects,
            };
            if !rows.is_empty() {
                step.operator.run(&rows, &mut cx, outputs)?;
            }
            if flush {
                step.operator.flush(&mut cx, outputs)?;
            }
        }
        Ok(())
    }
}
