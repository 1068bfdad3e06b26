//! A plan for people and tools.

use super::plan::{Payload, Plan, Step, StepOp, Subtopology, Target};
use crate::record::Topic;
use serde_json::{Value, json};
use std::fmt::Write;

/// How a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The shape of Kafka Streams' `Topology#describe()`.
    Text,
    /// A Mermaid flowchart.
    Mermaid,
    /// A Graphviz digraph.
    Dot,
    /// JSON.
    Json,
}

/// A plan in a format.
pub fn describe(plan: &Plan, format: Format) -> String {
    let mut out = String::new();
    // Writing into a string does not fail.
    let _ = match format {
        Format::Text => text(plan, &mut out),
        Format::Mermaid => mermaid(plan, &mut out),
        Format::Dot => dot(plan, &mut out),
        Format::Json => writeln!(out, "{:#}", value(plan)),
    };
    out
}

fn text(plan: &Plan, out: &mut String) -> std::fmt::Result {
    writeln!(out, "Topologies:")?;
    for (number, part) in plan.subtopologies.iter().enumerate() {
        // The first stands one further to the right there too.
        let indent = if number == 0 { "   " } else { "  " };
        writeln!(out, "{indent}Sub-topology: {number}")?;
        for (index, step) in part.steps.iter().enumerate() {
            let (kind, detail) = what(part, step);
            writeln!(out, "    {kind}: {} ({detail})", step.name)?;
            if !matches!(step.op, StepOp::Sink { .. }) {
                writeln!(out, "      --> {}", list(&readers(part, index)))?;
            }
            if !step.inputs.is_empty() {
                let names: Vec<&str> = step
                    .inputs
                    .iter()
                    .filter_map(|input| part.steps.get(input.step))
                    .map(|step| step.name.as_str())
                    .collect();
                writeln!(out, "      <-- {}", list(&names))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn readers(part: &Subtopology, index: usize) -> Vec<&str> {
    part.steps
        .iter()
        .filter(|step| step.inputs.iter().any(|input| input.step == index))
        .map(|step| step.name.as_str())
        .collect()
}

/// A step's kind in Kafka Streams' words, and its topic or stores.
fn what(part: &Subtopology, step: &Step) -> (&'static str, String) {
    match &step.op {
        StepOp::Source { topic, .. } => ("Source", format!("topics: [{topic}]")),
        StepOp::Sink { target: Target::Topic(topic) | Target::Repartition { topic, .. } } => {
            ("Sink", format!("topic: {topic}"))
        }
        StepOp::Sink { target: Target::Call(call) } => {
            ("Sink", format!("extractor class: {}.{}", call.plugin, call.operator))
        }
        op => {
            let store = super::lower::store_of(&mut op.clone()).and_then(|store| part.stores.get(*store));
            ("Processor", format!("stores: [{}]", store.map_or("", |store| &store.name)))
        }
    }
}

fn mermaid(plan: &Plan, out: &mut String) -> std::fmt::Result {
    let topics = topics(plan);
    let id = |topic: &Topic| topics.iter().position(|known| *known == topic).unwrap_or_default();
    writeln!(out, "flowchart TD")?;
    // Names are labels only: some of them (end, graph) are words of Mermaid's own.
    for (number, topic) in topics.iter().enumerate() {
        writeln!(out, "  t{number}[(\"{topic}\")]")?;
    }
    for (number, part) in plan.subtopologies.iter().enumerate() {
        writeln!(out, "  subgraph s{number} [\"Sub-topology {number}\"]")?;
        for (index, step) in part.steps.iter().enumerate() {
            writeln!(out, "    s{number}n{index}[\"{}\"]", step.name)?;
        }
        for (index, step) in part.steps.iter().enumerate() {
            for input in &step.inputs {
                writeln!(out, "    s{number}n{} --> s{number}n{index}", input.step)?;
            }
        }
        writeln!(out, "  end")?;
        for (index, step) in part.steps.iter().enumerate() {
            match &step.op {
                StepOp::Source { topic, .. } => writeln!(out, "  t{} --> s{number}n{index}", id(topic))?,
                StepOp::Sink { target: Target::Topic(topic) | Target::Repartition { topic, .. } } => {
                    writeln!(out, "  s{number}n{index} --> t{}", id(topic))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The topics that are read or written, each once, in the order of the steps.
fn topics(plan: &Plan) -> Vec<&Topic> {
    let mut topics: Vec<&Topic> = Vec::new();
    for step in plan.subtopologies.iter().flat_map(|part| &part.steps) {
        if let StepOp::Source { topic, .. }
        | StepOp::Sink { target: Target::Topic(topic) | Target::Repartition { topic, .. } } = &step.op
            && !topics.contains(&topic)
        {
            topics.push(topic);
        }
    }
    topics
}

fn dot(plan: &Plan, out: &mut String) -> std::fmt::Result {
    writeln!(out, "digraph {:?} {{", plan.app)?;
    for (number, part) in plan.subtopologies.iter().enumerate() {
        writeln!(out, "  subgraph cluster_{number} {{ label=\"Sub-topology {number}\";")?;
        for step in &part.steps {
            writeln!(out, "    {:?} [shape=box];", step.name)?;
        }
        writeln!(out, "  }}")?;
        for step in &part.steps {
            for input in step.inputs.iter().filter_map(|input| part.steps.get(input.step)) {
                writeln!(out, "  {:?} -> {:?};", input.name, step.name)?;
            }
            match &step.op {
                StepOp::Source { topic, .. } => writeln!(out, "  \"topic {topic}\" -> {:?};", step.name)?,
                StepOp::Sink { target: Target::Topic(topic) | Target::Repartition { topic, .. } } => {
                    writeln!(out, "  {:?} -> \"topic {topic}\";", step.name)?;
                }
                _ => {}
            }
        }
    }
    writeln!(out, "}}")
}

/// What a repartition topic's records are.
const fn written(payload: Payload) -> &'static str {
    match payload {
        Payload::Plain => "records",
        Payload::Change => "changes",
        Payload::Count => "counts",
    }
}

fn value(plan: &Plan) -> Value {
    let steps = |part: &Subtopology| -> Vec<Value> {
        let step = |(index, step): (usize, &Step)| {
            let (kind, detail) = what(part, step);
            let from: Vec<&str> = step
                .inputs
                .iter()
                .filter_map(|input| part.steps.get(input.step))
                .map(|step| step.name.as_str())
                .collect();
            let mut step_of = json!({ "name": step.name, "kind": kind.to_lowercase(), "detail": detail, "from": from, "to": readers(part, index) });
            if let StepOp::Sink { target: Target::Repartition { payload, .. } } = &step.op
                && let Some(fields) = step_of.as_object_mut()
            {
                fields.insert("writes".into(), written(*payload).into());
            }
            step_of
        };
        part.steps.iter().enumerate().map(step).collect()
    };
    let parts: Vec<Value> = plan
        .subtopologies
        .iter()
        .enumerate()
        .map(|(number, part)| {
            let stores: Vec<Value> =
                part.stores.iter().map(|store| json!({ "name": store.name, "changelog": store.changelog })).collect();
            json!({ "id": number, "steps": steps(part), "stores": stores })
        })
        .collect();
    json!({ "app": plan.app, "subtopologies": parts })
}
