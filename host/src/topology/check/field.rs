//! A node's fields: those that it may have, those that it must have, and what each looks like.

use super::Checker;
use crate::record::{PARTITIONS_MAX, Topic};
use crate::topology::NodeSpec;
use crate::topology::ops::{self, Inputs, Op};
use crate::topology::problem::nearest;
use serde_json::Value;

impl Checker<'_> {
    /// Checks which fields it has, and how each looks.
    pub(super) fn check_fields(&mut self, spec: &NodeSpec, op: &Op) {
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
