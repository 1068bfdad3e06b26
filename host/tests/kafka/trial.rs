//! One case of the conformance suite on Kafka: an app of its own with topics of its own, a commit after each step.

use crate::await_that;
use crate::broker::Broker;
use crate::case::{self, Case, Outputs};
use crate::client::{Client, Isolation, Record};
use crate::guests;
use crate::host::{Ended, Host};
use millstream::driver::TestRecord;
use millstream::store::{Db, KeyValueStore, Settings};
use millstream::topology::NodeSpec;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Bound;
use std::path::Path;

/// Added to the timestamps of cases, milliseconds, and taken off again: librdkafka takes a record of time 0 for one of
/// now. All numbers up to 20 divide it, and with them the windows of cases.
const EPOCH: i64 = 232_792_560 * 4000;

/// A case on its way.
pub(crate) struct Trial<'a> {
    case: &'a Case,
    /// The app's name; its topics begin with it and a dot.
    app: String,
    client: Client,
    sources: BTreeSet<String>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(case: &'a Case) -> Self {
        let source = |node: NodeSpec| {
            let text = |name: &str| node.fields.get(name).and_then(|(value, _)| value.as_str());
            text("topic").filter(|_| matches!(text("op"), Some("stream" | "table"))).map(str::to_owned)
        };
        let sources = case.nodes().into_iter().filter_map(source).collect();
        let client = Client::to(&Broker::shared().bootstrap());
        // With an end of its own: no name begins with another one and a dash, as topics of the app do.
        Self { case, app: format!("{}.case", case.path.replace('/', ".")), client, sources }
    }

    /// Runs the case and says where it went wrong.
    pub(crate) fn run(&self) -> Result<(), String> {
        let expected = self.expected();
        let sinks =
            self.case.nodes().into_iter().filter_map(|node| Some(node.fields.get("topic")?.0.as_str()?.to_owned()));
        let all = sinks.chain(expected.keys().cloned()).chain(self.case.dead_letter_topic().map(str::to_owned));
        for topic in all.collect::<BTreeSet<_>>() {
            self.client.create(&self.topic(&topic), 1, &[]);
        }
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("millstream.toml"), self.manifest()).expect("a manifest");
        let mut host = Host::run(directory.path(), &Broker::shared().bootstrap(), &[]);
        let ended = match self.feed(&mut host) {
            Some(ended) => ended,
            None => host.stop(),
        };
        self.judge(&ended, directory.path(), &expected)
    }

    /// Puts the records in, each when the one before is committed with all that came of it. Says how the host ended if it
    /// did so by itself.
    fn feed(&self, host: &mut Host) -> Option<Ended> {
        let positions = self.client.positions(&self.app);
        let mut fed: BTreeMap<String, i64> = BTreeMap::new();
        let mut repartitions = None;
        let mut ended = None;
        for step in self.case.steps() {
            let Some(input) = step.get("in") else { continue };
            let name = self.topic(input["topic"].as_str().expect("a topic"));
            let TestRecord { key, value, headers, timestamp } = case::record(input);
            let timestamp = timestamp + EPOCH;
            self.client.produce(&name, &[Record { key, value, headers, timestamp, ..Record::default() }]);
            *fed.entry(name).or_default() += 1;
            await_that("a step is committed", || {
                ended = host.ended();
                ended.is_some()
                    || fed.iter().all(|(topic, end)| positions.find(topic, 0) == Some(*end))
                        && repartitions
                            .get_or_insert_with(|| self.repartitions())
                            .iter()
                            .all(|topic| positions.is_through(topic, 0))
            });
            if ended.is_some() {
                return ended;
            }
        }
        None
    }

    /// The app's repartition topics; they are there when the first record is through.
    fn repartitions(&self) -> Vec<String> {
        let own = format!("{}-", self.app);
        let topics = self.client.topics().into_keys();
        topics.filter(|topic| topic.starts_with(&own) && topic.ends_with("-repartition")).collect()
    }

    fn judge(&self, ended: &Ended, directory: &Path, expected: &Outputs) -> Result<(), String> {
        let fails = self.case.steps().iter().any(|step| step.get("error").is_some());
        let code = if fails { 1 } else { 0 };
        if ended.code != Some(code) {
            return Err(format!("exit code {:?} instead of {code}: {}", ended.code, ended.log));
        }
        let found = self.found();
        if found != *expected {
            return Err(format!("\n  expected {expected:?}\n  found    {found:?}"));
        }
        if fails {
            return Ok(());
        }
        let (dropped, wanted) = (ended.count("dropped"), self.case.dropped());
        if dropped != Some(wanted) {
            return Err(format!("dropped {dropped:?} records instead of {wanted}"));
        }
        let (wanted, rows) = (self.case.stores(), self.stores(directory));
        if rows == wanted { Ok(()) } else { Err(format!("\n  expected stores {wanted:?}\n  found           {rows:?}")) }
    }

    /// What must come out: of a case that stops, all that came before the step that does.
    fn expected(&self) -> Outputs {
        let mut expected = Outputs::new();
        let steps = self.case.steps();
        let calm = steps.iter().position(|step| step.get("error").is_some()).unwrap_or(steps.len());
        case::expect(steps.get(..calm).unwrap_or_default(), self.case.keeps_source(), &mut expected);
        expected
    }

    /// What was committed to the topics that the app does not read.
    fn found(&self) -> Outputs {
        let own = self.topic("");
        let mut found = Outputs::new();
        for topic in self.client.topics().into_keys() {
            let Some(name) = topic.strip_prefix(&own).filter(|name| !self.sources.contains(*name)) else { continue };
            self.client.await_stable(&topic);
            let records = self.client.read(&topic, Isolation::Committed);
            if !records.is_empty() {
                found.insert(name.to_owned(), records.into_iter().map(|record| self.output(name, record)).collect());
            }
        }
        found
    }

    /// A record in the form of the cases, with their times and topics.
    fn output(&self, topic: &str, record: Record) -> Value {
        let Record { key, value, timestamp, mut headers, .. } = record;
        for value in headers.iter_mut().filter_map(|(_, value)| value.as_mut()) {
            *value = self.renamed(&String::from_utf8_lossy(value)).into_bytes();
        }
        case::output(topic, &TestRecord { key, value, timestamp: timestamp - EPOCH, headers })
    }

    /// Topics as the cases know them; the app that they were captured from was called oracle.
    fn renamed(&self, text: &str) -> String {
        let own = text.strip_prefix(&self.topic("")).map(str::to_owned);
        let made = || Some(format!("oracle-{}", text.strip_prefix(&self.app)?.strip_prefix('-')?));
        own.or_else(made).unwrap_or_else(|| text.to_owned())
    }

    fn stores(&self, directory: &Path) -> BTreeMap<String, Value> {
        let db = Db::open(&directory.join(".millstream"), Settings::default()).expect("the host let go of its data");
        let rows = |name: &String| {
            let store = KeyValueStore::open(&db, &self.app, name, 0).expect("the store opens");
            let rows = store.range(&[], Bound::Unbounded, usize::MAX).expect("the store can be read");
            rows.iter().map(|(key, timestamp, value)| case::row(key, timestamp - EPOCH, value)).collect()
        };
        self.case.stores().into_keys().map(|name| (name.clone(), rows(&name))).collect()
    }

    fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.app)
    }

    fn manifest(&self) -> String {
        let component = guests::built("conformance").display().to_string();
        let mut text = format!(
            "manifest = 1\napp = {:?}\n[guarantee]\ncommit-interval = \"1ms\"\n[plugin.conformance]\ncomponent = {component:?}\n[errors]\non-error = {:?}\n",
            self.app,
            self.case.policy()
        );
        if let Some(topic) = self.case.dead_letter_topic() {
            writeln!(text, "dead-letter-topic = {:?}", self.topic(topic)).expect("text grows");
        }
        for node in self.case.nodes() {
            writeln!(text, "[node.{:?}]", node.name).expect("text grows");
            for (name, (value, _)) in self.fields(&node) {
                let value = toml::Value::try_from(value).expect("it can be written as TOML");
                writeln!(text, "{name:?} = {value}").expect("text grows");
            }
        }
        text
    }

    /// Fields of a node, its topics under the app's names for them.
    fn fields(&self, node: &NodeSpec) -> Vec<(String, (Value, usize))> {
        let field = |(name, (value, line)): (&String, &(Value, usize))| {
            let mut value = without_nulls(value);
            if name == "topic" {
                value = json!(self.topic(value.as_str().unwrap_or_default()));
            }
            let extracts = name == "params"
                && node.fields.get("call").is_some_and(|(call, _)| call == "conformance.extract-topic");
            if extracts {
                value["arg"] = json!(self.topic(value["arg"].as_str().unwrap_or_default()));
            }
            (name.clone(), (value, *line))
        };
        node.fields.iter().map(field).collect()
    }
}

/// A value without members that are null, which TOML has not: what is left out is null to a plugin.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(name, value)| (name.clone(), without_nulls(value))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
