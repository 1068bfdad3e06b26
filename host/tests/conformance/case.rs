//! A case: from its JSON to node specs and records, and what it expects.

use millstream::driver::TestRecord;
use millstream::record::Topic;
use millstream::topology::{NodeSpec, PluginSpec, Problem, Settings, Topology};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Outputs of a topic as comparable values.
pub(crate) type Outputs = BTreeMap<String, Vec<Value>>;

pub(crate) struct Case {
    pub(crate) path: String,
    json: Value,
}

/// Fields of nodes that hold a function, and the operator that stands for them.
const FUNCTIONS: [&str; 7] = ["predicate", "value", "key", "flat", "reducer", "aggregator", "topic_extractor"];

impl Case {
    pub(crate) fn new(path: String, json: Value) -> Self {
        Self { path, json }
    }

    pub(crate) fn area(&self) -> String {
        self.path.split('/').next().unwrap_or_default().into()
    }

    pub(crate) fn refused(&self) -> bool {
        self.json["topology_error"] == json!(true)
    }

    pub(crate) fn steps(&self) -> Vec<Value> {
        self.json["steps"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.json["dropped_records"]
            .as_u64()
            .unwrap_or_else(|| self.steps().iter().filter_map(|step| step["dropped"].as_u64()).sum())
    }

    pub(crate) fn stores(&self) -> BTreeMap<String, Value> {
        let stores = self.json["stores"].as_object().cloned().unwrap_or_default();
        stores.into_iter().collect()
    }

    /// Whether Kafka Streams lost a dead letter's key and value, which we keep (quirk `dlq-lost-source`).
    pub(crate) fn keeps_source(&self) -> bool {
        self.json["quirks"].as_array().is_some_and(|quirks| quirks.contains(&json!("dlq-lost-source")))
    }

    /// Where dead letters go.
    pub(crate) fn dead_letter_topic(&self) -> Option<&str> {
        self.json["config"]["dlq_topic"].as_str()
    }

    /// What becomes of records that fail.
    pub(crate) fn policy(&self) -> &'static str {
        match (self.json["config"]["processing_exception"].as_str(), self.dead_letter_topic()) {
            (Some("continue"), Some(_)) => "dead-letter",
            (Some("continue"), None) => "skip",
            _ => "stop",
        }
    }

    pub(crate) fn nodes(&self) -> Vec<NodeSpec> {
        let nodes = self.json["topology"]["nodes"].as_array();
        nodes.into_iter().flatten().map(|node| spec(node, self.is_table(&node["from"]))).collect()
    }

    /// Whether a node gives a table.
    fn is_table(&self, id: &Value) -> bool {
        let nodes = self.json["topology"]["nodes"].as_array();
        let Some(node) = nodes.into_iter().flatten().find(|node| node["id"] == *id) else { return false };
        match node["op"].as_str() {
            Some("table" | "to-table" | "count" | "reduce" | "aggregate") => true,
            Some("filter" | "filter-not" | "map-values") => self.is_table(&node["from"]),
            _ => false,
        }
    }

    pub(crate) fn topology(&self) -> Result<Topology, Vec<Problem>> {
        let on_error = Some((self.policy().into(), 0));
        let dead_letter_topic = self.dead_letter_topic().map(Topic::new);
        let settings = Settings { on_error, dead_letter_topic, ..Settings::default() };
        let plugin = PluginSpec { params: json!({}), ..PluginSpec::default() };
        let plugins = BTreeMap::from([("conformance".to_owned(), plugin)]);
        Topology::check("oracle", &plugins, &self.nodes(), &settings)
    }
}

/// All cases below a directory, by their paths.
pub(crate) fn cases(directory: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    read(directory, directory, &mut cases);
    assert!(!cases.is_empty(), "there are no cases in {}", directory.display());
    cases.sort_by(|a, b| a.path.cmp(&b.path));
    cases
}

fn read(root: &Path, directory: &Path, cases: &mut Vec<Case>) {
    for entry in std::fs::read_dir(directory).expect("the cases can be read") {
        let path = entry.expect("the cases can be read").path();
        if path.is_dir() {
            read(root, &path, cases);
        } else if path.extension().is_some_and(|end| end == "json") {
            let text = std::fs::read_to_string(&path).expect("a case can be read");
            let json: Value = serde_json::from_str(&text).expect("a case is JSON");
            let name = path.strip_prefix(root).expect("below the root").with_extension("").display().to_string();
            cases.push(Case::new(name, json));
        }
    }
}

