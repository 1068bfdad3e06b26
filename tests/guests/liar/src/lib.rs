//! A plugin written against the raw contract, whose answers lie about themselves as the first record's value says.
#![cfg(target_family = "wasm")]

use millstream::bindings::fold_part::exports::millstream::plugin::fold;
use millstream::bindings::imports::millstream::plugin::types::{Cells, Columns, Failure, Outcome};
use millstream::bindings::plugin_part::exports::millstream::plugin::plugin;
use millstream::bindings::transform_part::exports::millstream::plugin::transform;

struct Liar;

impl plugin::Guest for Liar {
    fn describe() -> plugin::Description {
        let operator = |name: &str, kind: &str| plugin::Operator {
            name: name.into(),
            kind: kind.into(),
            docs: String::new(),
            reads: plugin::Fields::KEY | plugin::Fields::VALUE | plugin::Fields::HEADERS,
            outputs: Vec::new(),
            state: None,
            stores: Vec::new(),
            params_schema: String::new(),
            properties: Vec::new(),
        };
        plugin::Description {
            name: "liar".into(),
            version: "0.1.0".into(),
            sdk: "none".into(),
            operators: vec![
                operator("lie", "flat-map-values"),
                operator("choose", "filter"),
                operator("turn", "map-values"),
                operator("fold", "aggregate"),
            ],
            properties: Vec::new(),
        }
    }

    fn open(_node: u32, _opening: plugin::Opening) -> Result<(), String> {
        Ok(())
    }
}

/// The words of all rows that are lies to tell.
fn told(batch: &Columns) -> Option<String> {
    let words = String::from_utf8_lossy(&batch.bytes).into_owned();
    words.split("lie:").nth(1).map(|lie| lie.split('.').next().unwrap_or_default().to_owned())
}

/// A list that claims to hold a gigabyte.
fn endless() -> Vec<u8> {
    // SAFETY: there is none: this is the attack. The host must find that the list does not lie within the memory.
    unsafe { Vec::from_raw_parts(std::ptr::without_provenance_mut(64), 1 << 30, 1 << 30) }
}

fn failure(row: u32, reason: &str) -> Failure {
    Failure { row, class: String::new(), reason: reason.into() }
}

impl transform::Guest for Liar {
    fn process(_node: u32, batch: Columns) -> Outcome {
        let rows = batch.value_lengths.len() as u32;
        let mut outcome = Outcome {
            sources: (0..rows).collect(),
            routes: Vec::new(),
            timestamps: Vec::new(),
            key_lengths: Vec::new(),
            value_lengths: Vec::new(),
            header_lengths: Vec::new(),
            bytes: Vec::new(),
            failures: Vec::new(),
        };
        let all = |length: u32| vec![length; rows as usize];
        match told(&batch).as_deref() {
            Some("far") => outcome.sources.push(rows),
            Some("back") => outcome.sources.extend([rows, 0]),
            Some("short") => outcome.value_lengths = all(1),
            Some("long") => outcome.bytes = vec![1; 7],
            Some("overflow") => outcome.value_lengths = all(0xffff_fff0),
            Some("column") => outcome.value_lengths = vec![0; rows as usize + 1],
            Some("twice") => outcome.sources = (0..rows).flat_map(|row| [row, row]).collect(),
            Some("none") => outcome.sources.clear(),
            Some("changed") => outcome.key_lengths = all(0xffff_ffff),
            Some("route") => outcome.routes = vec![9; rows as usize],
            Some("failed") => outcome.failures = vec![failure(0, "and kept")],
            Some("stranger") => outcome.failures = vec![failure(rows, "who")],
            Some("headers") => {
                outcome.header_lengths = all(3);
                outcome.bytes = vec![0xee; 3 * rows as usize];
            }
            Some("endless") => outcome.bytes = endless(),
            _ => {}
        }
        outcome
    }
}

impl fold::Guest for Liar {
    fn fold(_node: u32, batch: Columns, _states: Cells, steps: fold::Steps, _reply: fold::Reply) -> fold::Folded {
        let count = steps.slots.len();
        let mut states = Cells { lengths: vec![1; count], bytes: vec![b'!'; count] };
        let mut failures = Vec::new();
        match told(&batch).as_deref() {
            Some("short") => states.bytes.clear(),
            Some("count") => states.lengths.push(0xffff_ffff),
            Some("stranger") => failures.push(failure(count as u32, "who")),
            Some("endless") => states.bytes = endless(),
            _ => {}
        }
        fold::Folded { states, failures }
    }
}

millstream::bindings::plugin_part::export_plugin_part!(Liar with_types_in millstream::bindings::plugin_part);
millstream::bindings::transform_part::export_transform_part!(Liar with_types_in millstream::bindings::transform_part);
millstream::bindings::fold_part::export_fold_part!(Liar with_types_in millstream::bindings::fold_part);
