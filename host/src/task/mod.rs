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
mod dead_letter;
mod failed;
mod input;
mod origins;
mod outbox;
mod oversize;
mod restore;
mod step;

pub use build::{Assembly, Blueprint};
pub use failed::{Failed, TOLD_MAX};
pub use input::{Input, QUEUE_BYTES_MAX};
pub use origins::Origin;
use outbox::SinkTopic;
pub use outbox::{BATCH_BYTES_MAX, Outbox, Topics};
pub use restore::{Need, Progress, Restore};

use crate::operator::{Context, Effects, Emission, Stop, To};
use crate::plugin::port::Instance;
use crate::record::batch::BatchBuilder;
use crate::record::{Cell, Offset, Partition, Row, Topic, TopicPartition, Turn, change, counted};
use crate::store::KeyValueStore;
use crate::topology::plan::Payload;
use crate::transport::{Checkpoint, Fetch, Transaction};
use failed::Failures;
use origins::{Origins, row_of};
use std::fmt;
use std::sync::Arc;
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

    /// Forgets the turn before.
    fn begin(&mut self) {
        self.turn.clear();
        self.origins.clear();
        self.outputs.iter_mut().flatten().for_each(Vec::clear);
    }

    /// Chooses the records of a turn and makes rows of them.
    fn gather(&mut self) -> Result<usize, Stop> {
        self.begin();
        let mut bytes = 0;
        while self.origins.len() < self.turn_rows_max && bytes < TURN_BYTES_MAX {
            let Some((index, until)) = self.choose() else { break };
            bytes += self.take(index, until, bytes)?;
        }
        Ok(bytes)
    }

    /// The input whose head record has the lowest timestamp, and the timestamp up to which it may go on before another
    /// input's turn comes. None while an input is behind: its next record may have a lower timestamp still.
    fn choose(&self) -> Option<(usize, i64)> {
        if self.inputs.iter().any(Input::is_behind) {
            return None;
        }
        let mut best: Option<(usize, i64)> = None;
        let mut until = i64::MAX;
        for (index, input) in self.inputs.iter().enumerate() {
            let Some(head) = input.head() else { continue };
            match best {
                Some((_, lowest)) if lowest <= head => until = until.min(head),
                _ => {
                    until = best.map_or(until, |(_, lowest)| until.min(lowest.saturating_sub(1)));
                    best = Some((index, head));
                }
            }
        }
        best.map(|(index, _)| (index, until))
    }

    /// Takes records of one batch of an input, as long as their timestamps allow.
    #[expect(clippy::indexing_slicing, reason = "choose gives an index of inputs, and outputs has an entry a step")]
    fn take(&mut self, index: usize, until: i64, taken: usize) -> Result<usize, Stop> {
        let input = &mut self.inputs[index];
        let Some(load) = input.load() else { return Ok(0) };
        let chunk = self.turn.arena.share(Arc::clone(&load.bytes));
        let rows = &mut self.outputs[input.step][0];
        let first = self.origins.len();
        let (mut count, mut bytes) = (0, 0);
        for record in load.waiting().iter().take(self.turn_rows_max - first) {
            if taken + bytes >= TURN_BYTES_MAX || record.timestamp > until {
                break;
            }
            if record.timestamp < 0 {
                let (partition, offset) = (input.partition.clone(), record.offset);
                return Err(Stop::Timestamp { partition, offset, timestamp: record.timestamp });
            }
            #[expect(clippy::cast_possible_truncation, reason = "bounded by TURN_ROWS_MAX")]
            let row = row_of(record, chunk, (first + count) as u32);
            bytes += row.key.len() + row.value.len() + row.headers.len();
            count += 1;
            rows.push(match input.payload {
                Payload::Plain => row,
                Payload::Change => changed(row, &self.turn)
                    .ok_or_else(|| damaged(&input.partition, record.offset, "change of a table"))?,
                Payload::Count => counted(row, &self.turn)
                    .ok_or_else(|| damaged(&input.partition, record.offset, "number of records"))?,
            });
        }
        self.origins.add(&input.partition, chunk, &load.records, load.taken, count);
        input.advance(count);
        Ok(bytes)
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

    /// Puts the turn's emissions and dead letters into the outbox.
    fn settle(&mut self, records: usize, bytes: usize, topics: &mut dyn Topics) -> Result<Turned, Stop> {
        let mut emissions = std::mem::take(&mut self.effects.emissions);
        if self.meets {
            let paths = &self.turn.paths;
            emissions
                .sort_by(|a, b| a.row.origin.cmp(&b.row.origin).then_with(|| paths.compare(a.row.path, b.row.path)));
        }
        let chosen = std::mem::take(&mut self.effects.chosen);
        let chosen: Vec<usize> =
            chosen.iter().map(|topic| self.outbox.topic(topic, topics)).collect::<Result<_, _>>()?;
        self.set_oversize_aside(&mut emissions, &chosen, topics)?;
        let (failures, dead_letters) = self.write_letters(&mut emissions);
        for Emission { to, row } in &emissions {
            let place = match to {
                To::Chosen(number) => chosen.get(*number as usize).copied(),
                To::Sink(number) => match self.sinks.get_mut(*number as usize) {
                    Some(sink) => Some(sink.place(&mut self.outbox, topics)?),
                    None => None,
                },
                To::DeadLetters => match self.dead_letter_topic.clone() {
                    Some(topic) => {
                        let place = self.outbox.topic(&topic, topics)?;
                        self.check_letter(row, place)?;
                        Some(place)
                    }
                    None => None,
                },
            };
            if let Some(place) = place {
                self.outbox.push(place, row, &self.turn.arena, self.id.partition);
            }
        }
        emissions.clear();
        self.effects.emissions = emissions;
        let dropped = std::mem::take(&mut self.effects.dropped);
        let late = !std::mem::take(&mut self.effects.late).is_zero();
        let (failed, failed_more) = failed::told(failures, &self.origins);
        Ok(Turned { records, bytes, dropped, dead_letters, failed, failed_more, late })
    }

    /// Writes the turn's dead letters among its emissions: their topic may be one that sinks write too. Gives the failures
    /// of the turn and says how many of them are dead letters.
    fn write_letters(&mut self, emissions: &mut Vec<Emission>) -> (Failures, usize) {
        let (mut dead, skipped) = (std::mem::take(&mut self.effects.dead), std::mem::take(&mut self.effects.skipped));
        if dead.is_empty() || self.dead_letter_topic.is_none() {
            return (Failures { dead, skipped }, 0);
        }
        let paths = &self.turn.paths;
        dead.sort_by(|a, b| a.row.origin.cmp(&b.row.origin).then_with(|| paths.compare(a.row.path, b.row.path)));
        for failure in &dead {
            let origin = self.origins.get(failure.row.origin);
            let row = dead_letter::letter(failure, origin.as_ref(), &mut self.turn);
            emissions.push(Emission { to: To::DeadLetters, row });
        }
        emissions.sort_by_key(|emission| emission.row.origin);
        let letters = dead.len();
        (Failures { dead, skipped }, letters)
    }

    /// Writes from now on to all partitions that its topics have, as is known of some of them.
    pub fn widen(&mut self, partitions: &dyn Fn(&Topic) -> Option<i32>) {
        self.outbox.widen(partitions);
    }

    /// Moves the outputs so far into the transaction, for a transport that sends them before the commit.
    pub fn drain(&mut self, transaction: &mut Transaction) {
        self.outbox.drain(transaction);
    }

    /// Hands in everything since the last commit. May be followed by [`Task::committed`] or [`Task::rollback`] only.
    ///
    /// # Errors
    /// See [`Stop`]; the task must then be rolled back.
    pub fn hand_in(&mut self, transaction: &mut Transaction, topics: &mut dyn Topics) -> Result<Turned, Stop> {
        self.begin();
        self.effects.late_max = None;
        if !crate::fault::is("held-back-is-lost") {
            self.run(true).map_err(|stop| self.origins.locate(stop))?;
        }
        let turned = self.settle(0, 0, topics)?;
        self.outbox.drain(transaction);
        for (store, changelog) in self.stores.iter_mut().zip(&mut self.changelogs) {
            log_changes(store, changelog.as_mut(), transaction);
        }
        for (input, committed) in self.inputs.iter().zip(&self.committed) {
            if input.position != *committed {
                let behind = i64::from(crate::fault::is("offset-without-next"));
                transaction.offsets.push((input.partition.clone(), Offset::new(input.position.get() - behind)));
            }
        }
        Ok(turned)
    }

    /// The transaction that it handed in to was committed.
    pub fn committed(&mut self) {
        self.stores.iter_mut().for_each(KeyValueStore::committed);
        self.committed = self.inputs.iter().map(|input| input.position).collect();
    }

    /// The transaction was not committed: back to where the last commit left it.
    pub fn rollback(&mut self) {
        self.outbox.clear();
        self.effects = Effects::default();
        self.steps.iter_mut().for_each(|step| step.operator.rollback());
        self.stores.iter_mut().for_each(KeyValueStore::rollback);
        for (input, committed) in self.inputs.iter_mut().zip(&self.committed) {
            input.rewind(*committed);
        }
    }
}