/// The record that a step puts in.
pub(crate) fn record(input: &Value) -> TestRecord {
    let bytes = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let header = |header: &Value| (header[0].as_str().unwrap_or_default().to_owned(), bytes(&header[1]));
    TestRecord {
        key: bytes(&input["key"]),
        value: bytes(&input["value"]),
        timestamp: input["timestamp"].as_i64().expect("a timestamp"),
        headers: input["headers"].as_array().into_iter().flatten().map(header).collect(),
    }
}

/// A record that came out, in the form of the cases.
pub(crate) fn output(topic: &str, record: &TestRecord) -> Value {
    json!({
        "topic": topic, "key": text(record.key.as_deref()), "value": text(record.value.as_deref()),
        "timestamp": record.timestamp, "headers": header_list(&record.headers),
    })
}

/// A row of a store, in the form of the cases.
pub(crate) fn row(key: &[u8], timestamp: i64, value: &[u8]) -> Value {
    json!({ "key": text(Some(key)), "value": text(Some(value)), "timestamp": timestamp })
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Headers in the form of the cases: texts that differ between implementations are compared for presence only, and
/// those of ours are left out.
fn header_list(headers: &[(String, Option<Vec<u8>>)]) -> Vec<Value> {
    let own = |(name, _): &&(String, Option<Vec<u8>>)| !name.starts_with("__millstream.");
    let one = |(name, value): &(String, Option<Vec<u8>>)| match name.as_str() {
        "__streams.errors.exception" | "__streams.errors.stacktrace" => json!([name, "*"]),
        _ => json!([name, text(value.as_deref())]),
    };
    headers.iter().filter(own).map(one).collect()
}

/// A node of a case as a node of a manifest.
fn spec(node: &Value, over_table: bool) -> NodeSpec {
    let op = node["op"].as_str().unwrap_or_default();
    let mut fields: Map<String, Value> = Map::new();
    for (name, value) in node.as_object().into_iter().flatten() {
        if name != "id" && name != "branches" && !FUNCTIONS.contains(&name.as_str()) {
            fields.insert(name.clone(), value.clone());
        }
    }
    match op {
        "count" => drop(fields.insert("format".into(), json!("text"))),
        "split" => {
            let branch = |branch: &Value| json!({ "id": branch["id"], "call": "conformance.filter", "params": branch["predicate"] });
            let branches: Vec<Value> = node["branches"].as_array().into_iter().flatten().map(branch).collect();
            fields.insert("branches".into(), json!(branches));
        }
        _ => call(op, node, over_table, &mut fields),
    }
    if matches!(op, "count" | "reduce" | "aggregate") {
        fields.insert("emit".into(), json!("every-update"));
    }
    let fields = fields.into_iter().map(|(name, value)| (name, (value, 0))).collect();
    NodeSpec { name: node["id"].as_str().unwrap_or_default().into(), line: 0, fields }
}

fn call(op: &str, node: &Value, over_table: bool, fields: &mut Map<String, Value>) {
    let has = |field: &str| node.get(field).is_some();
    let (operator, params) = match op {
        "map" => ("map", json!({ "key": node["key"], "value": node["value"] })),
        // The group of a table's row has a key and a value.
        "group-by" if has("value") => ("map", json!({ "key": node["key"], "value": node["value"] })),
        "group-by" if over_table => ("map", json!({ "key": node["key"] })),
        "filter" | "filter-not" => ("filter", node["predicate"].clone()),
        "map-values" | "peek" => (op, node["value"].clone()),
        "flat-map" | "flat-map-values" => (op, node["flat"].clone()),
        "select-key" | "group-by" | "to-stream" if has("key") => ("select-key", node["key"].clone()),
        "reduce" if has("reducer") => ("reduce", node["reducer"].clone()),
        "aggregate" if has("aggregator") => ("aggregate", node["aggregator"].clone()),
        "to" if has("topic_extractor") => ("extract-topic", node["topic_extractor"].clone()),
        _ => return,
    };
    fields.insert("call".into(), json!(format!("conformance.{operator}")));
    fields.insert("params".into(), params);
}

/// Adds what steps put out to what is expected of their topics.
pub(crate) fn expect(steps: &[Value], keeps_source: bool, outputs: &mut Outputs) {
    for step in steps {
        for output in step["out"].as_array().into_iter().flatten() {
            let mut output = output.clone();
            if keeps_source && output["topic"] == json!("dlq") && output["key"].is_null() && output["value"].is_null() {
                output["key"] = step["in"]["key"].clone();
                output["value"] = step["in"]["value"].clone();
            }
            let topic = output["topic"].as_str().unwrap_or_default().to_owned();
            outputs.entry(topic).or_default().push(output);
        }
    }
}
