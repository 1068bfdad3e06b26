//! Cases in terms of the host's driver: steps in, outputs and rows out.

use crate::case::Outputs;
use millstream::driver::{Driver, TestRecord};
use millstream::plugin::port::Plugin;
use millstream::record::Topic;
use millstream::task::Blueprint;
use millstream::topology::{Topology, plan};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a step ended.
pub(crate) enum Ended {
    Well,
    Stopped(String),
}

pub(crate) struct Tape {
    driver: Driver,
    _directory: tempfile::TempDir,
}

impl Tape {
    pub(crate) fn new(topology: &Topology, plugin: &Arc<dyn Plugin>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let plugins = BTreeMap::from([("conformance".to_owned(), Arc::clone(plugin))]);
        let blueprint = Blueprint { plan: Arc::new(plan(topology)), plugins };
        Self { driver: Driver::new(directory.path(), blueprint).expect("a driver"), _directory: directory }
    }

    /// Feeds the records of some steps and works until nothing is left.
    pub(crate) fn process(&mut self, steps: &[Value], turn: usize) -> Ended {
        for input in steps.iter().filter_map(|step| step.get("in")) {
            let topic = Topic::new(input["topic"].as_str().expect("a topic"));
            self.driver.send(&topic, &record(input)).expect("the tape is written");
        }
        match self.driver.settle(turn) {
            Ok(()) => Ended::Well,
            Err(stop) => Ended::Stopped(stop.to_string()),
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.driver.tally().dropped
    }

    /// All records of output topics, in the form of the cases.
    pub(crate) fn outputs(&mut self) -> Outputs {
        let outputs = self.driver.outputs().expect("outputs can be read");
        let rows = |(topic, records): (Topic, Vec<TestRecord>)| {
            let row = |record: &TestRecord| {
                json!({
                    "topic": topic.as_str(), "key": text(record.key.as_ref()), "value": text(record.value.as_ref()),
                    "timestamp": record.timestamp, "headers": header_list(&record.headers),
                })
            };
            (topic.to_string(), records.iter().map(row).collect())
        };
        outputs.into_iter().map(rows).collect()
    }

    /// Rows of stores, in the form of the cases.
    pub(crate) fn stores<'a>(&self, names: impl Iterator<Item = &'a String>) -> BTreeMap<String, Value> {
        names
            .map(|name| {
                let rows = self.driver.rows(name).expect("rows");
                let row = |(key, timestamp, value)| json!({ "key": text(Some(&key)), "value": text(Some(&value)), "timestamp": timestamp });
                (name.clone(), rows.into_iter().map(row).collect())
            })
            .collect()
    }
}

fn text(bytes: Option<&Vec<u8>>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn record(input: &Value) -> TestRecord {
    let bytes = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let header = |header: &Value| (header[0].as_str().unwrap_or_default().to_owned(), bytes(&header[1]));
    TestRecord {
        key: bytes(&input["key"]),
        value: bytes(&input["value"]),
        timestamp: input["timestamp"].as_i64().expect("a timestamp"),
        headers: input["headers"].as_array().into_iter().flatten().map(header).collect(),
    }
}

/// Headers in the form of the cases: texts that differ between implementations are compared for presence only, and
/// those of ours are left out.
fn header_list(headers: &[(String, Option<Vec<u8>>)]) -> Vec<Value> {
    let own = |(name, _): &&(String, Option<Vec<u8>>)| !name.starts_with("__millstream.");
    let one = |(name, value): &(String, Option<Vec<u8>>)| match name.as_str() {
        "__streams.errors.exception" | "__streams.errors.stacktrace" => json!([name, "*"]),
        _ => json!([name, text(value.as_ref())]),
    };
    headers.iter().filter(own).map(one).collect()
}
