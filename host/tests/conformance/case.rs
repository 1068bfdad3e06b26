//! A case: from its JSON to node specs, and what it expects.

use millstream::record::Topic;
use millstream::topology::{NodeSpec, PluginSpec, Problem, Settings, Topology};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

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

    pub(crate) fn topology(&self) -> Result<Topology, Vec<Problem>> {
        let config = &self.json["config"];
        let topic = config["dlq_topic"].as_str().map(Topic::new);
        let policy = match (config["processing_exception"].as_str(), &topic) {
            (Some("continue"), Some(_)) => "dead-letter",
            (Some("continue"), None) => "skip",
            _ => "stop",
        };
        let settings = Settings { on_error: Some((policy.into(), 0)), dead_letter_topic: topic, ..Settings::default() };
        let plugin = PluginSpec { params: json!({}), ..PluginSpec::default() };
        let plugins = BTreeMap::from([("conformance".to_owned(), plugin)]);
        let nodes = self.json["topology"]["nodes"].as_array().cloned().unwrap_or_default();
        let specs: Vec<NodeSpec> = nodes.iter().map(spec).collect();
        Topology::check("oracle", &plugins, &specs, &settings)
    }
}

/// A node of a case as a node of a manifest.
fn spec(node: &Value) -> NodeSpec {
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
        _ => call(op, node, &mut fields),
    }
    if matches!(op, "count" | "reduce" | "aggregate") {
        fields.insert("emit".into(), json!("every-update"));
    }
    let fields = fields.into_iter().map(|(name, value)| (name, (value, 0))).collect();
    NodeSpec { name: node["id"].as_str().unwrap_or_default().into(), line: 0, fields }
}

fn call(op: &str, node: &Value, fields: &mut Map<String, Value>) {
    let has = |field: &str| node.get(field).is_some();
    let table_group = op == "group-by" && has("value");
    let (operator, params) = match op {
        "map" => ("map", json!({ "key": node["key"], "value": node["value"] })),
        _ if table_group => ("map", json!({ "key": node["key"], "value": node["value"] })),
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
