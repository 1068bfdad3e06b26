//! What a node calls, and what becomes of records on which the call fails.

use super::{Checker, branches};
use crate::topology::NodeSpec;
use crate::topology::plan::{Call, OnError};
use crate::topology::problem::nearest;
use serde_json::Value;

impl Checker<'_> {
    /// Its calls, its branches' too.
    pub(super) fn calls(&mut self, spec: &NodeSpec) -> Vec<Call> {
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

    /// What becomes of records that it fails on.
    pub(super) fn policy(&mut self, spec: &NodeSpec) -> OnError {
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
    pub(super) fn policy_named(&mut self, text: &str, line: usize) -> OnError {
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
