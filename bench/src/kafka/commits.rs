//! How long commits take on a broker that has nothing else to do: a store with its changelog, outputs and offsets, at a
//! thousand records a second.

use super::Setup;
use super::app::App;
use super::cluster::Cluster;
use super::handover::counting;
use super::reader::Reader;
use super::writer::Writer;
use crate::Failure;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// The name of the benchmark, of its app, and of its topics with an end of their own.
pub(super) const NAME: &str = "commits";
/// Time between two records, and as many keys as are counted.
const PACE: Duration = Duration::from_millis(1);
const KEYS: u64 = 2_000;
/// For so long records come: about a hundred commits.
const WORK: Duration = Duration::from_secs(12);
/// All must have come out after so long.
const LIMIT: Duration = Duration::from_secs(60);

/// Run by run, what the host tells of its commits.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Commits {
    /// How many there were in all.
    pub(super) commits: u64,
    /// Half of them took no longer, milliseconds.
    pub(super) p50_ms: Vec<f64>,
    /// 99 of 100 took no longer.
    pub(super) p99_ms: Vec<f64>,
}

/// Runs the app again and again.
///
/// # Errors
/// If it fails, or an output is missing or doubled.
pub(super) fn measure(setup: &Setup, cluster: &Cluster) -> Result<Commits, Failure> {
    let mut commits = Commits::default();
    for round in 1..=setup.pairs {
        let told = run(setup, cluster, &format!("{NAME}-{round}"))?;
        eprintln!(
            "{NAME} {round}: {} commits, half within {:.2} ms, 99 % within {:.2} ms",
            told.commits, told.commit_p50_ms, told.commit_p99_ms
        );
        commits.commits += told.commits;
        commits.p50_ms.push(told.commit_p50_ms);
        commits.p99_ms.push(told.commit_p99_ms);
    }
    cluster.delete(NAME)?;
    Ok(commits)
}

fn run(setup: &Setup, cluster: &Cluster, name: &str) -> Result<Told, Failure> {
    let directory = tempfile::tempdir()?;
    let (input, output) = (format!("{name}-input"), format!("{name}-output"));
    cluster.create(&input)?;
    cluster.create(&output)?;
    let bootstrap = cluster.bootstrap.as_str();
    let app = App::new(&setup.millstream, bootstrap, directory.path(), (name, &input), &counting(&output))?;
    let log = directory.path().join("log");
    let mut host = app.start_logged(&directory.path().join("data"), &log)?;
    let (feeder, mut reader) = (Writer::new(bootstrap, None, &[&input])?, Reader::new(bootstrap, &output)?);
    let (began, mut sent, mut came) = (Instant::now(), 0u64, 0u64);
    while began.elapsed() < WORK || came < sent {
        if began.elapsed() < WORK {
            let key = (sent % KEYS).to_string();
            feeder.send(0, 0, Some(key.as_bytes()), b"1", 1)?;
            sent += 1;
            std::thread::sleep(PACE);
        }
        came += reader.fetch(|_| Ok(()))? as u64;
        if began.elapsed() > LIMIT {
            return Err(format!("{came} records came out of {sent} that went in").into());
        }
    }
    kill(Pid::from_raw(i32::try_from(host.0.id())?), Signal::SIGTERM)?;
    let status = host.0.wait()?;
    if came != sent || !status.success() {
        return Err(format!("{came} records came out of {sent}, and the host ended with {status}").into());
    }
    told(&std::fs::read_to_string(log)?)
}

/// The last line of the host's log.
#[derive(Deserialize)]
struct Line {
    fields: Told,
}

#[derive(Deserialize)]
struct Told {
    commits: u64,
    commit_p50_ms: f64,
    commit_p99_ms: f64,
}

fn told(log: &str) -> Result<Told, Failure> {
    let last = log.lines().last().ok_or("the host logged nothing")?;
    Ok(serde_json::from_str::<Line>(last)?.fields)
}
