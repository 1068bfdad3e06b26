//! Drives an app's tasks over a tape of records, without threads and without a clock: what Kafka Streams calls a
//! `TopologyTestDriver`. The tasks, stores and log are the real ones; every topic has one partition.

mod case;
mod cell;
mod compare;
mod diff;
mod trial;
mod update;

pub use case::{Case, CaseError, Commit, Expected, InputRecord, OutputRecord, Row, Time};
pub use cell::{Notation, Wanted};
pub use compare::{Difference, Outcome};
pub use trial::{Mode, Report, Trial};
pub use update::updated;

use crate::operator::Stop;
use crate::record::batch::{BatchBuilder, BatchError, Batches, Compression};
use crate::record::{Cell, Offset, Partition, Timestamp, Topic, TopicPartition, headers};
use crate::store::{Db, Entry, KeyValueStore, Settings, StoreError};
use crate::task::{Assembly, Blueprint, Input, TURN_ROWS_MAX, Task, TaskId};
use crate::topology::plan::Subtopology;
use crate::transport::embedded::EmbeddedLog;
use crate::transport::{TopicSpec, Transaction, Transport, TransportError};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

/// Bytes fetched from a topic at once.
const FETCH_BYTES: usize = 1 << 20;
/// Group under which the tape is written.
const TAPE: &str = "millstream-driver";

/// A record of a topic, as a test sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestRecord {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its headers.
    pub headers: Vec<Header>,
}

/// Name and value of a header.
pub type Header = (String, Option<Vec<u8>>);

/// What the tasks did since the driver was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records dropped.
    pub dropped: u64,
    /// Records dead-lettered.
    pub dead_letters: u64,
}

/// An app's tasks and what they work on.
pub struct Driver {
    blueprint: Blueprint,
    log: EmbeddedLog,
    db: Db,
    tasks: Vec<Task>,
    /// Topics that tasks read or the tape wrote: not outputs.
    read: BTreeSet<Topic>,
    tally: Tally,
}

impl Driver {
    /// Sets an app's tasks up in an empty directory.
    ///
    /// # Errors
    /// If the directory cannot be used, or a plugin refuses its parameters.
    pub fn new(directory: &Path, blueprint: Blueprint) -> Result<Self, Stop> {
        let db = Db::open(directory, Settings::default())?;
        let log = EmbeddedLog::open(db.clone(), false)?;
        let mut driver = Self { blueprint, log, db, tasks: Vec::new(), read: BTreeSet::new(), tally: Tally::default() };
        let plan = Arc::clone(&driver.blueprint.plan);
        for (number, part) in plan.subtopologies.iter().enumerate() {
            let task = driver.task(number, part)?;
            driver.tasks.push(task);
        }
        Ok(driver)
    }

    fn task(&mut self, number: usize, part: &Subtopology) -> Result<Task, Stop> {
        let mut inputs = Vec::new();
        for source in self.blueprint.sources(number) {
            self.make(&source.topic)?;
            inputs.push(Input::new(only(source.topic), source.step, source.payload, Offset::new(0)));
        }
        for store in part.stores.iter().filter(|store| store.changelog) {
            self.log.create_topic(&TopicSpec::new(self.blueprint.changelog(&store.name), 1))?;
        }
        let stores = part.stores.iter().map(|store| self.store(&store.name)).collect::<Result<_, _>>()?;
        let id = TaskId { subtopology: number, partition: Partition::new(0) };
        self.blueprint.task(id, Assembly { stores, inputs, turn_rows_max: TURN_ROWS_MAX })
    }

    fn make(&mut self, topic: &Topic) -> Result<(), TransportError> {
        self.log.create_topic(&TopicSpec::new(topic.clone(), 1))?;
        self.read.insert(topic.clone());
        Ok(())
    }

    fn store(&self, name: &str) -> Result<KeyValueStore, StoreError> {
        KeyValueStore::open(&self.db, &self.blueprint.plan.app, name, 0)
    }

