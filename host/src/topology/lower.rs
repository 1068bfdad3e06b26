//! From nodes to steps: stores are given out, repartition topics put in, subtopologies told apart.

use super::ops::Kind;
use super::plan::{
    CountFormat, Emit, Fold, Input, OnError, Payload, Plan, RepartitionSpec, Step, StepOp, StoreSpec, Subtopology,
    Target, TransformKind, Values,
};
use super::{Node, Topology};
use crate::record::Topic;

/// What tasks run for a topology.
pub fn plan(topology: &Topology) -> Plan {
    let mut lowering = Lowering {
        topology,
        steps: Vec::new(),
        outputs: Vec::new(),
        rekeyed: Vec::new(),
        stores: Vec::new(),
        repartitions: Vec::new(),
    };
    for index in 0..topology.nodes.len() {
        lowering.node(index);
    }
    let subtopologies = lowering.divide();
    Plan { app: topology.app.clone(), subtopologies, dead_letter_topic: topology.dead_letter_topic.clone() }
}

struct Lowering<'a> {
    topology: &'a Topology,
    /// Steps; inputs and stores count over the whole topology until it is divided.
    steps: Vec<Step>,
    /// For each node the step that has its result.
    outputs: Vec<usize>,
    /// For each node whether its keys may have changed since the last topic.
    rekeyed: Vec<bool>,
    stores: Vec<StoreSpec>,
    repartitions: Vec<(usize, RepartitionSpec)>,
}

impl<'a> Lowering<'a> {
    fn node(&mut self, index: usize) {
        let Some(node) = self.topology.nodes.get(index) else { return };
        let inputs: Vec<Input> = node.inputs.iter().map(|(from, branch)| self.input(*from, *branch)).collect();
        let came_rekeyed = node.inputs.iter().any(|(from, _)| self.rekeyed.get(*from) == Some(&true));
        let changes_key =
            matches!(node.op, "map" | "flat-map" | "select-key") || (node.op == "to-stream" && !node.calls.is_empty());
        let output = self.lower(index, node, inputs, came_rekeyed);
        self.outputs.push(output);
        let cut = matches!(
            node.op,
            "repartition" | "to-table" | "count" | "reduce" | "aggregate" | "group-by" | "group-by-key"
        );
        self.rekeyed.push(changes_key || (came_rekeyed && !cut));
    }

    fn input(&self, node: usize, branch: usize) -> Input {
        let step = self.outputs.get(node).copied().unwrap_or_default();
        let splits = self.topology.nodes.get(node).is_some_and(|node| node.kind == Kind::Branches);
        Input { step, output: if splits { branch } else { 0 } }
    }

    fn push(&mut self, name: impl Into<String>, inputs: Vec<Input>, op: StepOp, on_error: OnError) -> usize {
        self.steps.push(Step { name: name.into(), inputs, op, on_error });
        self.steps.len() - 1
    }

    /// Adds a node's steps; gives the one that has its result.
    fn lower(&mut self, index: usize, node: &'a Node, inputs: Vec<Input>, rekeyed: bool) -> usize {
        let topic = || Topic::new(node.text("topic").unwrap_or_default());
        let over_table = node
            .inputs
            .first()
            .and_then(|(from, _)| self.topology.nodes.get(*from))
            .is_some_and(|from| from.kind == Kind::Table);
        let call = node.calls.first().cloned();
        let op = match (node.op, call) {
            ("stream", _) => StepOp::Source { topic: topic(), payload: Payload::Plain },
            ("table", _) => {
                let source = StepOp::Source { topic: topic(), payload: Payload::Plain };
                let source = self.push(format!("{}-source", node.name), inputs, source, node.on_error);
                let store = self.table_store(index, node);
                return self.push(
                    &node.name,
                    vec![Input { step: source, output: 0 }],
                    StepOp::Table { store },
                    node.on_error,
                );
            }
            ("to-table", _) => {
                let inputs = if rekeyed { vec![self.repartition(node, inputs, Payload::Plain, None)] } else { inputs };
                let store = self.table_store(index, node);
                return self.push(&node.name, inputs, StepOp::Table { store }, node.on_error);
            }
            ("repartition", _) => {
                let partitions = node.fields.get("partitions").and_then(|(value, _)| value.as_i64());
                let partitions = partitions.and_then(|count| i32::try_from(count).ok());
                return self.repartition(node, inputs, Payload::Plain, partitions).step;
            }
            ("filter" | "filter-not", Some(call)) if over_table => {
                let olds = self.knows_olds(node.inputs.first().map_or(0, |(from, _)| *from));
                StepOp::TableFilter { call, keep: node.op == "filter", store: self.named_store(node), olds }
            }
            ("map-values", Some(call)) if over_table => {
                let known = self.knows_olds(node.inputs.first().map_or(0, |(from, _)| *from));
                StepOp::TableMapValues { call, store: self.named_store(node), olds: known && self.wants_olds(index) }
            }
            ("split", _) => StepOp::Split { predicates: node.calls.clone(), default: node.text("default").is_some() },
            ("merge", _) => StepOp::Merge,
            ("to-stream", Some(call)) => StepOp::Transform { kind: TransformKind::SelectKey, call },
            ("to-stream", None) => StepOp::Merge,
            ("group-by-key", _) => return self.grouped(index, node, inputs, rekeyed),
            ("group-by", Some(call)) if over_table => {
                let group = StepOp::GroupTable { call: Some(call) };
                let group = self.push(format!("{}-select", node.name), inputs, group, node.on_error);
                return self.repartition(node, vec![Input { step: group, output: 0 }], Payload::Change, None).step;
            }
            ("group-by", Some(call)) => {
                let select = StepOp::Transform { kind: TransformKind::SelectKey, call };
                let select = self.push(format!("{}-select", node.name), inputs, select, node.on_error);
                return self.grouped(index, node, vec![Input { step: select, output: 0 }], true);
            }
            ("count", _) => self.fold(
                node,
                &inputs,
                Fold::Count(if node.text("format") == Some("text") { CountFormat::Text } else { CountFormat::Long }),
            ),
            ("reduce" | "aggregate", Some(call)) => self.fold(node, &inputs, Fold::Call(call)),
            ("to", Some(call)) => StepOp::Sink { target: Target::Call(call) },
            ("to", None) => StepOp::Sink { target: Target::Topic(topic()) },
            (name, Some(call)) => StepOp::Transform { kind: transform(name), call },
            // The check lets no other op through without its call.
            (_, None) => StepOp::Merge,
        };
        self.push(&node.name, inputs, op, node.on_error)
    }

