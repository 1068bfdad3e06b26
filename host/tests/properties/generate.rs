//! Topologies and tapes from a few numbers, so that proptest can make them smaller.

use millstream::record::Topic;
use millstream::topology::plan::{Plan, StepOp};
use millstream::topology::{Kind, NodeSpec, PluginSpec, Settings, Topology, plan};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One choice: an op, which nodes it reads, which function it calls, a switch.
pub(crate) type Choice = (u8, u8, u8, u8, bool);

/// A record of the tape: source, partition, timestamp, key, value, headers.
pub(crate) type Input = (u8, u8, u8, Option<u8>, u8, bool);

/// What a case is made of.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Streams that are read; a table is read besides.
    pub(crate) streams: u8,
    pub(crate) partitions: i32,
    pub(crate) choices: Vec<Choice>,
    pub(crate) tape: Vec<Input>,
    /// Whether every aggregate hands on every update.
    pub(crate) every_update: bool,
    /// Whether functions may break a whole call down.
    pub(crate) traps: bool,
    /// Bytes that an operator holds back at most: none, those of a few keys, or all.
    pub(crate) held_bytes_max: usize,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    let choice = (0..31u8, any::<u8>(), any::<u8>(), any::<u8>(), any::<bool>());
    let input = (0..4u8, 0..3u8, 0..20u8, proptest::option::weighted(0.9, 0..4u8), 0..14u8, any::<bool>());
    let choices = proptest::collection::vec(choice, 1..14);
    let tape = proptest::collection::vec(input, 1..50);
    let held = prop_oneof![Just(0usize), 100..400usize, Just(usize::MAX)];
    (1..3u8, 1..4i32, choices, tape, any::<bool>(), held).prop_map(
        |(streams, partitions, choices, tape, every_update, held_bytes_max)| Case {
            streams,
            partitions,
            choices,
            tape,
            every_update,
            traps: true,
            held_bytes_max,
        },
    )
}

/// A node while the topology grows.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    read: bool,
}

pub(crate) struct Grown {
    /// The app's name, and with a dash the beginning of every topic's.
    app: String,
    pub(crate) specs: Vec<NodeSpec>,
    made: Vec<Made>,
    every_update: bool,
}

/// Texts of the tape; `~` is null. Two of them threaten functions that fail or trap.
const VALUES: [&str; 14] =
    ["a b", "boom", "trap", "x", "1", "-3", "a,b", "b,a", "", "~", "x boom", "long long word", "c,1", "a"];
const VALUE_FUNCTIONS: [(&str, &str); 8] = [
    ("upper", ""),
    ("append", "!"),
    ("with-key", ""),
    ("null-if", "x"),
    ("default", "d e"),
    ("fail-if", "boom"),
    ("trap-if", "trap"),
    ("field", "0"),
];
const KEY_FUNCTIONS: [(&str, &str); 7] = [
    ("value-as-key", ""),
    ("first-char-of-value", ""),
    ("null", ""),
    ("append", "k"),
    ("field", "1"),
    ("fail-if", "boom"),
    ("trap-if", "trap"),
];
const PREDICATES: [(&str, &str); 6] = [
    ("not-null", ""),
    ("value-contains", "a"),
    ("key-is", "k1"),
    ("never", ""),
    ("fail-if", "boom"),
    ("trap-if", "trap"),
];
const FLATS: [(&str, &str); 4] = [("split-words", ""), ("words-as-keys", ""), ("repeat", "3"), ("drop", "")];
const REDUCERS: [(&str, &str); 8] = [
    ("concat", ""),
    ("last", ""),
    ("first", ""),
    ("null-if-equal", ""),
    ("null-on", "x"),
    ("fail-if", "boom"),
    ("trap-if", "trap"),
    ("sum", ""),
];
const AGGREGATORS: [(&str, &str); 5] =
    [("concat", ""), ("keyed", ""), ("null-on", "1"), ("fail-if", "boom"), ("trap-if", "trap")];

fn pick(list: &[(&str, &str)], number: u8) -> Value {
    let (name, arg) = list[usize::from(number) % list.len()];
    json!({ "fn": name, "arg": arg })
}

/// A plugin that runs in a sandbox has no function that traps: there the record fails instead.
fn without_traps(value: &mut Value) {
    match value {
        Value::Object(all) => {
            if all.get("fn") == Some(&json!("trap-if")) {
                all.insert("fn".into(), json!("fail-if"));
            }
            all.values_mut().for_each(without_traps);
        }
        Value::Array(all) => all.iter_mut().for_each(without_traps),
        _ => {}
    }
}

pub(crate) fn text_of(value: u8) -> Option<&'static str> {
    Some(VALUES[usize::from(value) % VALUES.len()]).filter(|value| *value != "~")
}

