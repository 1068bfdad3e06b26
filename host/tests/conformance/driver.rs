//! Runs a topology over a tape: one partition, no threads, no clock.

use crate::case::Outputs;
use millstream::plugin::port::Plugin;
use millstream::record::batch::{BatchBuilder, Batches, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition, headers};
use millstream::store::{Db, KeyValueStore, Settings};
use millstream::task::{Assembly, Blueprint, Input, Task, TaskId};
use millstream::topology::{Topology, plan};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{TopicSpec, Transaction, Transport};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// How a step ended.
pub(crate) enum Ended {
    Well,
    Stopped(String),
}

pub(crate) struct Driver {
    blueprint: Blueprint,
    log: EmbeddedLog,
    db: Db,
    tasks: Vec<Task>,
    /// Topics that the tape writes to, and those between tasks.
    not_outputs: BTreeSet<String>,
    pub(crate) dropped: u64,
    _directory: tempfile::TempDir,
}

impl Driver {
    pub(crate) fn new(topology: &Topology, plugin: &Arc<dyn Plugin>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let db = Db::open(directory.path(), Settings::default()).expect("a database");
        let log = EmbeddedLog::open(db.clone(), false).expect("a log");
        let plugins = BTreeMap::from([("conformance".to_owned(), Arc::clone(plugin))]);
        let blueprint = Blueprint { plan: Arc::new(plan(topology)), plugins };
        let (tasks, not_outputs) = (Vec::new(), BTreeSet::new());
        let mut driver = Self { blueprint, log, db, tasks, not_outputs, dropped: 0, _directory: directory };
        for subtopology in 0..driver.blueprint.plan.subtopologies.len() {
            let mut inputs = Vec::new();
            for source in driver.blueprint.sources(subtopology) {
                driver.make(source.topic.as_str());
                let partition = TopicPartition::new(source.topic, Partition::new(0));
                inputs.push(Input::new(partition, source.step, source.payload, Offset::new(0)));
            }
            let id = TaskId { subtopology, partition: Partition::new(0) };
            let stores = driver.blueprint.plan.subtopologies[subtopology].stores.iter();
            let stores =
                stores.map(|store| KeyValueStore::open(&driver.db, "oracle", &store.name, 0).expect("a store"));
            let assembly = Assembly { stores: stores.collect(), inputs, turn_rows_max: 1024 };
            let task = driver.blueprint.task(id, assembly).expect("a task");
            driver.tasks.push(task);
        }
        driver
    }

    fn make(&mut self, topic: &str) {
        self.log.create_topic(&TopicSpec::new(Topic::new(topic), 1)).expect("a topic");
        self.not_outputs.insert(topic.to_owned());
    }

    /// Feeds the records of some steps and works until nothing is left.
    pub(crate) fn process(&mut self, steps: &[Value], turn: usize) -> Ended {
        for step in steps {
            if let Some(input) = step.get("in") {
                self.produce(input);
            }
        }
        loop {
            match self.round(turn) {
                Ok(true) => {}
                Ok(false) => return Ended::Well,
                Err(stop) => return Ended::Stopped(stop.to_string()),
            }
        }
    }

    fn produce(&mut self, input: &Value) {
        let bytes = |field: &str| input[field].as_str().map(str::as_bytes);
        let list = input["headers"].as_array().cloned().unwrap_or_default();
        let header =
            |header: &Value| (header[0].as_str().unwrap_or_default().to_owned(), header[1].as_str().map(str::to_owned));
        let list: Vec<_> = list.iter().map(header).collect();
        let section =
            headers::encode(list.iter().map(|(name, value)| (name.as_bytes(), value.as_deref().map(str::as_bytes))));
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(input["timestamp"].as_i64().expect("a timestamp"), bytes("key"), bytes("value"), &section);
        let topic = input["topic"].as_str().expect("a topic");
        self.make(topic);
        let outputs = vec![(TopicPartition::new(Topic::new(topic), Partition::new(0)), builder.finish())];
        self.log.commit("tape", &Transaction { outputs, ..Transaction::default() }).expect("the tape is written");
    }

    /// Takes every task as far as its input goes, turn by turn, and commits it. Says whether anything was done.
    fn round(&mut self, turn: usize) -> Result<bool, millstream::operator::Stop> {
        let mut progressed = false;
        for task in &mut self.tasks {
            task.set_turn_rows_max(turn);
            let mut worked = false;
            loop {
                for index in 0..task.inputs().len() {
                    let input = &task.inputs()[index];
                    let (partition, from) = (input.partition.clone(), input.fetch);
                    let fetched = self.log.fetch(&partition, from, 1 << 20)?;
                    task.feed(index, fetched)?;
                }
                let turned = task.turn(&mut self.log)?;
                self.dropped += turned.dropped;
                if turned.records == 0 {
                    break;
                }
                worked = true;
            }
            if worked {
                let mut transaction = Transaction::default();
                task.hand_in(&mut transaction, &mut self.log)?;
                self.log.commit("oracle", &transaction)?;
                task.committed();
                progressed = true;
            }
        }
        Ok(progressed)
    }

    /// All records of output topics.
    pub(crate) fn outputs(&mut self, outputs: &mut Outputs) {
        for spec in self.log.topics().expect("topics") {
            let name = spec.name.as_str();
            let internal = name.ends_with("-repartition") || name.ends_with("-changelog");
            if internal {
                continue;
            }
            let partition = TopicPartition::new(spec.name.clone(), Partition::new(0));
            let mut from = Offset::new(0);
            let mut rows = Vec::new();
            while let Some(fetched) = self.log.fetch(&partition, from, 1 << 20).expect("outputs can be read") {
                for batch in Batches::new(Arc::new(fetched.batches)) {
                    let batch = batch.expect("a sound batch");
                    for record in batch.records().map(|record| record.expect("a sound record")) {
                        let text = |cell: millstream::record::Cell| {
                            cell.of(batch.payload()).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
                        };
                        rows.push(json!({
                            "topic": name, "key": text(record.key), "value": text(record.value),
                            "timestamp": record.timestamp,
                            "headers": header_list(record.headers.of(batch.payload()).unwrap_or_default()),
                        }));
                    }
                }
                from = fetched.next;
            }
            if self.not_outputs.contains(name) {
                continue;
            }
            if !rows.is_empty() {
                outputs.insert(name.into(), rows);
            }
        }
    }

    /// Rows of stores, in the form of the cases.
    pub(crate) fn stores<'a>(&self, names: impl Iterator<Item = &'a String>) -> BTreeMap<String, Value> {
        names
            .map(|name| {
                let store = KeyValueStore::open(&self.db, "oracle", name, 0).expect("a store");
                let rows = store.range(&[], Bound::Unbounded, usize::MAX).expect("rows");
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                let row =
                    |(key, timestamp, value)| json!({ "key": text(key), "value": text(value), "timestamp": timestamp });
                (name.clone(), rows.into_iter().map(row).collect())
            })
            .collect()
    }
}

/// Headers in the form of the cases: texts that differ between implementations are compared for presence only, and
/// those of ours are left out.
fn header_list(section: &[u8]) -> Vec<Value> {
    headers::iter(section)
        .filter(|(name, _)| !name.starts_with(b"__millstream."))
        .map(|(name, value)| {
            let name = String::from_utf8_lossy(name).into_owned();
            let value = value.map(|value| String::from_utf8_lossy(value).into_owned());
            match name.as_str() {
                "__streams.errors.exception" | "__streams.errors.stacktrace" => json!([name, "*"]),
                _ => json!([name, value]),
            }
        })
        .collect()
}
