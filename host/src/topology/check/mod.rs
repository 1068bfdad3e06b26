//! From specs to a topology: all that is wrong, in one pass.

mod call;
mod field;
mod whole;

use super::manifest::Settings;
use super::ops::{self, Inputs, Kind, Op};
use super::problem::nearest;
use super::{Node, NodeSpec, PluginSpec, Problem, Topology};
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
        checker.check_sources();
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
}

/// Ids and tables of a split's branches.
fn branches(spec: &NodeSpec) -> impl Iterator<Item = (&str, &Value)> {
    let branches = spec.fields.get("branches").and_then(|(value, _)| value.as_array());
    branches.into_iter().flatten().filter_map(|branch| Some((branch.get("id")?.as_str()?, branch)))
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
