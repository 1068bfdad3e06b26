//! New expectations for a case.

use super::case::{Case, CaseError, OutputRecord};
use super::cell::{Wanted, noted, quoted};
use super::compare::{Outcome, differences};
use std::fmt::Write;

/// The text of a TOML case with its expectations replaced by what was found. All that does not belong to `expect`
/// stays as it is.
///
/// # Errors
/// If the result would not be read as meant; the file should then be edited by hand.
pub fn updated(text: &str, case: &Case, outcome: &Outcome) -> Result<String, CaseError> {
    let mut kept = String::new();
    let mut skipping = false;
    for line in text.lines() {
        let header = line.trim_start().trim_start_matches('[').trim_start();
        if line.trim_start().starts_with('[') {
            skipping = header.strip_prefix("expect").is_some_and(|rest| rest.starts_with(['.', ']', ' ']));
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let new = format!("{}\n\n{}", kept.trim_end(), expectations(case, outcome));
    let reread = Case::parse(&new, false).ok().filter(|reread| reread.input == case.input);
    let expected = reread.and_then(|reread| reread.expect);
    let meant = expected.is_some_and(|expected| differences(&expected, outcome).is_empty());
    meant.then_some(new).ok_or_else(|| CaseError("its expectations cannot be written; edit it by hand".into()))
}

/// The `expect` tables of an outcome, in TOML.
fn expectations(case: &Case, outcome: &Outcome) -> String {
    let before = case.expect.clone().unwrap_or_default();
    let mut out = String::new();
    let field = |out: &mut String, name: &str, bytes: Option<&[u8]>, like: Option<&Wanted>| {
        if let Some(bytes) = bytes {
            // Writing into a string does not fail.
            let _ = writeln!(out, "{name} = {}", noted(bytes, like));
        }
    };
    let timed = before.output.is_empty() || before.output.iter().any(|record| record.timestamp.is_some());
    let letters = outcome.dead_letter_topic.as_ref();
    for (topic, records) in outcome.outputs.iter().filter(|(topic, _)| letters != Some(*topic)) {
        let like: Vec<&OutputRecord> = before.output.iter().filter(|record| record.topic == topic.as_str()).collect();
        for (number, record) in records.iter().enumerate() {
            let like = like.get(number).or(like.first());
            let _ = writeln!(out, "[[expect.output]]\ntopic = {}", quoted(topic.as_str()));
            field(&mut out, "key", record.key.as_deref(), like.and_then(|like| like.key.as_ref()));
            field(&mut out, "value", record.value.as_deref(), like.and_then(|like| like.value.as_ref()));
            if timed {
                let _ = writeln!(out, "timestamp = {}", record.timestamp);
            }
            out.push('\n');
        }
    }
    let wanted = |store: &String| case.expect.is_none() || before.store.contains_key(store);
    let (empty, full): (Vec<_>, Vec<_>) =
        outcome.stores.iter().filter(|(store, _)| wanted(store)).partition(|(_, rows)| rows.is_empty());
    if !empty.is_empty() {
        let lines: String = empty.iter().map(|(store, _)| format!("{} = []\n", quoted(store))).collect();
        let _ = writeln!(out, "[expect.store]\n{lines}");
    }
    for (store, rows) in full {
        for (key, timestamp, value) in rows {
            let _ = writeln!(out, "[[expect.store.{}]]\nkey = {}", quoted(store), noted(key, None));
            let _ = writeln!(out, "value = {}\ntimestamp = {timestamp}\n", noted(value, None));
        }
    }
    let _ = writeln!(out, "[expect]\ndropped = {}\ndead-letters = {}", outcome.dropped, outcome.dead_letters);
    if let Some(reason) = &outcome.stopped {
        let _ = writeln!(out, "stops = {}", quoted(reason));
    }
    out
}
