//! `[plugin.NAME]`: a component, its parameters, and what it may use.

use super::Problem;
use super::field::{Field, duration, size};
use crate::plugin::{Limits, LogLevel};
use serde_json::Value;
use std::time::Duration;

/// A plugin that the manifest names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PluginSpec {
    /// Path of the component, relative to the manifest.
    pub component: String,
    /// Parameters of all its operators.
    pub params: Value,
    /// What its instances may use.
    pub limits: Limits,
    /// Where it stands.
    pub line: usize,
}

const KEYS: [&str; 11] = [
    "component",
    "params",
    "memory",
    "table-entries",
    "deadline",
    "deadline-per-record",
    "output",
    "log-level",
    "log-line",
    "log-rate",
    "trusted",
];

/// Largest memory: what 32 bits address.
const MEMORY_BYTES_MAX: usize = 4 << 30;
/// Largest output of a call: cells of a turn are addressed by 32 bits.
const OUTPUT_BYTES_MAX: usize = 2 << 30;
/// Longest deadline: a worker that waits longer is as good as hung.
const DEADLINE_MAX: Duration = Duration::from_secs(3600);

/// Reads a plugin's table.
pub(super) fn plugin_spec(plugin: &Field<'_>, problems: &mut Vec<Problem>) -> PluginSpec {
    let mut spec =
        PluginSpec { params: Value::Object(serde_json::Map::new()), line: plugin.line, ..PluginSpec::default() };
    for field in plugin.fields() {
        if !KEYS.contains(&field.name) {
            problems.push(field.unknown(&KEYS));
        } else if let Err(wanted) = spec.set(&field) {
            problems.push(field.wrong(wanted));
        }
    }
    if spec.component.is_empty() {
        let what = format!("plugin {:?} names no component", plugin.name);
        problems.push(Problem::new("MS-T004", plugin.line, what, "add a line like component = \"words.wasm\""));
    }
    spec
}

impl PluginSpec {
    /// Takes a field over, or says what it must look like.
    fn set(&mut self, field: &Field<'_>) -> Result<(), &'static str> {
        let Self { component, params, limits, .. } = self;
        let value = field.json();
        match field.name {
            "component" => {
                put(component, value.as_str().map(str::to_owned), "the path of a component, such as \"words.wasm\"")
            }
            "params" => put(params, Some(value).filter(Value::is_object), "a table, such as { lower-case = true }"),
            "memory" => {
                put(&mut limits.memory_bytes, bounded(&value, MEMORY_BYTES_MAX), "a size up to 4GiB, such as \"64MiB\"")
            }
            "table-entries" => put(&mut limits.table_entries, count(&value), "a number, such as 100000"),
            "deadline" => put(&mut limits.deadline, time(&value), "a time from 1ms to 1h, such as \"500ms\""),
            "deadline-per-record" => {
                put(&mut limits.deadline_per_record, time(&value), "a time from 1ms to 1h, such as \"1ms\"")
            }
            "output" => {
                put(&mut limits.output_bytes, bounded(&value, OUTPUT_BYTES_MAX), "a size up to 2GiB, such as \"32MiB\"")
            }
            "log-level" => put(
                &mut limits.log.level,
                value.as_str().and_then(level),
                "\"trace\", \"debug\", \"info\", \"warn\", \"error\" or \"off\"",
            ),
            "log-line" => {
                put(&mut limits.log.line_bytes, bounded(&value, MEMORY_BYTES_MAX), "a size, such as \"1KiB\"")
            }
            "log-rate" => {
                put(&mut limits.log.lines_per_second, count(&value), "a number of lines a second, such as 100")
            }
            _ => put(&mut limits.trusted, value.as_bool(), "true or false"),
        }
    }
}

fn put<T>(place: &mut T, value: Option<T>, wanted: &'static str) -> Result<(), &'static str> {
    value.map(|value| *place = value).ok_or(wanted)
}

fn count<N: TryFrom<i64>>(value: &Value) -> Option<N> {
    value.as_i64().and_then(|count| N::try_from(count).ok())
}

fn time(value: &Value) -> Option<Duration> {
    let time = value.as_str().and_then(duration)?;
    (!time.is_zero() && time <= DEADLINE_MAX).then_some(time)
}

/// A size up to `max`.
fn bounded(value: &Value, max: usize) -> Option<usize> {
    size(value.as_str()?).and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= max)
}

fn level(text: &str) -> Option<LogLevel> {
    Some(match text {
        "trace" => LogLevel::Trace,
        "debug" => LogLevel::Debug,
        "info" => LogLevel::Info,
        "warn" => LogLevel::Warn,
        "error" => LogLevel::Error,
        "off" => LogLevel::Off,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::LogLimits;
    use crate::topology::Manifest;

    fn parse(lines: &str) -> Result<PluginSpec, Vec<Problem>> {
        let text = format!("app = \"a\"\n[plugin.p]\ncomponent = \"p.wasm\"\n{lines}");
        Manifest::parse(&text).map(|mut manifest| manifest.plugins.remove("p").unwrap())
    }

    #[test]
    fn reads_every_limit() {
        let spec = parse(
            "memory = \"128MiB\"\ntable-entries = 7\ndeadline = \"2s\"\ndeadline-per-record = \"3ms\"\noutput = \"1GiB\"\n\
             log-level = \"warn\"\nlog-line = \"80B\"\nlog-rate = 0\ntrusted = true\n",
        );
        let log = LogLimits { level: LogLevel::Warn, line_bytes: 80, lines_per_second: 0 };
        let limits = Limits {
            memory_bytes: 128 << 20,
            table_entries: 7,
            deadline: Duration::from_secs(2),
            deadline_per_record: Duration::from_millis(3),
            output_bytes: 1 << 30,
            log,
            trusted: true,
        };
        assert_eq!(spec.unwrap().limits, limits);
        assert_eq!(parse("").unwrap().limits, Limits::default());
    }

    #[test]
    fn refuses_what_is_out_of_range_or_unknown() {
        for (line, code) in [
            ("memory = \"8GiB\"", "MS-T003"),
            ("memory = 64", "MS-T003"),
            ("output = \"3GiB\"", "MS-T003"),
            ("deadline = \"0ms\"", "MS-T003"),
            ("deadline = \"2h\"", "MS-T003"),
            ("log-level = \"loud\"", "MS-T003"),
            ("log-rate = -1", "MS-T003"),
            ("trusted = 1", "MS-T003"),
            ("memry = \"64MiB\"", "MS-T002"),
        ] {
            let problems = parse(line).unwrap_err();
            assert_eq!(
                problems.iter().map(|problem| (problem.code.as_ref(), problem.line)).collect::<Vec<_>>(),
                [(code, 4)],
                "{line}"
            );
        }
    }
}
