//! From specs to a topology: all that is wrong, in one pass.

use super::manifest::Settings;
use super::ops::{self, Inputs, Kind, Op};
use super::plan::{Call, OnError};
use super::problem::nearest;
use super::{Node, NodeSpec, PluginSpec, Problem, Topology};
use crate::record::{PARTITIONS_MAX, Topic};
use serde_json::Value;
use std::collections::BTreeMap;

/// Marks a node that is being visited, so that a cycle is noticed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    Open,
    Done(usize),
}

impl Topology {
    /// Checks nodes against the vocabulary and against each other.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(
        app: &str,
        plugins: &BTreeMap<String, PluginSpec>,
        specs: &[NodeSpec],
        settings: &Settings,
    ) -> Result<Self, Vec<Problem>> {
        let mut checker = Checker {
            plugins,
            specs,
            settings,
            problems: Vec::new(),
            nodes: Vec::new(),
            marks: Vec::new(),
            names: BTreeMap::new(),
        };
        checker.name_all();
        checker.marks = vec![Mark::New; specs.len()];
        for index in 0..specs.len() {
            checker.visit(index, &mut Vec::new());
        }
        if let Some((policy, line)) = &settings.on_error {
            checker.policy_named(policy, *line);
        }
        checker.check_stores();
        checker.check_internal(app);
        let Checker { mut problems, nodes, .. } = checker;
        if nodes.is_empty() && problems.is_empty() {
            problems.push(Problem::new(
                "MS-T004",
                0,
                "the manifest declares no node",
                "begin with a source: [node.lines] op = \"stream\" topic = \"...\"",
            ));
        }
        problems.sort_by_key(|problem| problem.line);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self { app: app.into(), nodes, dead_letter_topic: settings.dead_letter_topic.clone() })
    }
}

struct Checker<'a> {
    plugins: &'a BTreeMap<String, PluginSpec>,
    specs: &'a [NodeSpec],
    settings: &'a Settings,
    problems: Vec<Problem>,
    nodes: Vec<Node>,
    marks: Vec<Mark>,
    /// Spec and branch of every name that can be read.
    names: BTreeMap<&'a str, (usize, usize)>,
}

impl<'a> Checker<'a> {
    fn problem(&mut self, code: &'static str, line: usize, what: String, remedy: impl Into<String>) {
        self.problems.push(Problem::new(code, line, what, remedy));
    }

    fn name_all(&mut self) {
        for (index, spec) in self.specs.iter().enumerate() {
            let branches =
                branches(spec).map(|(id, _)| id).chain(spec.fields.get("default").and_then(|(id, _)| id.as_str()));
            let names = std::iter::once(spec.name.as_str()).chain(branches.collect::<Vec<_>>());
            for (place, name) in names.enumerate() {
                if self.names.insert(name, (index, place.saturating_sub(1))).is_some() {
                    let what = format!("two nodes are called {name:?}");
                    self.problem("MS-T005", spec.line, what, "give one of them another name");
                }
            }
        }
    }

    /// Checks a node after those that it reads; gives its place.
    fn visit(&mut self, index: usize, way: &mut Vec<&'a str>) -> Option<usize> {
        let spec = self.specs.get(index)?;
        match self.marks.get(index).copied()? {
            Mark::Done(place) => return Some(place).filter(|place| *place != usize::MAX),
            Mark::Open => {
                let what = format!("the nodes read each other in a circle: {} -> {}", way.join(" -> "), spec.name);
                self.problem(
                    "MS-T006",
                    spec.line,
                    what,
                    "break the circle: send records through a topic instead (to, stream)",
                );
                return None;
            }
            Mark::New => {}
        }
        self.mark(index, Mark::Open);
        way.push(&spec.name);
        let node = self.node(spec, way);
        way.pop();
        let place = node.map(|node| {
            self.nodes.push(node);
            self.nodes.len() - 1
        });
        self.mark(index, Mark::Done(place.unwrap_or(usize::MAX)));
        place
    }

    fn mark(&mut self, index: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(index) {
            *place = mark;
        }
    }

    fn node(&mut self, spec: &'a NodeSpec, way: &mut Vec<&'a str>) -> Option<Node> {
        let op = self.op(spec)?;
        self.check_fields(spec, op);
        // All of a node is checked even if what it reads is in doubt, so that everything wrong is found in one pass.
        let calls = self.calls(spec);
        let on_error = self.policy(spec);
        let inputs = self.inputs(spec, op, way);
        let kind = self.kind(spec, op, inputs.as_deref()?)?;
        let (name, fields) = (spec.name.clone(), spec.fields.clone());
        Some(Node { name, op: op.name, line: spec.line, kind, inputs: inputs?, calls, on_error, fields })
    }

