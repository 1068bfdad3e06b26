//! The same work on Kafka: the host beside a native loop over librdkafka and beside Kafka Streams, each a process of its
//! own, in turn, over the same topics of one broker. Every run's output is read back and held against what it must be.

mod app;
mod child;
mod client;
mod cluster;
mod commits;
mod contender;
mod data;
mod ffi;
mod goals;
mod handover;
mod native;
mod reader;
mod report;
mod restore;
mod writer;

use crate::Failure;
use clap::{Parser, ValueEnum};
use cluster::Cluster;
use contender::{Contender, Place, Took};
use data::Inputs;
use handover::End;
use serde::Serialize;
use std::path::PathBuf;

/// What to measure, and how often.
#[derive(Debug, Parser)]
pub(crate) struct Setup {
    /// The benchmarks' plugin.
    #[arg(long)]
    plugin: PathBuf,
    /// The host's binary.
    #[arg(long)]
    millstream: PathBuf,
    /// Where Kafka Streams' program was built: classes and lib.
    #[arg(long)]
    streams: PathBuf,
    /// The scripts that start a broker.
    #[arg(long)]
    scripts: PathBuf,
    /// The broker's port; the next one is its controller's.
    #[arg(long, default_value_t = 23_900)]
    port: u16,
    /// A broker that runs already, without topics of ours, instead of one of our own. The inputs stay in it.
    #[arg(long)]
    bootstrap: Option<String>,
    /// Where the samples go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// A document with the lines of `report::MARKS`, between which the tables go.
    #[arg(long)]
    document: Option<PathBuf>,
    /// Rounds: in each, all contenders run once.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Bids that pass-through and JSON read.
    #[arg(long, default_value_t = 2_000_000)]
    bids: usize,
    /// Lines that the word count reads.
    #[arg(long, default_value_t = 300_000)]
    lines: usize,
    /// Rows of the store that is restored.
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// Only workloads whose names contain this; restores and handovers have names, too.
    #[arg(long, default_value = "")]
    only: String,
    /// Only contenders whose names contain this; may be said several times.
    #[arg(long)]
    contender: Vec<String>,
    /// The commit that is measured, for the report.
    #[arg(long, default_value = "unknown")]
    commit: String,
}

/// What is done with the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Workload {
    /// They are copied.
    PassThrough,
    /// Bids are parsed, filtered, and written with another price.
    Json,
    /// Words are counted: a repartition topic, a store, its changelog.
    WordCount,
}

impl Workload {
    const ALL: [Self; 3] = [Self::PassThrough, Self::Json, Self::WordCount];

    fn name(self) -> &'static str {
        match self {
            Self::PassThrough => "pass-through",
            Self::Json => "json",
            Self::WordCount => "word-count",
        }
    }
}

/// What is promised; commits come every 100 ms either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Guarantee {
    /// Records may come twice after a failure.
    AtLeastOnce,
    /// Transactions.
    ExactlyOnce,
}

impl Guarantee {
    const ALL: [Self; 2] = [Self::AtLeastOnce, Self::ExactlyOnce];

    fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at-least-once",
            Self::ExactlyOnce => "exactly-once",
        }
    }
}

/// What the native loop's process is told.
#[derive(Debug, Parser)]
pub(crate) struct Job {
    #[arg(long)]
    workload: Workload,
    #[arg(long)]
    guarantee: Guarantee,
    #[arg(long)]
    bootstrap: String,
    #[arg(long)]
    group: String,
    #[arg(long)]
    input: String,
    #[arg(long)]
    output: String,
    /// Records of the input, after which it ends.
    #[arg(long)]
    records: usize,
    /// Where the word count keeps its state.
    #[arg(long)]
    data_dir: PathBuf,
}

/// Runs the native loop.
///
/// # Errors
/// If it fails.
pub(crate) fn native(job: &Job) -> Result<(), Failure> {
    native::run(job)
}

/// One contender's run of a workload.
#[derive(Debug, Serialize)]
struct Run {
    contender: Contender,
    guarantee: Guarantee,
    /// In which round.
    round: usize,
    took: Took,
    records_out: u64,
}

/// All runs of a workload.
#[derive(Debug, Serialize)]
struct Measured {
    workload: Workload,
    /// Records, or words.
    units: u64,
    runs: Vec<Run>,
}