    /// Appends a record to a topic.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn send(&mut self, topic: &Topic, record: &TestRecord) -> Result<(), TransportError> {
        let list = record.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers::encode(list));
        self.make(topic)?;
        let outputs = vec![(only(topic.clone()), builder.finish())];
        self.log.commit(TAPE, &Transaction { outputs, ..Transaction::default() })
    }

    /// Works until nothing is left, `turn_rows_max` records a turn, and commits: each task once for all input that it
    /// finds, as often as there is some.
    ///
    /// # Errors
    /// See [`Stop`]; nothing may be asked of the driver's tasks any more.
    pub fn settle(&mut self, turn_rows_max: usize) -> Result<(), Stop> {
        while self.round(turn_rows_max)? {}
        Ok(())
    }

    fn round(&mut self, turn_rows_max: usize) -> Result<bool, Stop> {
        let mut progressed = false;
        for task in &mut self.tasks {
            task.set_turn_rows_max(turn_rows_max);
            if work(task, &mut self.log, &mut self.tally)? {
                let mut transaction = Transaction::default();
                let turned = task.hand_in(&mut transaction, &mut self.log)?;
                self.tally.dropped += turned.dropped;
                self.tally.dead_letters += turned.dead_letters as u64;
                self.log.commit(&self.blueprint.plan.app, &transaction)?;
                task.committed();
                progressed = true;
            }
        }
        Ok(progressed)
    }

    /// What was dropped and dead-lettered so far.
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// All records of output topics: those that no task reads, no tape writes and no store logs to.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn outputs(&mut self) -> Result<BTreeMap<Topic, Vec<TestRecord>>, Stop> {
        let parts = self.blueprint.plan.subtopologies.iter();
        let changelogs: Vec<Topic> =
            parts.flat_map(|part| &part.stores).map(|store| self.blueprint.changelog(&store.name)).collect();
        let mut outputs = BTreeMap::new();
        for spec in self.log.topics()? {
            if self.read.contains(&spec.name) || changelogs.contains(&spec.name) {
                continue;
            }
            let records = self.records(&spec.name)?;
            if !records.is_empty() {
                outputs.insert(spec.name, records);
            }
        }
        Ok(outputs)
    }

    /// All records of a topic.
    fn records(&mut self, topic: &Topic) -> Result<Vec<TestRecord>, Stop> {
        let partition = only(topic.clone());
        let damaged = |error: BatchError| Stop::Damaged { partition: only(topic.clone()), reason: error.to_string() };
        let (mut from, mut records) = (Offset::new(0), Vec::new());
        while let Some(fetched) = self.log.fetch(&partition, from, FETCH_BYTES)?.batches() {
            for batch in Batches::new(Arc::new(fetched.batches)) {
                let batch = batch.map_err(damaged)?;
                let payload = batch.payload();
                let bytes = |cell: Cell| cell.of(payload).map(<[u8]>::to_vec);
                for record in batch.records() {
                    let record = record.map_err(damaged)?;
                    records.push(TestRecord {
                        key: bytes(record.key),
                        value: bytes(record.value),
                        timestamp: record.timestamp,
                        headers: header_list(record.headers.of(payload).unwrap_or_default()),
                    });
                }
            }
            from = fetched.next;
        }
        Ok(records)
    }

    /// All rows of a store.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn rows(&self, store: &str) -> Result<Vec<Entry>, StoreError> {
        self.store(store)?.range(&[], Bound::Unbounded, usize::MAX)
    }
}

/// Takes a task through turns until it has no input left. Says whether there was any.
fn work(task: &mut Task, log: &mut EmbeddedLog, tally: &mut Tally) -> Result<bool, Stop> {
    let mut worked = false;
    loop {
        for index in 0..task.inputs().len() {
            let Some(input) = task.inputs().get(index) else { continue };
            let (partition, from) = (input.partition.clone(), input.fetch);
            let fetched = log.fetch(&partition, from, FETCH_BYTES)?;
            task.feed(index, fetched)?;
        }
        let turned = task.turn(log)?;
        tally.dropped += turned.dropped;
        tally.dead_letters += turned.dead_letters as u64;
        if turned.records == 0 {
            return Ok(worked);
        }
        worked = true;
    }
}

/// The one partition of a topic.
fn only(topic: Topic) -> TopicPartition {
    TopicPartition::new(topic, Partition::new(0))
}

fn header_list(section: &[u8]) -> Vec<Header> {
    let one =
        |(name, value): headers::Header<'_>| (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec));
    headers::iter(section).map(one).collect()
}

#[cfg(test)]
mod tests;