impl Grown {
    /// The nodes that the choices make; every stream and table that nothing reads goes to a topic.
    pub(crate) fn new(case: &Case, app: &str) -> Self {
        let app = app.to_owned();
        let mut grown = Self { app, specs: Vec::new(), made: Vec::new(), every_update: case.every_update };
        for number in 0..case.streams {
            let topic = grown.topic(&format!("in-{number}"));
            grown.add("stream", Kind::Stream, &[("topic", topic)]);
        }
        let topic = grown.topic("in-table");
        grown.add("table", Kind::Table, &[("topic", topic), ("store", json!("in-table-store"))]);
        for choice in &case.choices {
            grown.choose(*choice);
        }
        let mut index = 0;
        while let Some(made) = grown.made.get(index).cloned() {
            if !made.read && matches!(made.kind, Kind::GroupedStream | Kind::GroupedTable) {
                let op = ["count", "reduce", "aggregate"][index % 3];
                grown.made[index].read = true;
                grown.fold(op, &made.name, u8::try_from(index).unwrap_or_default(), case.streams);
            }
            index += 1;
        }
        for index in 0..grown.made.len() {
            let made = grown.made[index].clone();
            if !made.read && matches!(made.kind, Kind::Stream | Kind::Table) {
                grown.sink(index, u8::try_from(index).unwrap_or_default());
            }
        }
        if !case.traps {
            grown
                .specs
                .iter_mut()
                .flat_map(|spec| spec.fields.values_mut())
                .for_each(|(value, _)| without_traps(value));
        }
        grown
    }

    fn topic(&self, name: &str) -> Value {
        json!(format!("{}-{name}", self.app))
    }