/// Measures everything, and tells it.
///
/// # Errors
/// If a run fails, or its output is wrong.
pub(crate) fn measure(setup: &Setup) -> Result<(), Failure> {
    let cluster = match &setup.bootstrap {
        Some(bootstrap) => Cluster::at(bootstrap),
        None => Cluster::start(&setup.scripts, setup.port)?,
    };
    let workloads: Vec<Workload> =
        Workload::ALL.into_iter().filter(|workload| workload.name().contains(&setup.only)).collect();
    let reads_bids = workloads.iter().any(|workload| *workload != Workload::WordCount);
    let reads_lines = workloads.contains(&Workload::WordCount);
    let inputs =
        Inputs::write(&cluster, if reads_bids { setup.bids } else { 0 }, if reads_lines { setup.lines } else { 0 })?;
    let wants = |name: &str| name.contains(&setup.only);
    let workloads = workloads.into_iter().map(|workload| rounds(setup, &cluster, &inputs, workload));
    let ends = [End::Terminate, End::Kill, End::KillWithStandby].into_iter().filter(|end| wants(end.name()));
    let report = report::Report {
        commit: setup.commit.clone(),
        machine: crate::report::machine(),
        workloads: workloads.collect::<Result<_, _>>()?,
        commits: wants(commits::NAME).then(|| commits::measure(setup, &cluster)).transpose()?,
        restores: wants("restore").then(|| restore::measure(setup, &cluster)).transpose()?,
        handovers: ends.map(|end| handover::measure(setup, &cluster, end)).collect::<Result<_, _>>()?,
    };
    report.tell(setup.json.as_deref(), setup.document.as_deref())
}

/// In each round every contender runs once with each guarantee; each round begins with another.
fn rounds(setup: &Setup, cluster: &Cluster, inputs: &Inputs, workload: Workload) -> Result<Measured, Failure> {
    let wanted = |contender: &Contender| {
        let mut names = setup.contender.iter();
        setup.contender.is_empty() || names.any(|name| contender.name().contains(name.as_str()))
    };
    let contenders = Contender::of(workload).into_iter().filter(wanted);
    let mut turns: Vec<(Contender, Guarantee)> =
        contenders.flat_map(|contender| Guarantee::ALL.map(|guarantee| (contender, guarantee))).collect();
    let mut measured = Measured { workload, units: 0, runs: Vec::new() };
    // The broker warms up on a run that does not count.
    for guarantee in Guarantee::ALL {
        once(setup, cluster, inputs, workload, Contender::Native, guarantee, 0)?;
    }
    for round in 1..=setup.pairs {
        for (contender, guarantee) in &turns {
            let (run, units) = once(setup, cluster, inputs, workload, *contender, *guarantee, round)?;
            measured.units = units;
            measured.runs.push(run);
        }
        let count = turns.len().max(1);
        turns.rotate_left(3 % count);
    }
    Ok(measured)
}

fn once(
    setup: &Setup,
    cluster: &Cluster,
    inputs: &Inputs,
    workload: Workload,
    contender: Contender,
    guarantee: Guarantee,
    round: usize,
) -> Result<(Run, u64), Failure> {
    let directory = tempfile::tempdir()?;
    let records = if workload == Workload::WordCount { setup.lines } else { setup.bids } as u64;
    let name = contender.name().replace([' ', ','], "");
    let group = format!("{}-{}-{}-{round}", workload.name(), guarantee.name(), name.to_lowercase());
    let place =
        Place { bootstrap: &cluster.bootstrap, workload, guarantee, group, directory: directory.path(), records };
    cluster.create(&place.output())?;
    if contender == Contender::Native && workload == Workload::WordCount {
        cluster.create(&format!("{}-words-repartition", place.group))?;
        cluster.create(&format!("{}-counts-changelog", place.group))?;
    }
    let took = contender.run(setup, &place)?;
    let (records_out, found) = data::read(cluster, &place.output(), workload == Workload::WordCount)?;
    let expected = inputs.expected(workload);
    if found != expected {
        return Err(format!("{}: the output is wrong: {found:?} instead of {expected:?}", place.group).into());
    }
    cluster.delete(&place.group)?;
    let run = Run { contender, guarantee, round, took, records_out };
    eprintln!("{:48} {}", place.group, report::line(&run, place.units()));
    Ok((run, place.units()))
}
