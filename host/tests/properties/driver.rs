//! Runs a plan over a tape: every task as far as its input goes, one after the other, no threads, no clock.

use crate::generate::{Case, text_of};
use crate::ground::Ground;
use millstream::operator::Stop;
use millstream::plugin::port::Plugin;
use millstream::record::batch::{BatchBuilder, Batches, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition, headers};
use millstream::store::KeyValueStore;
use millstream::task::{Assembly, Blueprint, Input, Task, TaskId};
use millstream::topology::plan::Plan;
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{TopicSpec, Transaction, Transport};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// How a run is cut. Lists are gone through again and again.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    /// Records a turn.
    pub(crate) turns: Vec<usize>,
    /// Records a commit; a turn ends where a commit comes.
    pub(crate) commits: Vec<usize>,
    /// After which turns there is a crash, counted over all tasks, and where in the commit.
    pub(crate) crashes: BTreeMap<usize, Crash>,
}

/// What happens when a turn is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// The task goes back to its last commit.
    Rollback,
    /// All goes to the commit, but the transport refuses, and the task goes back.
    Refused,
    /// The process dies, and a new one opens the database.
    Reopen,
    /// The process dies after the transport has committed, before the task has heard of it.
    ReopenCommitted,
}

/// One record: timestamp, key, value, headers; bytes that are no text are escaped.
pub(crate) type Seen = (i64, Option<String>, Option<String>, Vec<(String, Option<String>)>);

/// All that a run leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Records by topic and partition; changelogs are apart, because they tell of commits.
    pub(crate) topics: BTreeMap<(String, i32), Vec<Seen>>,
    pub(crate) changelogs: BTreeMap<(String, i32), Vec<Seen>>,
    pub(crate) stores: BTreeMap<(String, i32), Vec<millstream::store::Entry>>,
    pub(crate) offsets: BTreeMap<(String, i32), i64>,
}