    fn add(&mut self, op: &str, kind: Kind, fields: &[(&str, Value)]) -> String {
        let name = format!("n{}", self.specs.len());
        let mut all = BTreeMap::from([("op".to_owned(), (json!(op), 0))]);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (value.clone(), 0))));
        self.specs.push(NodeSpec { name: name.clone(), line: 0, fields: all });
        if !matches!(kind, Kind::Nothing | Kind::Branches) {
            self.made.push(Made { name: name.clone(), kind, read: false });
        }
        name
    }

    /// A node of the kind, by number.
    fn find(&mut self, kind: Kind, number: u8) -> Option<String> {
        let fitting: Vec<usize> = (0..self.made.len()).filter(|index| self.made[*index].kind == kind).collect();
        let index = *fitting.get(usize::from(number) % fitting.len().max(1))?;
        self.made[index].read = true;
        Some(self.made[index].name.clone())
    }

    fn sink(&mut self, index: usize, number: u8) {
        let from = self.made[index].name.clone();
        self.made[index].read = true;
        let topic = self.topic(&format!("out-{}", number % 3));
        self.add("to", Kind::Nothing, &[("from", json!(from)), ("topic", topic)]);
    }

    fn choose(&mut self, (op, from, other, function, switch): Choice) {
        use Kind::{GroupedStream, GroupedTable, Stream, Table};
        let call = |operator: &str, params: Value| [("call", json!(format!("f.{operator}"))), ("params", params)];
        let (name, reads, makes, mut fields) = match op {
            0 => ("filter", Stream, Stream, call("filter", pick(&PREDICATES, function)).to_vec()),
            1 => ("filter-not", Stream, Stream, call("filter", pick(&PREDICATES, function)).to_vec()),
            2 => ("map-values", Stream, Stream, call("map-values", pick(&VALUE_FUNCTIONS, function)).to_vec()),
            3 | 4 => {
                let both = json!({ "key": pick(&KEY_FUNCTIONS, other), "value": pick(&VALUE_FUNCTIONS, function) });
                ("map", Stream, Stream, call("map", both).to_vec())
            }
            5 => ("flat-map", Stream, Stream, call("flat-map", pick(&FLATS, function)).to_vec()),
            6 => ("flat-map-values", Stream, Stream, call("flat-map-values", pick(&FLATS, function)).to_vec()),
            7 => ("select-key", Stream, Stream, call("select-key", pick(&KEY_FUNCTIONS, function)).to_vec()),
            8 => ("peek", Stream, Stream, call("peek", pick(&VALUE_FUNCTIONS, function)).to_vec()),
            9 | 24..28 => return self.merge(from, other),
            10 => return self.split(from, other, function),
            28.. => return self.counted(from, other, function),
            11 => ("repartition", Stream, Stream, Vec::new()),
            12 => ("group-by", Stream, GroupedStream, call("select-key", pick(&KEY_FUNCTIONS, function)).to_vec()),
            13 => ("group-by-key", Stream, GroupedStream, Vec::new()),
            14 => ("to-table", Stream, Table, Vec::new()),
            15 => ("filter", Table, Table, call("filter", pick(&PREDICATES, function)).to_vec()),
            16 => ("map-values", Table, Table, call("map-values", pick(&VALUE_FUNCTIONS, function)).to_vec()),
            17 => ("to-stream", Table, Stream, Vec::new()),
            18 => {
                let both = json!({ "key": pick(&KEY_FUNCTIONS, other), "value": pick(&VALUE_FUNCTIONS, function) });
                ("group-by", Table, GroupedTable, call("map", both).to_vec())
            }
            19..=22 => {
                let Some(read) = self.find(if switch { GroupedStream } else { GroupedTable }, from) else { return };
                let op = ["count", "reduce", "reduce", "aggregate"][usize::from(op) - 19];
                return self.fold(op, &read, function, other);
            }
            _ => return self.chosen_sink(from),
        };
        let Some(read) = self.find(reads, from) else { return };
        fields.push(("from", json!(read)));
        self.keep(name, makes, other, &mut fields);
        self.add(name, makes, &fields);
    }

    /// An aggregate over a group.
    fn fold(&mut self, op: &'static str, read: &str, function: u8, other: u8) {
        let mut fields = vec![("from", json!(read))];
        match op {
            "count" => fields.push(("format", json!("text"))),
            "reduce" => fields.extend([("call", json!("f.reduce")), ("params", pick(&REDUCERS, function))]),
            _ => fields.extend([("call", json!("f.aggregate")), ("params", pick(&AGGREGATORS, function))]),
        }
        self.keep(op, Kind::Table, other, &mut fields);
        self.add(op, Kind::Table, &fields);
    }

    /// Gives nodes with states a store, a changelog now and then, and a way to emit.
    fn keep(&self, op: &str, makes: Kind, number: u8, fields: &mut Vec<(&'static str, Value)>) {
        if makes != Kind::Table {
            return;
        }
        fields.push(("store", json!(format!("n{}-store", self.specs.len()))));
        if number.is_multiple_of(2) {
            fields.push(("changelog", json!(true)));
        }
        if matches!(op, "count" | "reduce" | "aggregate") {
            let every = self.every_update || number.is_multiple_of(3);
            fields.push(("emit", json!(if every { "every-update" } else { "on-commit" })));
        }
    }

    /// A group that nothing but a count reads.
    fn counted(&mut self, from: u8, other: u8, function: u8) {
        let Some(read) = self.find(Kind::Stream, from) else { return };
        let call = json!("f.select-key");
        let fields = [("from", json!(read)), ("call", call), ("params", pick(&KEY_FUNCTIONS, function))];
        let group = self.add("group-by", Kind::GroupedStream, &fields);
        if let Some(made) = self.made.last_mut() {
            made.kind = Kind::Nothing;
        }
        self.fold("count", &group, function, other);
    }

    fn merge(&mut self, from: u8, other: u8) {
        let (Some(left), Some(right)) = (self.find(Kind::Stream, from), self.find(Kind::Stream, other)) else { return };
        if left != right {
            self.add("merge", Kind::Stream, &[("from", json!([left, right]))]);
        }
    }

    fn split(&mut self, from: u8, first: u8, second: u8) {
        let Some(read) = self.find(Kind::Stream, from) else { return };
        let id = |branch: &str| format!("n{}-{branch}", self.specs.len());
        let (one, two, rest) = (id("one"), id("two"), id("rest"));
        let branch = |id: &str, number| json!({ "id": id, "call": "f.filter", "params": pick(&PREDICATES, number) });
        let branches = json!([branch(&one, first), branch(&two, second)]);
        let fields = [("from", json!(read)), ("branches", branches), ("default", json!(rest))];
        self.add("split", Kind::Branches, &fields);
        self.made.extend([one, two, rest].map(|name| Made { name, kind: Kind::Stream, read: false }));
    }

    /// A sink whose topic the plugin chooses, by key.
    fn chosen_sink(&mut self, from: u8) {
        let Some(read) = self.find(Kind::Stream, from) else { return };
        let params = json!({ "fn": "by-key", "arg": self.topic("by-") });
        self.add("to", Kind::Nothing, &[("from", json!(read)), ("call", json!("f.extract-topic")), ("params", params)]);
    }

    /// The plan, if what its tasks do does not depend on which of them runs first: a task that reads a
    /// repartition topic besides another topic takes what is there.
    pub(crate) fn plan(&self) -> Option<Plan> {
        let settings =
            Settings { dead_letter_topic: Some(Topic::new(&format!("{}-dead", self.app))), ..Settings::default() };
        let plugin = PluginSpec { params: json!({}), ..PluginSpec::default() };
        let plugins = BTreeMap::from([("f".to_owned(), plugin)]);
        let topology = Topology::check(&self.app, &plugins, &self.specs, &settings).unwrap_or_else(|problems| {
            panic!("{problems:?} in {:?}", self.specs);
        });
        let plan = plan(&topology);
        let alone = plan.subtopologies.iter().all(|part| {
            let sources = part.steps.iter().filter_map(|step| match &step.op {
                StepOp::Source { topic, .. } => Some(topic.as_str()),
                _ => None,
            });
            let sources: Vec<_> = sources.into_iter().collect();
            sources.len() < 2 || sources.iter().all(|topic| !topic.ends_with("-repartition"))
        });
        alone.then_some(plan)
    }
}