    fn fold(&mut self, node: &Node, inputs: &[Input], fold: Fold) -> StepOp {
        let grouped = node.inputs.first().and_then(|(from, _)| self.topology.nodes.get(*from)).map(|from| from.kind);
        let read = inputs.first().and_then(|input| self.steps.get(input.step)).map(|step| &step.op);
        let rows = match read {
            _ if grouped == Some(Kind::GroupedTable) => Payload::Change,
            Some(StepOp::Source { payload: Payload::Count, .. }) => Payload::Count,
            _ => Payload::Plain,
        };
        let values = match &fold {
            Fold::Count(format) => Values::Count(*format),
            Fold::Call(call) => Values::Fold { plugin: call.plugin.clone(), operator: call.operator.clone() },
        };
        let store = self.store(node, values);
        StepOp::Fold { fold, store, emit: emit_of(node), rows }
    }

    /// A grouped stream: behind a repartition topic if keys may have changed, which all its aggregates share.
    fn grouped(&mut self, index: usize, node: &Node, inputs: Vec<Input>, rekeyed: bool) -> usize {
        if rekeyed {
            let payload = if self.counts_suffice(index, node) { Payload::Count } else { Payload::Plain };
            return self.repartition(node, inputs, payload, None).step;
        }
        self.push(&node.name, inputs, StepOp::Merge, node.on_error)
    }

    /// Whether nothing is lost if a group's records are counted before they are written: only counts read it, and all of
    /// them hand on no more than the last update of each key and commit.
    fn counts_suffice(&self, index: usize, node: &Node) -> bool {
        let mut readers = self.readers(index).peekable();
        let counted = readers.peek().is_some()
            && readers.all(|(_, reader)| reader.op == "count" && emit_of(reader) == Emit::OnCommit);
        // That node's topic would have the name of this one's.
        let namesake = format!("{}-counts", node.name);
        counted && self.topology.nodes.iter().all(|other| other.name != namesake)
    }

    /// Puts the topic `<app>-<node>-repartition` in, or `<app>-<node>-counts-repartition`: records and counts of them never
    /// lie in one topic, so that neither is ever taken for the other.
    fn repartition(&mut self, node: &Node, inputs: Vec<Input>, payload: Payload, partitions: Option<i32>) -> Input {
        let [plain, counts] =
            ["", "-counts"].map(|what| Topic::new(&format!("{}-{}{what}-repartition", self.topology.app, node.name)));
        let (topic, other) = match payload {
            Payload::Count => (counts, Some(plain)),
            Payload::Plain if node.kind == Kind::GroupedStream => (plain, Some(counts)),
            _ => (plain, None),
        };
        let target = Target::Repartition { topic: topic.clone(), payload };
        let sink = self.push(format!("{}-repartition-sink", node.name), inputs, StepOp::Sink { target }, node.on_error);
        self.repartitions.push((sink, RepartitionSpec { topic: topic.clone(), other, partitions }));
        let source = StepOp::Source { topic, payload };
        Input {
            step: self.push(format!("{}-repartition-source", node.name), Vec::new(), source, node.on_error),
            output: 0,
        }
    }

