//! The suite: each workload beside a hand-written native loop over the same log, in turn; the border's cost a record;
//! commits; starts. Prints tables and writes every sample as JSON. `bench/run` builds and runs it.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod border;
mod clock;
mod commits;
mod data;
#[path = "../guest/src/functions.rs"]
mod functions;
mod generate;
mod host;
mod kafka;
mod native;
mod native_words;
mod pairs;
mod report;
mod start;

use clap::Parser;
use millstream::plugin::COMPILE_SUBCOMMAND;
use std::path::PathBuf;

/// Why a run is void.
pub(crate) type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Parser)]
enum Suite {
    /// On the embedded log.
    Embedded(Setup),
    /// On Kafka.
    Kafka(kafka::Setup),
    /// The native loop on Kafka: a process of its own, as all that run beside it are.
    #[command(hide = true)]
    KafkaNative(kafka::Job),
}

/// What to measure, and how often.
#[derive(Debug, Parser)]
pub(crate) struct Setup {
    /// The benchmarks' plugin, a component or a core module.
    #[arg(long)]
    plugin: PathBuf,
    /// The binary whose start is measured.
    #[arg(long)]
    millstream: PathBuf,
    /// Where the samples go.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Pairs of runs a workload.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Commits of each kind.
    #[arg(long, default_value_t = 200)]
    commits: u64,
    /// Starts of the binary.
    #[arg(long, default_value_t = 21)]
    starts: usize,
    /// Times the usual number of records.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Only benchmarks whose names contain this.
    #[arg(long, default_value = "")]
    only: String,
    /// The commit that is measured, for the report.
    #[arg(long, default_value = "unknown")]
    commit: String,
}

impl Setup {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }
}

fn main() -> Result<(), Failure> {
    // The host compiles plugins in a child, which is started from the program that runs.
    if std::env::args().nth(1).is_some_and(|word| word == COMPILE_SUBCOMMAND) {
        return millstream::cli::Cli::parse().run().map_err(|error| error.render(false).into());
    }
    match Suite::parse() {
        Suite::Embedded(setup) => embedded(&setup),
        Suite::Kafka(setup) => kafka::measure(&setup),
        Suite::KafkaNative(job) => kafka::native(&job),
    }
}

fn embedded(setup: &Setup) -> Result<(), Failure> {
    let report = report::Report {
        commit: setup.commit.clone(),
        machine: report::machine(),
        workloads: pairs::measure(setup)?,
        border: if setup.wants("border") { border::measure(setup)? } else { Vec::new() },
        commits: if setup.wants("commit") { commits::measure(setup)? } else { Vec::new() },
        starts: if setup.wants("start") { start::measure(setup)? } else { start::Starts::default() },
    };
    print!("{}", report.tables());
    if let Some(path) = &setup.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}