    fn op(&mut self, spec: &NodeSpec) -> Option<&'static Op> {
        let Some((value, line)) = spec.fields.get("op") else {
            let what = format!("node {:?} says no op", spec.name);
            self.problem("MS-T004", spec.line, what, "add a line like op = \"filter\"");
            return None;
        };
        let name = value.as_str().unwrap_or_default();
        let found = ops::find(name);
        if let Some(later) = ops::later(name).filter(|_| found.is_none()) {
            let remedy = format!("it will be called {later}; see README.md for what is supported");
            self.problem("MS-T008", *line, format!("op {name:?} is not supported yet"), remedy);
        } else if found.is_none() {
            let near = nearest(name, ops::names());
            let remedy =
                if near.is_empty() { format!("one of {}", ops::names().collect::<Vec<_>>().join(", ")) } else { near };
            self.problem("MS-T007", *line, format!("there is no op {value}"), remedy);
        }
        found
    }

    fn check_fields(&mut self, spec: &NodeSpec, op: &Op) {
        let from = if op.inputs == Inputs::None { &[][..] } else { &["from"] };
        let known: Vec<&str> = ["op"].iter().chain(from).chain(op.required).chain(op.optional).copied().collect();
        for (name, (value, line)) in &spec.fields {
            if !known.contains(&name.as_str()) && ops::LATER_FIELDS.contains(&name.as_str()) {
                let what = format!("{name:?} (op {:?}) is not supported yet", op.name);
                self.problem("MS-T008", *line, what, "see README.md for what is");
            } else if !known.contains(&name.as_str()) {
                let near = nearest(name, known.iter().copied());
                let remedy = if near.is_empty() { format!("{:?} takes {}", op.name, known.join(", ")) } else { near };
                self.problem("MS-T002", *line, format!("op {:?} does not take {name:?}", op.name), remedy);
            } else if let Some(wanted) = ill_formed(name, value) {
                self.problem("MS-T003", *line, format!("{name:?} cannot be {value}"), format!("write {wanted}"));
            }
        }
        for field in op.required.iter().filter(|field| !spec.fields.contains_key(**field)) {
            let what = format!("node {:?} ({}) says no {field:?}", spec.name, op.name);
            self.problem("MS-T004", spec.line, what, format!("add a line like {}", example(field)));
        }
        if op.name == "to" && spec.fields.contains_key("topic") == spec.fields.contains_key("call") {
            let what = format!("node {:?} must say either topic or call", spec.name);
            self.problem(
                "MS-T004",
                spec.line,
                what,
                "topic for a fixed topic, call for one that the plugin chooses for each record",
            );
        }
    }

    fn inputs(&mut self, spec: &'a NodeSpec, op: &Op, way: &mut Vec<&'a str>) -> Option<Vec<(usize, usize)>> {
        let field = spec.fields.get("from");
        let line = field.map_or(spec.line, |(_, line)| *line);
        let names: Vec<&'a str> = match (op.inputs, field.map(|(value, _)| value)) {
            (Inputs::None, _) => return Some(Vec::new()),
            (Inputs::One, Some(Value::String(name))) => vec![name],
            (Inputs::Several, Some(Value::Array(names))) if names.len() > 1 => {
                names.iter().filter_map(Value::as_str).collect()
            }
            (inputs, _) => {
                let wanted = if inputs == Inputs::One { "from = \"lines\"" } else { "from = [\"left\", \"right\"]" };
                let what = format!("node {:?} ({}) does not say which nodes it reads", spec.name, op.name);
                self.problem("MS-T004", line, what, format!("add a line like {wanted}"));
                return None;
            }
        };
        let mut inputs = Vec::new();
        for name in names {
            match self.names.get(name).copied() {
                Some((index, branch)) => inputs.push(self.visit(index, way).map(|place| (place, branch))),
                None => {
                    let near = nearest(name, self.names.keys().copied().collect::<Vec<_>>());
                    let remedy = if near.is_empty() { "declare it, or name another".into() } else { near };
                    self.problem(
                        "MS-T009",
                        line,
                        format!("node {:?} reads {name:?}, which is not declared", spec.name),
                        remedy,
                    );
                    inputs.push(None);
                }
            }
        }
        inputs.into_iter().collect()
    }

    fn kind(&mut self, spec: &NodeSpec, op: &Op, inputs: &[(usize, usize)]) -> Option<Kind> {
        let from = spec.fields.get("from");
        let reads = |place: &usize| self.nodes.get(*place).map(|node| node.kind);
        let whole = |name: &str| {
            self.names.get(name).is_some_and(|(index, _)| self.specs.get(*index).is_some_and(|spec| spec.name == name))
        };
        let mut result = op.kinds.first().filter(|_| op.inputs == Inputs::None).map(|(_, result)| *result);
        for (place, _) in inputs {
            let kind = reads(place)?;
            let named = from.and_then(|(value, _)| value.as_str()).is_some_and(whole);
            let kind = if kind == Kind::Branches && !named { Kind::Stream } else { kind };
            let Some((_, to)) = op.kinds.iter().find(|(from, _)| *from == kind) else {
                let wanted: Vec<_> = op.kinds.iter().map(|(from, _)| from.words()).collect();
                let what = format!(
                    "op {:?} reads {}, but {} is {}",
                    op.name,
                    wanted.join(" or "),
                    from.map_or("its input".into(), |(value, _)| value.to_string()),
                    kind.words()
                );
                let line = from.map_or(spec.line, |(_, line)| *line);
                self.problem("MS-T010", line, what, remedy(op.name, kind));
                return None;
            };
            result = Some(*to);
        }
        result
    }

    fn calls(&mut self, spec: &NodeSpec) -> Vec<Call> {
        let own = spec.fields.get("params").map(|(params, _)| params);
        let call = spec.fields.get("call").map(|(call, line)| (call, own, *line));
        let line = spec.fields.get("branches").map_or(spec.line, |(_, line)| *line);
        let branches =
            branches(spec).map(|(_, branch)| (branch.get("call").unwrap_or(&Value::Null), branch.get("params"), line));
        call.into_iter().chain(branches).filter_map(|(call, params, line)| self.call(call, params, line)).collect()
    }

    fn call(&mut self, call: &Value, own: Option<&Value>, line: usize) -> Option<Call> {
        let Some((plugin, operator)) = call.as_str().and_then(|call| call.split_once('.')) else {
            self.problem(
                "MS-T011",
                line,
                format!("{call} is no call"),
                "write plugin.operator, such as \"words.split\"",
            );
            return None;
        };
        let Some(declared) = self.plugins.get(plugin) else {
            let near = nearest(plugin, self.plugins.keys().map(String::as_str));
            let remedy =
                if near.is_empty() { format!("add [plugin.{plugin}] component = \"{plugin}.wasm\"") } else { near };
            self.problem("MS-T012", line, format!("there is no plugin {plugin:?}"), remedy);
            return None;
        };
        let mut params = declared.params.clone();
        if let (Value::Object(params), Some(Value::Object(own))) = (&mut params, own) {
            params.extend(own.clone());
        }
        Some(Call { plugin: plugin.into(), operator: operator.into(), params })
    }

    fn policy(&mut self, spec: &NodeSpec) -> OnError {
        let letters = self.settings.dead_letter_topic.is_some();
        let field = spec.fields.get("on-error").map(|(value, line)| (value.as_str().unwrap_or_default(), *line));
        match (field, &self.settings.on_error) {
            (Some((text, line)), _) => self.policy_named(text, line),
            // What is wrong with it was said once, for all nodes.
            (None, Some((text, _))) => policy(text, letters).unwrap_or(OnError::Stop),
            (None, None) if letters => OnError::DeadLetter,
            (None, None) => OnError::Stop,
        }
    }

    /// A policy by its name; says if there is none, or if it lacks the topic that it needs.
    fn policy_named(&mut self, text: &str, line: usize) -> OnError {
        let letters = self.settings.dead_letter_topic.is_some();
        let Some(found) = policy(text, letters) else {
            let what = format!("{text:?} is no policy for errors");
            self.problem("MS-T003", line, what, "write \"dead-letter\", \"skip\" or \"stop\"");
            return OnError::Stop;
        };
        if found == OnError::DeadLetter && !letters {
            let what = "records are to be dead-lettered, but there is no topic for them".into();
            self.problem("MS-T013", line, what, "add [errors] dead-letter-topic = \"dead-letters\"");
        }
        found
    }

    fn check_stores(&mut self) {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        let mut twice = Vec::new();
        // A store without a name gets one, which another must not have either.
        let keeps = |node: &&Node| {
            node.text("store").is_some() || matches!(node.op, "count" | "reduce" | "aggregate" | "table" | "to-table")
        };
        for node in self.nodes.iter().filter(keeps) {
            let store = node.store();
            if let Some(other) = seen.insert(store.clone(), &node.name) {
                twice.push((node.line, format!("store {store:?} belongs to both {other:?} and {:?}", node.name)));
            }
        }
        for (line, what) in twice {
            self.problem("MS-T014", line, what, "give every store a name of its own");
        }
        self.check_sources();
    }

    /// What the app writes between its tasks and for its stores is not for other nodes: they would take it from each other,
    /// or write what cannot be read.
    fn check_internal(&mut self, app: &str) {
        let internal = |topic: &str| {
            self.nodes.iter().any(|node| {
                topic == format!("{app}-{}-repartition", node.name)
                    || topic == format!("{app}-{}-counts-repartition", node.name)
                    || topic == format!("{app}-{}-changelog", node.store())
            })
        };
        let named = |node: &Node| Some((node.line, node.text("topic").filter(|topic| internal(topic))?.to_owned()));
        let found: Vec<_> = self.nodes.iter().filter_map(named).collect();
        for (line, topic) in found {
            let what = format!("topic {topic:?} is one that the app makes for itself");
            self.problem("MS-T019", line, what, "name another topic");
        }
    }

    /// A topic has one source: its records are taken, and their offsets committed, once.
    fn check_sources(&mut self) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let mut twice = Vec::new();
        for node in self.nodes.iter().filter(|node| node.inputs.is_empty()) {
            if let Some(topic) = node.text("topic")
                && let Some(other) = seen.insert(topic, &node.name)
            {
                twice.push((node.line, format!("topic {topic:?} is read by both {other:?} and {:?}", node.name)));
            }
        }
        for (line, what) in twice {
            self.problem("MS-T018", line, what, "read it once, and let several nodes name that source in from");
        }
    }
}