    fn store(&mut self, node: &Node, values: Values) -> usize {
        self.stores.push(StoreSpec { name: node.store(), changelog: node.flag("changelog"), values });
        self.stores.len() - 1
    }

    fn named_store(&mut self, node: &Node) -> Option<usize> {
        node.text("store").is_some().then(|| self.store(node, Values::Table))
    }

    /// A source table is stored if it was asked for, or if a later node needs old values.
    fn table_store(&mut self, index: usize, node: &Node) -> Option<usize> {
        (node.text("store").is_some() || self.regrouped(index)).then(|| self.store(node, Values::Table))
    }

    fn readers(&self, index: usize) -> impl Iterator<Item = (usize, &'a Node)> {
        let nodes = self.topology.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| node.inputs.iter().any(|(from, _)| *from == index))
    }

    /// Whether a `group-by` follows, directly or through tables that store nothing.
    fn regrouped(&self, index: usize) -> bool {
        self.readers(index).any(|(reader, node)| {
            node.op == "group-by"
                || (matches!(node.op, "filter" | "filter-not" | "map-values")
                    && node.text("store").is_none()
                    && self.regrouped(reader))
        })
    }

    /// Whether a later step looks at a table's old values.
    fn wants_olds(&self, index: usize) -> bool {
        self.readers(index).any(|(reader, node)| match node.op {
            "group-by" | "filter" | "filter-not" => true,
            "map-values" => self.wants_olds(reader),
            _ => false,
        })
    }

    /// Whether a table's old values are known.
    fn knows_olds(&self, index: usize) -> bool {
        let step = self.outputs.get(index).and_then(|step| self.steps.get(*step));
        match step.map(|step| &step.op) {
            Some(StepOp::Table { store }) => store.is_some(),
            Some(StepOp::TableFilter { store, olds, .. }) => store.is_some() || *olds,
            Some(StepOp::TableMapValues { store, .. }) => {
                let from = self.topology.nodes.get(index).and_then(|node| node.inputs.first());
                store.is_some() || from.is_some_and(|(from, _)| self.knows_olds(*from))
            }
            Some(StepOp::Fold { .. }) => true,
            _ => false,
        }
    }

    /// Splits the steps into the parts that no topic cuts.
    fn divide(self) -> Vec<Subtopology> {
        let mut part: Vec<usize> = (0..self.steps.len()).collect();
        for (index, step) in self.steps.iter().enumerate() {
            for input in &step.inputs {
                let (a, b) = (part.get(index).copied(), part.get(input.step).copied());
                if let (Some(a), Some(b)) = (a, b) {
                    part.iter_mut().filter(|part| **part == a.max(b)).for_each(|part| *part = a.min(b));
                }
            }
        }
        let mut parts = part.clone();
        parts.sort_unstable();
        parts.dedup();
        parts.into_iter().map(|number| self.part(&part, number)).collect()
    }

    fn part(&self, part: &[usize], number: usize) -> Subtopology {
        let members: Vec<usize> =
            part.iter().enumerate().filter(|(_, part)| **part == number).map(|(step, _)| step).collect();
        let mut own = Subtopology { steps: Vec::new(), stores: Vec::new(), repartitions: Vec::new() };
        for index in &members {
            let Some(mut step) = self.steps.get(*index).cloned() else { continue };
            for input in &mut step.inputs {
                input.step = members.binary_search(&input.step).unwrap_or_default();
            }
            if let Some(store) = store_of(&mut step.op)
                && let Some(spec) = self.stores.get(*store)
            {
                *store = own.stores.len();
                own.stores.push(spec.clone());
            }
            own.steps.push(step);
            own.repartitions
                .extend(self.repartitions.iter().filter(|(sink, _)| sink == index).map(|(_, spec)| spec.clone()));
        }
        own
    }
}

/// The store of a step, if it has one.
pub(super) fn store_of(op: &mut StepOp) -> Option<&mut usize> {
    match op {
        StepOp::Table { store } | StepOp::TableFilter { store, .. } | StepOp::TableMapValues { store, .. } => {
            store.as_mut()
        }
        StepOp::Fold { store, .. } => Some(store),
        _ => None,
    }
}

/// When an aggregate hands its changes on.
fn emit_of(node: &Node) -> Emit {
    if node.text("emit") == Some("every-update") { Emit::EveryUpdate } else { Emit::OnCommit }
}

fn transform(op: &str) -> TransformKind {
    match op {
        "filter" => TransformKind::Filter,
        "filter-not" => TransformKind::FilterNot,
        "map" => TransformKind::Map,
        "flat-map" => TransformKind::FlatMap,
        "flat-map-values" => TransformKind::FlatMapValues,
        "select-key" => TransformKind::SelectKey,
        "peek" => TransformKind::Peek,
        _ => TransformKind::MapValues,
    }
}
