//! What nodes must not have in common, and not with the app itself.

use super::Checker;
use crate::topology::Node;
use std::collections::BTreeMap;

impl Checker<'_> {
    /// A store belongs to one node.
    pub(super) fn check_stores(&mut self) {
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
    }

    /// What the app writes between its tasks and for its stores is not for other nodes: they would take it from each other,
    /// or write what cannot be read.
    pub(super) fn check_internal(&mut self, app: &str) {
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
    pub(super) fn check_sources(&mut self) {
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