/// The policy of this name, in our words or in Kafka Streams'.
fn policy(text: &str, letters: bool) -> Option<OnError> {
    Some(match text {
        "stop" | "LogAndFailProcessingExceptionHandler" => OnError::Stop,
        "LogAndContinueProcessingExceptionHandler" if !letters => OnError::Skip,
        "dead-letter" | "LogAndContinueProcessingExceptionHandler" => OnError::DeadLetter,
        "skip" => OnError::Skip,
        _ => return None,
    })
}

/// Ids and tables of a split's branches.
fn branches(spec: &NodeSpec) -> impl Iterator<Item = (&str, &Value)> {
    let branches = spec.fields.get("branches").and_then(|(value, _)| value.as_array());
    branches.into_iter().flatten().filter_map(|branch| Some((branch.get("id")?.as_str()?, branch)))
}

/// What a field must look like, if it does not.
fn ill_formed(name: &str, value: &Value) -> Option<&'static str> {
    let text = value.as_str();
    let (sound, wanted) = match name {
        "topic" => {
            (text.is_some_and(Topic::is_legal), "a topic's name: letters, digits, '.', '_' and '-', 249 at most")
        }
        "store" => (text.is_some_and(Topic::is_legal), "a store's name: letters, digits, '.', '_' and '-'"),
        "emit" => (matches!(text, Some("every-update" | "on-commit")), "\"every-update\" or \"on-commit\""),
        "format" => (matches!(text, Some("long" | "text")), "\"long\" or \"text\""),
        "changelog" => (value.is_boolean(), "true or false"),
        "params" => (value.is_object(), "a table, such as { lower-case = true }"),
        "partitions" => (
            value.as_i64().is_some_and(|count| (1..=i64::from(PARTITIONS_MAX)).contains(&count)),
            "a number from 1 to 10000",
        ),
        "branches" => (
            value.as_array().is_some_and(|all| !all.is_empty()),
            "a list such as [{ id = \"big\", call = \"bids.big\" }]",
        ),
        _ => (true, ""),
    };
    (!sound).then_some(wanted)
}

fn example(field: &str) -> &'static str {
    match field {
        "topic" => "topic = \"lines\"",
        "branches" => "branches = [{ id = \"big\", call = \"bids.big\" }]",
        _ => "call = \"words.split\"",
    }
}

fn remedy(op: &str, kind: Kind) -> &'static str {
    match (op, kind) {
        ("count" | "reduce" | "aggregate", _) => "group it first: op = \"group-by-key\" or \"group-by\"",
        (_, Kind::Table) => "turn the table into a stream first: op = \"to-stream\"",
        (_, Kind::Stream) => "turn the stream into a table first: op = \"to-table\"",
        (_, Kind::Branches) => "read one of its branches by its id",
        (_, Kind::GroupedStream | Kind::GroupedTable) => {
            "aggregate it first: op = \"count\", \"reduce\" or \"aggregate\""
        }
        (_, Kind::Nothing) => "read the node before the sink, or the sink's topic by a stream",
    }
}
