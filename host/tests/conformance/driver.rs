//! Cases in terms of the host's driver: steps in, outputs and rows out.

use crate::case::{Outputs, output, record, row};
use millstream::driver::{Driver, TestRecord};
use millstream::plugin::port::Plugin;
use millstream::record::Topic;
use millstream::task::Blueprint;
use millstream::topology::{Topology, plan};
use serde_json::Value;
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
        let of_topic = |(topic, records): (Topic, Vec<TestRecord>)| {
            (topic.to_string(), records.iter().map(|record| output(topic.as_str(), record)).collect())
        };
        outputs.into_iter().map(of_topic).collect()
    }

    /// Rows of stores, in the form of the cases.
    pub(crate) fn stores<'a>(&self, names: impl Iterator<Item = &'a String>) -> BTreeMap<String, Value> {
        names
            .map(|name| {
                let rows = self.driver.rows(name).expect("rows");
                (name.clone(), rows.iter().map(|(key, timestamp, value)| row(key, *timestamp, value)).collect())
            })
            .collect()
    }
}
