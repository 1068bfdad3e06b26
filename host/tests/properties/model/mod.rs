//! What a topology must do, one record at a time and depth first: written from the meaning of the operators, without
//! the host's plan, steps, batches, stores or turns. Only the order of tasks and Kafka's partitioner are taken over.

mod parts;
mod tables;

use crate::driver::Seen;
use crate::functions::Wrong;
use crate::generate::{Case, text_of};
use millstream::record::{Partition, Topic, partition_for};
use millstream::topology::NodeSpec;
use parts::{Node, Origin, Record, apply, function, pack};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

#[derive(Default)]
pub(crate) struct Model {
    nodes: Vec<Node>,
    app: String,
    partitions: i32,
    /// Records between tasks, by topic and partition.
    queues: BTreeMap<(String, i32), Vec<Record>>,
    states: BTreeMap<(usize, i32), BTreeMap<String, (i64, String)>>,
    pub(crate) outputs: BTreeMap<(String, i32), Vec<Seen>>,
    pub(crate) dropped: u64,
}

impl Model {
    /// What comes of a case whose aggregates hand on every update; `tasks` are the topics that each task reads, in the
    /// order in which tasks run.
    pub(crate) fn of(specs: &[NodeSpec], app: &str, case: &Case, tasks: &[Vec<String>]) -> Self {
        let mut model = Self { app: app.into(), partitions: case.partitions, ..Self::default() };
        specs.iter().for_each(|spec| model.add(spec));
        model.tape(case);
        for topics in tasks {
            (0..case.partitions).for_each(|partition| model.task(topics, partition));
        }
        model
    }

    /// A store's rows.
    pub(crate) fn rows(&self, store: &str, partition: i32) -> Vec<(Vec<u8>, i64, Vec<u8>)> {
        let node = self.nodes.iter().position(|node| {
            store == format!("{}-store", node.name) || (store == "in-table-store" && node.op == "table")
        });
        let rows = node.and_then(|node| self.states.get(&(node, partition)));
        let row = |(key, (time, value)): (&String, &(i64, String))| {
            (key.clone().into_bytes(), *time, value.clone().into_bytes())
        };
        rows.into_iter().flatten().map(row).collect()
    }

    fn add(&mut self, spec: &NodeSpec) {
        let field = |name: &str| spec.fields.get(name).map_or(&Value::Null, |(value, _)| value);
        let names = |value: &Value| match value {
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            value => value.as_str().map(str::to_owned).into_iter().collect::<Vec<_>>(),
        };
        let op = field("op").as_str().expect("an op").to_owned();
        let params = field("params");
        let functions = match op.as_str() {
            "split" => field("branches")
                .as_array()
                .expect("branches")
                .iter()
                .map(|branch| function(&branch["params"]))
                .collect(),
            _ if params["key"].is_object() => vec![function(&params["key"]), function(&params["value"])],
            _ => vec![function(params)],
        };
        let from = names(field("from"));
        let parents: Vec<&Node> = from.iter().filter_map(|from| self.parent(from)).collect();
        let rekeyed = parents.iter().any(|node| node.gives_new_keys());
        let over_table = parents.first().is_some_and(|node| node.is_table());
        let topic = field("topic").as_str().unwrap_or_default().to_owned();
        self.nodes.push(Node { name: spec.name.clone(), op, from, functions, topic, rekeyed, over_table });
    }

    /// The node of this name, or the split with this branch.
    fn parent(&self, name: &str) -> Option<&Node> {
        let whole = name.split('-').next().unwrap_or_default();
        self.nodes.iter().find(|node| node.name == whole)
    }

    fn tape(&mut self, case: &Case) {
        for (number, (source, partition, time, key, value, marked)) in case.tape.iter().enumerate() {
            let name = if *source < case.streams { format!("in-{source}") } else { "in-table".into() };
            let headers = if *marked { vec![("n".to_owned(), Some(number.to_string()))] } else { Vec::new() };
            let record = Record {
                timestamp: i64::from(*time),
                key: key.map(|key| format!("k{key}")),
                value: text_of(*value).map(str::to_owned),
                old: None,
                headers,
            };
            let at = (format!("{}-{name}", self.app), i32::from(*partition) % self.partitions);
            self.queues.entry(at).or_default().push(record);
        }
    }

    /// Takes a task's records, lowest timestamp first; of equal ones that of the first topic.
    fn task(&mut self, topics: &[String], partition: i32) {
        let take = |topic: &String| {
            let records = self.queues.get(&(topic.clone(), partition)).cloned().unwrap_or_default();
            records.into_iter().enumerate().collect::<VecDeque<_>>()
        };
        let mut waiting: Vec<_> = topics.iter().map(take).collect();
        loop {
            let heads =
                waiting.iter().enumerate().filter_map(|(index, queue)| Some((queue.front()?.1.timestamp, index)));
            let Some((_, index)) = heads.min() else { return };
            let Some((offset, record)) = waiting[index].pop_front() else { return };
            let topic = topics[index].clone();
            let readers: Vec<usize> = (0..self.nodes.len()).filter(|node| self.reads(*node, &topic)).collect();
            let packed = readers.iter().any(|node| self.nodes[*node].over_table);
            let value = if packed { Some(pack(&record)) } else { record.value.clone().map(String::into_bytes) };
            let origin = Origin { topic, partition, offset, record: record.clone(), value };
            readers.into_iter().for_each(|node| self.enter(node, &record, &origin));
        }
    }