pub(crate) struct Driver<'a> {
    blueprint: Blueprint,
    partitions: i32,
    held_bytes_max: usize,
    ground: &'a mut Ground,
    tasks: Vec<Task>,
    turns: usize,
    pub(crate) dropped: u64,
    pub(crate) records: usize,
    /// Crashes that came, by kind.
    pub(crate) crashed: BTreeMap<&'static str, usize>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(plan: &Plan, plugin: &Arc<dyn Plugin>, case: &Case, ground: &'a mut Ground) -> Self {
        let plugins = BTreeMap::from([("f".to_owned(), Arc::clone(plugin))]);
        let blueprint = Blueprint { plan: Arc::new(plan.clone()), plugins };
        let mut driver = Self {
            blueprint,
            partitions: case.partitions,
            held_bytes_max: case.held_bytes_max,
            ground,
            tasks: Vec::new(),
            turns: 0,
            dropped: 0,
            records: 0,
            crashed: BTreeMap::new(),
        };
        driver.produce(case);
        driver.make_tasks();
        driver
    }

    fn app(&self) -> String {
        self.blueprint.plan.app.clone()
    }

    /// The full name of a topic.
    fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.blueprint.plan.app)
    }

    /// A new process: nothing but the data directory is left.
    fn restart(&mut self) {
        self.tasks.clear();
        self.ground.reopen();
        self.make_tasks();
    }

    fn log(&mut self) -> &mut EmbeddedLog {
        self.ground.log()
    }

    fn make(&mut self, topic: &str, partitions: i32) {
        self.log().create_topic(&TopicSpec::new(Topic::new(topic), partitions)).expect("a topic");
    }

    fn produce(&mut self, case: &Case) {
        let mut tapes: BTreeMap<(String, i32), BatchBuilder> = BTreeMap::new();
        for (number, (source, partition, time, key, value, marked)) in case.tape.iter().enumerate() {
            let topic = self.topic(&if *source < case.streams { format!("in-{source}") } else { "in-table".into() });
            let at = (topic, i32::from(*partition) % case.partitions);
            let builder = tapes.entry(at).or_insert_with(|| BatchBuilder::new(Compression::None));
            let key = key.map(|key| format!("k{key}"));
            let number = number.to_string();
            let header = if *marked { vec![(&b"n"[..], Some(number.as_bytes()))] } else { Vec::new() };
            let value = text_of(*value).map(str::as_bytes);
            builder.append(
                i64::from(*time),
                key.as_deref().map(str::as_bytes),
                value,
                &headers::encode(header.into_iter()),
            );
        }
        for topic in (0..case.streams).map(|number| format!("in-{number}")).chain(["in-table".into()]) {
            self.make(&self.topic(&topic), case.partitions);
        }
        for topic in ["dead", "out-0", "out-1", "out-2"] {
            self.make(&self.topic(topic), case.partitions);
        }
        let outputs = tapes.into_iter().map(|((topic, partition), mut builder)| {
            (TopicPartition::new(Topic::new(&topic), Partition::new(partition)), builder.finish())
        });
        let transaction = Transaction { outputs: outputs.collect(), ..Transaction::default() };
        self.log().commit("tape", &transaction).expect("the tape is written");
    }

    fn make_tasks(&mut self) {
        let (plan, app, db) = (Arc::clone(&self.blueprint.plan), self.app(), self.ground.db());
        for (subtopology, part) in plan.subtopologies.iter().enumerate() {
            for spec in part.repartitions.iter() {
                self.make(spec.topic.as_str(), self.partitions);
            }
            for store in part.stores.iter().filter(|store| store.changelog) {
                let topic = self.blueprint.changelog(&store.name);
                self.make(topic.as_str(), self.partitions);
            }
            for partition in (0..self.partitions).map(Partition::new) {
                let mut inputs = Vec::new();
                for source in self.blueprint.sources(subtopology) {
                    let from = TopicPartition::new(source.topic, partition);
                    let committed = self.log().committed(&app, &from).expect("an offset");
                    inputs.push(Input::new(from, source.step, source.payload, committed.unwrap_or(Offset::new(0))));
                }
                let open = |name: &str| KeyValueStore::open(&db, &app, name, partition.get()).expect("a store");
                let stores = part.stores.iter().map(|store| open(&store.name)).collect();
                let assembly = Assembly { stores, inputs, turn_rows_max: 1 };
                let id = TaskId { subtopology, partition };
                let mut task = self.blueprint.task(id, assembly).expect("a task");
                task.set_held_bytes_max(self.held_bytes_max);
                self.tasks.push(task);
            }
        }
    }

    /// Works until nothing is left.
    pub(crate) fn run(&mut self, cuts: &Cuts) {
        let mut commits = vec![0; self.tasks.len()];
        let mut worked = true;
        while std::mem::take(&mut worked) {
            for (task, commits) in commits.iter_mut().enumerate() {
                worked |= self.task(task, cuts, commits);
            }
        }
    }

    /// Takes a task as far as its input goes. Says whether it did anything.
    fn task(&mut self, task: usize, cuts: &Cuts, commits: &mut usize) -> bool {
        let (mut worked, mut since) = (false, 0);
        loop {
            let due = cuts.commits[*commits % cuts.commits.len()];
            let rows = cuts.turns[self.turns % cuts.turns.len()].min(due - since);
            let taken = self.turn(task, rows).expect("records that fail become dead letters");
            since += taken;
            let crash = (taken > 0).then(|| cuts.crashes.get(&self.turns)).flatten();
            self.turns += usize::from(taken > 0);
            worked |= taken > 0;
            if let Some(crash) = crash {
                if !self.crash(task, *crash, since == due) {
                    since = 0;
                    continue;
                }
                (since, *commits) = (0, *commits + 1);
            } else if since == due || (taken == 0 && since > 0) {
                self.commit(task);
                self.tasks[task].committed();
                (since, *commits) = (0, *commits + 1);
            }
            if taken == 0 {
                return worked;
            }
        }
    }

    fn turn(&mut self, task: usize, rows: usize) -> Result<usize, Stop> {
        let Self { tasks, ground, .. } = self;
        let (task, log) = (&mut tasks[task], ground.log());
        task.set_turn_rows_max(rows);
        for index in 0..task.inputs().len() {
            let input = &task.inputs()[index];
            let (partition, from) = (input.partition.clone(), input.fetch);
            let fetched = log.fetch(&partition, from, 1 << 20)?;
            task.feed(index, fetched)?;
        }
        let turned = task.turn(log)?;
        self.dropped += turned.dropped;
        self.records += turned.records;
        Ok(turned.records)
    }

    fn hand_in(&mut self, task: usize) -> Transaction {
        let mut transaction = Transaction::default();
        let log = self.ground.log();
        let turned = self.tasks[task].hand_in(&mut transaction, log).expect("nothing stops at a commit");
        self.dropped += turned.dropped;
        transaction
    }

    fn commit(&mut self, task: usize) {
        let transaction = self.hand_in(task);
        let app = self.app();
        self.log().commit(&app, &transaction).expect("a commit");
    }

    /// Makes the crash happen; says whether the transaction was committed all the same. A crash inside a commit comes
    /// only where a commit is due, or it would be another commit than that of a calm run.
    fn crash(&mut self, task: usize, crash: Crash, due: bool) -> bool {
        let what = match crash {
            Crash::Rollback => "rolled back",
            Crash::Refused if due => "refused at the commit",
            Crash::ReopenCommitted if due => "reopened after the commit",
            Crash::Refused => "rolled back",
            Crash::Reopen | Crash::ReopenCommitted => "reopened",
        };
        *self.crashed.entry(what).or_default() += 1;
        match crash {
            Crash::ReopenCommitted if due => {
                self.commit(task);
                self.restart();
                return true;
            }
            Crash::Refused if due => {
                drop(self.hand_in(task));
                self.tasks[task].rollback();
            }
            Crash::Rollback | Crash::Refused => self.tasks[task].rollback(),
            Crash::Reopen | Crash::ReopenCommitted => {
                self.restart();
            }
        }
        false
    }

    /// All that lies in the data directory now.
    pub(crate) fn left(&mut self) -> Left {
        let (mut left, app) = (Left::default(), self.app());
        for spec in self.log().topics().expect("topics") {
            if !spec.name.as_str().starts_with(&app) {
                continue;
            }
            let name = spec.name.as_str().replace(&app, "app");
            for partition in spec.all_partitions() {
                let at = (name.clone(), partition.partition.get());
                let records = self.records_of(&partition);
                if let Some(offset) = self.log().committed(&app, &partition).expect("an offset") {
                    left.offsets.insert(at.clone(), offset.get());
                }
                let into = if name.ends_with("-changelog") { &mut left.changelogs } else { &mut left.topics };
                into.insert(at, records);
            }
        }
        let db = self.ground.db();
        for store in self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.stores) {
            for partition in 0..self.partitions {
                let opened = KeyValueStore::open(&db, &app, &store.name, partition).expect("a store");
                let rows = opened.range(&[], Bound::Unbounded, usize::MAX).expect("rows");
                left.stores.insert((store.name.clone(), partition), rows);
            }
        }
        left
    }

    fn records_of(&mut self, partition: &TopicPartition) -> Vec<Seen> {
        let (mut from, mut records, app) = (Offset::new(0), Vec::new(), self.app());
        while let Some(fetched) = self.log().fetch(partition, from, 1 << 20).expect("a topic can be read").batches() {
            for batch in Batches::new(Arc::new(fetched.batches)) {
                let batch = batch.expect("a sound batch");
                for record in batch.records().map(|record| record.expect("a sound record")) {
                    // Names of apps and their topics differ from run to run.
                    let text = |bytes: &[u8]| bytes.escape_ascii().to_string().replace(&app, "app");
                    let cell = |cell: millstream::record::Cell| cell.of(batch.payload()).map(text);
                    let headers = headers::iter(record.headers.of(batch.payload()).unwrap_or_default());
                    let headers = headers.map(|(name, value)| (text(name), value.map(text))).collect();
                    records.push((record.timestamp, cell(record.key), cell(record.value), headers));
                }
            }
            from = fetched.next;
        }
        records
    }
}