/// A row whose value is a change, taken apart.
fn changed(row: Row, turn: &Turn) -> Option<Row> {
    let (new, old) = change::cells(row.value, &turn.arena)?;
    Some(Row { value: new, old, ..row })
}

/// A row that stands for several records: their number takes the place of an old value.
fn counted(row: Row, turn: &Turn) -> Option<Row> {
    counted::number(turn.arena.get(row.value)?)?;
    Some(Row { value: Cell::EMPTY, old: row.value, ..row })
}

fn damaged(partition: &TopicPartition, offset: Offset, wanted: &str) -> Stop {
    Stop::Damaged { partition: partition.clone(), reason: format!("the record at offset {offset} is no {wanted}") }
}

/// Writes a store's changes, and their changelog records, into the transaction.
fn log_changes(store: &mut KeyValueStore, changelog: Option<&mut ChangelogOf>, transaction: &mut Transaction) {
    let Some(ChangelogOf { partition, builder }) = changelog else {
        store.prepare(&mut transaction.state, None);
        return;
    };
    let outputs = &mut transaction.outputs;
    store.prepare(
        &mut transaction.state,
        Some(&mut |key, timestamp, value| {
            builder.append(timestamp, Some(key), value, &[]);
            if builder.size() >= BATCH_BYTES_MAX {
                outputs.push((partition.clone(), builder.finish()));
            }
        }),
    );
    if builder.count() > 0 {
        outputs.push((partition.clone(), builder.finish()));
    }
    if store.uncommitted_bytes() > 0 {
        let (changelog, key) = (partition.clone(), store.checkpoint_key());
        transaction.checkpoints.push(Checkpoint { changelog, key, at: None, whole: true });
    }
}
