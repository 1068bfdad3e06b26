//! `[topic.NAME]`: how a topic is made and kept.

use super::field::{duration, size};
use crate::record::PARTITIONS_MAX;
use serde_json::Value;
use std::time::Duration;

/// What the manifest says about a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Number of partitions; none: as many as it has, one if it is not there.
    pub partitions: Option<i32>,
    /// Whether the last record of every key stays, instead of retention letting records go.
    pub compact: bool,
    /// How long records are kept; none: for ever.
    pub retention: Option<Duration>,
    /// Bytes kept a partition; none: without bound.
    pub retention_bytes: Option<u64>,
}

impl Default for TopicSettings {
    /// A topic that keeps its records for ever.
    fn default() -> Self {
        Self { partitions: None, compact: false, retention: None, retention_bytes: None }
    }
}

/// Where a source is read from when nothing is known of where it was read to, or that is gone: Kafka's
/// `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// From the first record that is there.
    Earliest,
    /// From the next record that comes.
    Latest,
    /// Not at all: the app stops.
    None,
}

impl OffsetReset {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "earliest" => Self::Earliest,
            "latest" => Self::Latest,
            "none" => Self::None,
            _ => return None,
        })
    }
}

/// Keys of a topic's table; Kafka's own names, in quotes, do as well.
pub(super) const KEYS: [&str; 7] =
    ["partitions", "retention", "retention-bytes", "cleanup", "retention.ms", "retention.bytes", "cleanup.policy"];

/// What is wrong with an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The value; this would do.
    Value(&'static str),
    /// There is no such key.
    Key,
}

impl TopicSettings {
    /// Takes one entry of the table in.
    pub(super) fn read(&mut self, key: &str, value: &Value) -> Result<(), Wrong> {
        match key {
            "partitions" => {
                let count = value
                    .as_i64()
                    .and_then(|count| i32::try_from(count).ok())
                    .filter(|count| (1..=PARTITIONS_MAX).contains(count));
                self.partitions = Some(count.ok_or(Wrong::Value("a number from 1 to 10000, such as 4"))?);
            }
            "retention" => {
                let forever = value == "forever";
                let time = value.as_str().and_then(duration);
                self.retention = match time {
                    None if !forever => return Err(Wrong::Value("a duration such as \"7d\", or \"forever\"")),
                    time => time,
                };
            }
            "retention-bytes" => {
                self.retention_bytes = Some(bytes(value).ok_or(Wrong::Value("a size such as \"64MiB\" or 1048576"))?);
            }
            "cleanup" | "cleanup.policy" => {
                self.compact = match value.as_str() {
                    Some("delete") => false,
                    Some("compact") => true,
                    _ => return Err(Wrong::Value("\"delete\" or \"compact\"")),
                };
            }
            "retention.ms" => self.retention = limit(value)?.map(Duration::from_millis),
            "retention.bytes" => self.retention_bytes = limit(value)?,
            _ => return Err(Wrong::Key),
        }
        Ok(())
    }
}

/// A number as Kafka has it: -1 is none.
fn limit(value: &Value) -> Result<Option<u64>, Wrong> {
    match value.as_i64() {
        Some(-1) => Ok(None),
        Some(number) if number >= 0 => Ok(Some(number.cast_unsigned())),
        _ => Err(Wrong::Value("a number, or -1 for no limit")),
    }
}

/// A number of bytes, with or without a unit.
fn bytes(value: &Value) -> Option<u64> {
    value.as_str().map_or_else(|| value.as_u64(), size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Topic;
    use crate::topology::Manifest;

    #[test]
    fn topics_are_read() {
        let text = "app = \"a\"\n[topic.a]\npartitions = 4\nretention = \"7d\"\nretention-bytes = \"64MiB\"\n\
                    [topic.b]\ncleanup = \"compact\"\n[topic.c]\n\"retention.ms\" = 5\n\"retention.bytes\" = -1\n[topic.d]\n\
                    [guarantee]\nauto-offset-reset = \"latest\"\n";
        let manifest = Manifest::parse(text).unwrap();
        let expected = [
            ("a", Some(4), false, Some(Duration::from_hours(168)), Some(64 << 20)),
            ("b", None, true, None, None),
            ("c", None, false, Some(Duration::from_millis(5)), None),
            ("d", None, false, None, None),
        ];
        assert_eq!(manifest.topics.len(), expected.len());
        for (name, partitions, compact, retention, retention_bytes) in expected {
            let settings = TopicSettings { partitions, compact, retention, retention_bytes };
            assert_eq!(manifest.topics[&Topic::new(name)], settings, "{name}");
        }
        assert_eq!(manifest.settings.auto_offset_reset, OffsetReset::Latest);
    }

    #[test]
    fn wrong_entries_are_told_with_their_lines() {
        let cases = [
            ("retention = \"7 years\"", "MS-T003"),
            ("retention-bytes = \"64MB\"", "MS-T003"),
            ("retention-bytes = -1", "MS-T003"),
            ("cleanup = \"both\"", "MS-T003"),
            ("partitions = 0", "MS-T003"),
            ("partitions = 10001", "MS-T003"),
            ("\"retention.ms\" = -2", "MS-T003"),
            ("retentoin = \"7d\"", "MS-T002"),
        ];
        for (line, code) in cases {
            let problems = Manifest::parse(&format!("app = \"a\"\n[topic.t]\n{line}\n")).unwrap_err();
            assert_eq!(problems.iter().map(|p| (p.code.as_ref(), p.line)).collect::<Vec<_>>(), [(code, 3)], "{line}");
        }
        let problems = Manifest::parse("app = \"a\"\n[guarantee]\nauto-offset-reset = \"newest\"\n").unwrap_err();
        assert_eq!(problems[0].code, "MS-T003");
    }
}
