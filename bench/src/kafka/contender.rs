//! Who does the same work, and how each is started.

use super::data::{BIDS, LINES, PARTITIONS};
use super::{Guarantee, Setup, Workload, child};
use crate::Failure;
use crate::clock::Span;
use crate::{generate, host};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// One that does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Contender {
    /// A loop by hand over librdkafka.
    Native,
    /// The host.
    Millstream,
    /// The host, its component compiled without interruption checks.
    MillstreamTrusted,
    /// The host, every update going out: nothing is counted ahead of the repartition topic.
    MillstreamEveryUpdate,
    /// Kafka Streams as it comes.
    Streams,
    /// Kafka Streams with settings for speed.
    StreamsTuned,
}

/// What one run took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Took {
    /// The whole process, from its start to its end.
    pub(super) whole: Span,
    /// Of Kafka Streams: from the moment when half was processed, by when its code is compiled. Half of the units.
    pub(super) second_half: Option<Span>,
}

/// One run's place: names of its own, and a directory.
pub(super) struct Place<'a> {
    pub(super) bootstrap: &'a str,
    pub(super) workload: Workload,
    pub(super) guarantee: Guarantee,
    /// Group, application id, app, transactional id.
    pub(super) group: String,
    pub(super) directory: &'a Path,
    /// Records of the input.
    pub(super) records: u64,
}

impl Place<'_> {
    /// Where the run writes.
    pub(super) fn output(&self) -> String {
        format!("{}-output", self.group)
    }

    fn input(&self) -> &'static str {
        if self.workload == Workload::WordCount { LINES } else { BIDS }
    }

    /// Steps that are counted: records, or words.
    pub(super) fn units(&self) -> u64 {
        let each = if self.workload == Workload::WordCount { generate::WORDS_PER_LINE as u64 } else { 1 };
        self.records * each
    }
}

impl Contender {
    /// All that do a workload.
    pub(super) fn of(workload: Workload) -> Vec<Self> {
        let trusted = (workload != Workload::PassThrough).then_some(Self::MillstreamTrusted);
        let every_update = (workload == Workload::WordCount).then_some(Self::MillstreamEveryUpdate);
        let mut all = vec![Self::Native, Self::Millstream];
        all.extend(trusted.into_iter().chain(every_update));
        all.extend([Self::Streams, Self::StreamsTuned]);
        all
    }

    /// Its name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Millstream => "millstream",
            Self::MillstreamTrusted => "millstream, trusted",
            Self::MillstreamEveryUpdate => "millstream, every update",
            Self::Streams => "Kafka Streams",
            Self::StreamsTuned => "Kafka Streams, tuned",
        }
    }

    /// Runs it over the whole input.
    ///
    /// # Errors
    /// If it fails, or says that it has not committed everything.
    pub(super) fn run(self, setup: &Setup, place: &Place<'_>) -> Result<Took, Failure> {
        match self {
            Self::Native => whole(&native(place)?),
            Self::Millstream | Self::MillstreamTrusted | Self::MillstreamEveryUpdate => {
                whole(&millstream(self, setup, place)?)
            }
            Self::Streams => streams(&java(setup, place, false)),
            Self::StreamsTuned => streams(&java(setup, place, true)),
        }
    }
}

fn whole(command: &Command) -> Result<Took, Failure> {
    Ok(Took { whole: child::run(command)?.span, second_half: None })
}

/// What Kafka Streams' program prints.
#[derive(Deserialize)]
struct Printed {
    committed: bool,
    second_half: Half,
}

#[derive(Deserialize)]
struct Half {
    wall_s: f64,
    cpu_s: f64,
}

fn streams(command: &Command) -> Result<Took, Failure> {
    let ran = child::run(command)?;
    let printed: Printed = serde_json::from_str(&ran.printed)?;
    if !printed.committed {
        return Err("Kafka Streams ended before all of its input was committed".into());
    }
    let half = Span { cpu: printed.second_half.cpu_s, wall: printed.second_half.wall_s };
    Ok(Took { whole: ran.span, second_half: Some(half) })
}

fn native(place: &Place<'_>) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("kafka-native").args(["--workload", place.workload.name(), "--guarantee", place.guarantee.name()]);
    command.args(["--bootstrap", place.bootstrap, "--group", &place.group, "--input", place.input()]);
    command.args(["--output", &place.output(), "--records", &place.records.to_string()]);
    command.args(["--data-dir"]).arg(place.directory.join("data"));
    Ok(command)
}

fn millstream(contender: Contender, setup: &Setup, place: &Place<'_>) -> Result<Command, Failure> {
    let emits = if contender == Contender::MillstreamEveryUpdate { "every-update" } else { "on-commit" };
    let (group, input, output) = (&place.group, place.input(), place.output());
    let (plugin, nodes) = match place.workload {
        Workload::PassThrough => (None, host::COPY.into()),
        Workload::Json => (Some(&*setup.plugin), host::stateless("flat-map-values", "convert")),
        Workload::WordCount => {
            (Some(&*setup.plugin), host::words(emits).replace("store =", "changelog = true\nstore ="))
        }
    };
    let text = host::head(group, plugin, contender == Contender::MillstreamTrusted) + &nodes;
    let text = text.replace("\"input\"", &format!("{input:?}")).replace("\"output\"", &format!("{output:?}"));
    let guarantee = place.guarantee.name();
    let guarantee = format!("[guarantee]\nprocessing = {guarantee:?}\ncommit-interval = \"100ms\"\n");
    let topics = format!("[topic.{output}]\npartitions = {PARTITIONS}\n[topic.{input}]\npartitions = {PARTITIONS}\n");
    let manifest = place.directory.join("millstream.toml");
    std::fs::write(&manifest, text + &guarantee + &topics)?;
    let mut command = Command::new(&setup.millstream);
    command.arg("--data-dir").arg(place.directory.join("data"));
    command.args(["run", "--kafka", place.bootstrap, "--until-end", "--workers", "1", "--manifest"]).arg(manifest);
    command.env("RUST_LOG", "warn");
    Ok(command)
}

fn java(setup: &Setup, place: &Place<'_>, tuned: bool) -> Command {
    let guarantee = match place.guarantee {
        Guarantee::AtLeastOnce => "at_least_once",
        Guarantee::ExactlyOnce => "exactly_once_v2",
    };
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let mut command = Command::new(home.unwrap_or_else(|| "java".into()));
    // The second collector is the one that wants the least CPU time of all; the first is what Java takes by itself.
    command.args(["-Xms1g", "-Xmx2g", if tuned { "-XX:+UseParallelGC" } else { "-XX:+UseG1GC" }]);
    command.args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp"]);
    command.arg(format!("{0}/classes:{0}/lib/*", setup.streams.display())).arg("millstream.bench.Main");
    command.args(["--workload", place.workload.name(), "--guarantee", guarantee, "--commit-ms", "100"]);
    command.args(["--bootstrap", place.bootstrap, "--application-id", &place.group]);
    command.args(["--input", place.input(), "--output", &place.output(), "--steps", &place.units().to_string()]);
    command.args(["--threads", "1", "--state-dir"]).arg(place.directory.join("state"));
    if tuned {
        command.arg("--tuned");
    }
    command
}