    fn reads(&self, node: usize, topic: &str) -> bool {
        let node = &self.nodes[node];
        let source = matches!(node.op.as_str(), "stream" | "table") && node.topic == topic;
        source || (node.goes_through_a_topic() && self.internal(node) == topic)
    }

    fn internal(&self, node: &Node) -> String {
        format!("{}-{}-repartition", self.app, node.name)
    }

    /// A record arrives from a topic.
    fn enter(&mut self, node: usize, record: &Record, origin: &Origin) {
        match self.nodes[node].op.as_str() {
            "table" | "to-table" => self.keep_row(node, record, origin),
            _ => self.hand_on(&self.nodes[node].name.clone(), record, origin),
        }
    }

    /// Gives a record to all that read `name`, in the order in which they are declared.
    fn hand_on(&mut self, name: &str, record: &Record, origin: &Origin) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].from.iter().any(|from| from == name) {
                self.visit(node, record, origin);
            }
        }
    }

    fn visit(&mut self, node: usize, record: &Record, origin: &Origin) {
        let (op, table) = (self.nodes[node].op.clone(), self.nodes[node].over_table);
        match op.as_str() {
            "filter" | "filter-not" | "map-values" if table => self.over_table(node, record, origin),
            "group-by" if table => self.regroup(node, record, origin),
            "count" => self.count(node, record, origin),
            "reduce" | "aggregate" => self.fold(node, record, origin),
            "to" => self.sink(node, record, origin),
            "split" => self.split(node, record, origin),
            "repartition" | "to-table" | "group-by-key" if self.nodes[node].goes_through_a_topic() => {
                self.send(node, record.clone());
            }
            "to-table" => self.keep_row(node, record, origin),
            "group-by" => {
                if let Some(made) =
                    self.made(node, "select-key", record, origin, &format!("{}-select", self.nodes[node].name))
                {
                    made.into_iter().for_each(|record| self.send(node, record));
                }
            }
            "merge" | "to-stream" | "group-by-key" => self.hand_on(&self.nodes[node].name.clone(), record, origin),
            kind => {
                let name = self.nodes[node].name.clone();
                for record in self.made(node, kind, record, origin, &name).unwrap_or_default() {
                    self.hand_on(&name, &record, origin);
                }
            }
        }
    }

    /// What a stateless function makes of a record; none if it failed.
    fn made(&mut self, node: usize, kind: &str, record: &Record, origin: &Origin, name: &str) -> Option<Vec<Record>> {
        let functions = self.nodes[node].functions.clone();
        let result = apply(kind, &functions, record);
        self.sound(result, origin, name)
    }

    /// The result, unless the function failed: then the input record becomes a dead letter.
    fn sound<T>(&mut self, result: Result<T, Wrong>, origin: &Origin, name: &str) -> Option<T> {
        if result.is_err() {
            self.dropped += 1;
            let said = [
                ("__streams.errors.topic", origin.topic.replace(&self.app, "app")),
                ("__streams.errors.partition", origin.partition.to_string()),
                ("__streams.errors.offset", origin.offset.to_string()),
                ("__millstream.errors.node", name.to_owned()),
            ];
            let mut letter = origin.record.clone();
            letter.headers.extend(said.map(|(name, value)| (name.to_owned(), Some(value))));
            self.write("dead", letter, origin.value.as_deref(), self.partitions, origin.partition);
        }
        result.ok()
    }

    fn write(&mut self, topic: &str, record: Record, value: Option<&[u8]>, partitions: i32, came_from: i32) {
        let key = record.key.as_deref().map(str::as_bytes);
        let partition = partition_for(key, Partition::new(came_from), partitions).get();
        let escaped = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let seen = (record.timestamp, key.map(escaped), value.map(escaped), record.headers);
        self.outputs.entry((format!("app-{topic}"), partition)).or_default().push(seen);
    }

    /// To the node's repartition topic, where a record without a key has no place.
    fn send(&mut self, node: usize, record: Record) {
        let Some(key) = &record.key else { return };
        let partition = partition_for(Some(key.as_bytes()), Partition::new(0), self.partitions).get();
        let topic = self.internal(&self.nodes[node]);
        self.queues.entry((topic, partition)).or_default().push(record);
    }

    fn sink(&mut self, node: usize, record: &Record, origin: &Origin) {
        if let Some(topic) = self.nodes[node].topic.strip_prefix(&format!("{}-", self.app)).map(str::to_owned) {
            let value = record.value.as_deref().map(str::as_bytes);
            return self.write(&topic, record.clone(), value, self.partitions, origin.partition);
        }
        let name = format!("by-{}", record.key.as_deref().unwrap_or("null"));
        let name_of_node = self.nodes[node].name.clone();
        if !Topic::is_legal(&name) {
            let result: Result<(), Wrong> = Err(Wrong::Failed(name));
            self.sound(result, origin, &name_of_node);
            return;
        }
        self.write(&name, record.clone(), record.value.as_deref().map(str::as_bytes), 1, origin.partition);
    }

    fn split(&mut self, node: usize, record: &Record, origin: &Origin) {
        let name = self.nodes[node].name.clone();
        for (branch, predicate) in ["one", "two"].iter().zip(self.nodes[node].functions.clone()) {
            let says = predicate.says(&record.key, &record.value);
            match self.sound(says, origin, &name) {
                None => return,
                Some(true) => return self.hand_on(&format!("{name}-{branch}"), record, origin),
                Some(false) => {}
            }
        }
        self.hand_on(&format!("{name}-rest"), record, origin);
    }
}
