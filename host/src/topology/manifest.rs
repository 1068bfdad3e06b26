//! `millstream.toml`: from text to specs, every problem with its line.

use super::field::{Document, Field, duration};
use super::plugin_spec::{PluginSpec, plugin_spec};
use super::topic::Wrong;
use super::{NodeSpec, OffsetReset, Problem, TopicSettings};
use crate::record::Topic;
use std::collections::BTreeMap;
use std::time::Duration;

/// A manifest that could be read; [`super::Topology::check`] says whether its nodes make sense.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Kafka Streams' `application.id`.
    pub app: String,
    /// Plugins by name.
    pub plugins: BTreeMap<String, PluginSpec>,
    /// Nodes, in the order in which they are declared.
    pub nodes: Vec<NodeSpec>,
    /// Topics to make if they are not there, and how they are kept.
    pub topics: BTreeMap<Topic, TopicSettings>,
    /// Settings.
    pub settings: Settings,
}

/// Settings that are not nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether a commit must outlast a loss of power (`exactly-once`), or only a kill (`at-least-once`).
    pub exactly_once: bool,
    /// Time between commits.
    pub commit_interval: Duration,
    /// Time between two deletions of what is processed in repartition topics.
    pub purge_interval: Duration,
    /// Where a source is read from when nothing is known of where it was read to, or that is gone.
    pub auto_offset_reset: OffsetReset,
    /// Policy of nodes that name none, and its line.
    pub on_error: Option<(String, usize)>,
    /// Where dead letters go.
    pub dead_letter_topic: Option<Topic>,
}

impl Settings {
    /// The guarantee as the manifest names it.
    pub const fn guarantee(&self) -> &'static str {
        if self.exactly_once { "exactly-once" } else { "at-least-once" }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            exactly_once: true,
            commit_interval: Duration::from_millis(100),
            purge_interval: Duration::from_secs(30),
            auto_offset_reset: OffsetReset::Earliest,
            on_error: None,
            dead_letter_topic: None,
        }
    }
}

const GUARANTEES: [&str; 4] = ["processing", "commit-interval", "auto-offset-reset", "repartition-purge-interval"];
const SECTIONS: [&str; 7] = ["manifest", "app", "plugin", "node", "topic", "guarantee", "errors"];

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// All that is wrong with its shape.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(text).map_err(|problem| vec![problem])?;
        let mut manifest = Self::default();
        let mut problems = Vec::new();
        for field in document.fields() {
            manifest.section(&field, &mut problems);
        }
        if manifest.app.is_empty() {
            problems.push(Problem::new(
                "MS-T004",
                0,
                "the manifest names no app",
                "add a line like app = \"wordcount\"",
            ));
        }
        manifest.nodes.sort_by_key(|node| node.line);
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(manifest) } else { Err(problems) }
    }

    fn section(&mut self, field: &Field<'_>, problems: &mut Vec<Problem>) {
        match field.name {
            "manifest" => {
                if field.json() != 1 {
                    problems.push(field.wrong("manifest = 1"));
                }
            }
            "app" => match field.text() {
                Some(app) if Topic::is_legal(app) => self.app = app.into(),
                _ => problems.push(field.wrong("a name of letters, digits, '.', '_' and '-', such as \"wordcount\"")),
            },
            "node" => field.entries(problems, |node, _| {
                let mut spec = NodeSpec { name: node.name.into(), line: node.line, ..NodeSpec::default() };
                for inner in node.fields() {
                    spec.fields.insert(inner.name.into(), (inner.json(), inner.line));
                }
                self.nodes.push(spec);
            }),
            "plugin" => field.entries(problems, |plugin, problems| {
                self.plugins.insert(plugin.name.into(), plugin_spec(plugin, problems));
            }),
            "topic" => field.entries(problems, |topic, problems| {
                let mut settings = TopicSettings::default();
                for inner in topic.fields() {
                    if let Err(problem) = settings.read(inner.name, &inner.json()) {
                        problems.push(match problem {
                            Wrong::Value(wanted) => inner.wrong(wanted),
                            Wrong::Key => inner.unknown(&super::topic::KEYS),
                        });
                    }
                }
                self.topics.insert(Topic::new(topic.name), settings);
            }),
            "guarantee" => field.fields().for_each(|inner| self.guarantee(&inner, problems)),
            "errors" => field.fields().for_each(|inner| self.errors(&inner, problems)),
            _ => problems.push(field.unknown(&SECTIONS)),
        }
    }

    fn guarantee(&mut self, field: &Field<'_>, problems: &mut Vec<Problem>) {
        match (field.name, field.text()) {
            ("processing", Some("exactly-once")) => self.settings.exactly_once = true,
            ("processing", Some("at-least-once")) => self.settings.exactly_once = false,
            ("processing", _) => problems.push(field.wrong("\"exactly-once\" or \"at-least-once\"")),
            ("commit-interval", text) => match text.and_then(duration) {
                Some(interval) => self.settings.commit_interval = interval,
                None => problems.push(field.wrong("a duration such as \"100ms\", \"10s\" or \"5m\"")),
            },
            // Kafka Streams' `repartition.purge.interval.ms`.
            ("repartition-purge-interval", text) => match text.and_then(duration) {
                Some(interval) => self.settings.purge_interval = interval,
                None => problems.push(field.wrong("a duration such as \"30s\"")),
            },
            // Kafka's `auto.offset.reset`.
            ("auto-offset-reset", text) => match text.and_then(OffsetReset::parse) {
                Some(reset) => self.settings.auto_offset_reset = reset,
                None => problems.push(field.wrong("\"earliest\", \"latest\" or \"none\"")),
            },
            _ => problems.push(field.unknown(&GUARANTEES)),
        }
    }

    fn errors(&mut self, field: &Field<'_>, problems: &mut Vec<Problem>) {
        match (field.name, field.text()) {
            ("on-error", Some(policy)) => self.settings.on_error = Some((policy.into(), field.line)),
            ("dead-letter-topic", Some(topic)) if Topic::is_legal(topic) => {
                self.settings.dead_letter_topic = Some(Topic::new(topic));
            }
            ("on-error", _) => problems.push(field.wrong("\"dead-letter\", \"skip\" or \"stop\"")),
            ("dead-letter-topic", _) => problems.push(field.wrong("a topic's name, such as \"dead-letters\"")),
            _ => problems.push(field.unknown(&["on-error", "dead-letter-topic"])),
        }
    }
}
