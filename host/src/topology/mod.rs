//! From a manifest to a checked topology, and from that to the plan that tasks run. No I/O.
//!
//! ```text
//!   text -> Manifest -> Topology (checked) -> Plan (subtopologies of steps)
//! ```

mod calls;
mod check;
mod describe;
mod field;
mod lower;
mod manifest;
mod ops;
pub mod plan;
mod plugin_spec;
mod problem;
mod topic;

pub use calls::check_calls;
pub use describe::{Format, describe};
pub use field::duration;
pub(crate) use field::{Document, Field};
pub use lower::plan;
pub use manifest::{Manifest, Settings};
pub use ops::Kind;
pub use plugin_spec::PluginSpec;
pub(crate) use problem::nearest;
pub use problem::{Problem, render};
pub use topic::{OffsetReset, TopicSettings};

use crate::record::Topic;
use plan::OnError;
use serde_json::Value;
use std::collections::BTreeMap;

/// A node as it was written: an op and its fields, each with its line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// Its line in the manifest; 0 if there is none.
    pub line: usize,
    /// Its fields, `op` and `from` among them.
    pub fields: BTreeMap<String, (Value, usize)>,
}

/// Nodes that make sense together.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Kafka Streams' `application.id`.
    pub app: String,
    /// In an order in which every node comes after those that it reads, else as declared.
    pub nodes: Vec<Node>,
    /// Where dead letters go.
    pub dead_letter_topic: Option<Topic>,
}

/// A checked node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its op, one of FORMAT's words.
    pub op: &'static str,
    /// Where it stands.
    pub line: usize,
    /// What it results in.
    pub kind: Kind,
    /// What it reads: indices of nodes, and for a branch of a split which one.
    pub inputs: Vec<(usize, usize)>,
    /// Its functions, in order; `split` has one a branch.
    pub calls: Vec<plan::Call>,
    /// What happens to records that it fails on.
    pub on_error: OnError,
    fields: BTreeMap<String, (Value, usize)>,
}

impl Node {
    /// A field's text.
    fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.0.as_str()
    }

    /// Where a field stands; without it the call that it belongs to, or the branches of a split.
    fn line_of(&self, field: &str) -> usize {
        let found = [field, "call", "branches"].into_iter().find_map(|field| self.fields.get(field));
        found.map_or(self.line, |(_, line)| *line)
    }

    /// The name of its store, if it keeps one: what it says, or one made from its own.
    fn store(&self) -> String {
        self.text("store").map_or_else(|| format!("{}-store", self.name), str::to_owned)
    }

    /// A field's truth; absent is false.
    fn flag(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|(value, _)| *value == Value::Bool(true))
    }
}

#[cfg(test)]
mod tests;
