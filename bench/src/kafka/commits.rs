//! How long commits take on a broker that has nothing else to do: a store with its changelog, outputs and offsets, at a
//! thousand records a second; the host's, and those of a loop by hand that does the same, in turn.

use super::Setup;
use super::app::App;
use super::client::Clients;
use super::cluster::Cluster;
use super::handover::counting;
use super::reader::Reader;
use super::writer::Writer;
use crate::Failure;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// The name of the benchmark, of its app, and of its topics with an end of their own.
pub(super) const NAME: &str = "commits";
/// Time between two records, and as many keys as are counted.
const PACE: Duration = Duration::from_millis(1);
const KEYS: u64 = 2_000;
/// Time between the commits of the loop by hand: what the app has.
const INTERVAL: Duration = Duration::from_millis(100);
/// For so long records come: about a hundred commits.
const WORK: Duration = Duration::from_secs(12);
/// All must have come out after so long.
const LIMIT: Duration = Duration::from_secs(60);

/// What commits took.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Commits {
    /// What the host tells of its own.
    pub(super) host: Runs,
    /// Those of the loop by hand.
    pub(super) native: Runs,
}

/// Run by run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Runs {
    /// How many there were in all.
    pub(super) commits: u64,
    /// Half of them took no longer, milliseconds.
    pub(super) p50_ms: Vec<f64>,
    /// 99 of 100 took no longer.
    pub(super) p99_ms: Vec<f64>,
}

impl Runs {
    fn add(&mut self, of: &str, round: usize, told: &Told) {
        eprintln!(
            "{NAME} {round}, {of}: {} commits, half within {:.2} ms, 99 % within {:.2} ms",
            told.commits, told.commit_p50_ms, told.commit_p99_ms
        );
        self.commits += told.commits;
        self.p50_ms.push(told.commit_p50_ms);
        self.p99_ms.push(told.commit_p99_ms);
    }
}

/// Runs the app and the loop by hand again and again.
///
/// # Errors
/// If one fails, or an output is missing or doubled.
pub(super) fn measure(setup: &Setup, cluster: &Cluster) -> Result<Commits, Failure> {
    let mut commits = Commits::default();
    for round in 1..=setup.pairs {
        commits.host.add("millstream", round, &run(setup, cluster, &format!("{NAME}-{round}"))?);
        commits.native.add("native", round, &by_hand(cluster, &format!("{NAME}-native-{round}"))?);
    }
    cluster.delete(NAME)?;
    Ok(commits)
}

fn run(setup: &Setup, cluster: &Cluster, name: &str) -> Result<Told, Failure> {
    let directory = tempfile::tempdir()?;
    let (input, output) = topics(cluster, name)?;
    let bootstrap = cluster.bootstrap.as_str();
    let app = App::new(&setup.millstream, bootstrap, directory.path(), (name, &input), &counting(&output))?;
    let log = directory.path().join("log");
    let mut host = app.start_logged(&directory.path().join("data"), &log)?;
    let mut reader = Reader::new(bootstrap, &output)?;
    let sent = while_fed(bootstrap, &input, || Ok(reader.fetch(|_| Ok(()))? as u64))?;
    kill(Pid::from_raw(i32::try_from(host.0.id())?), Signal::SIGTERM)?;
    let status = host.0.wait()?;
    if !status.success() {
        return Err(format!("the host ended with {status}, {sent} records came out of it").into());
    }
    told(&std::fs::read_to_string(log)?)
}

fn topics(cluster: &Cluster, name: &str) -> Result<(String, String), Failure> {
    let (input, output) = (format!("{name}-input"), format!("{name}-output"));
    cluster.create(&input)?;
    cluster.create(&output)?;
    Ok((input, output))
}

/// Puts records in, and does again and again what takes some out, until all are; says how many they were.
fn while_fed(bootstrap: &str, input: &str, mut take: impl FnMut() -> Result<u64, Failure>) -> Result<u64, Failure> {
    let feeder = Writer::new(bootstrap, None, &[input])?;
    let (began, mut sent, mut came) = (Instant::now(), 0u64, 0u64);
    while began.elapsed() < WORK || came < sent {
        if began.elapsed() < WORK {
            let key = (sent % KEYS).to_string();
            feeder.send(0, 0, Some(key.as_bytes()), b"1", 1)?;
            sent += 1;
            std::thread::sleep(PACE);
        }
        came += take()?;
        if began.elapsed() > LIMIT {
            return Err(format!("{came} records came out of {sent} that went in").into());
        }
    }
    if came == sent { Ok(sent) } else { Err(format!("{came} records came out of {sent}").into()) }
}

/// The same app by hand: counts in memory, each update an output, a row of the changelog for every key at a commit.
fn by_hand(cluster: &Cluster, name: &str) -> Result<Told, Failure> {
    let (input, output) = topics(cluster, name)?;
    let changelog = format!("{name}-changelog");
    cluster.create(&changelog)?;
    let mut clients = Clients::join(&cluster.bootstrap, name, &[&input], &[&output, &changelog], true)?;
    let (mut counts, mut changed) = (HashMap::<Vec<u8>, u64>::new(), HashSet::<Vec<u8>>::new());
    let mut reader = Reader::new(&cluster.bootstrap, &output)?;
    let (mut begun, mut took) = (None, Vec::new());
    while_fed(&cluster.bootstrap, &input, || {
        if begun.is_none() {
            clients.begin()?;
        }
        let since = *begun.get_or_insert_with(Instant::now);
        clients.fetch(0, false, |output, record| {
            let key = record.key.unwrap_or_default();
            let count = counts.entry(key.to_vec()).or_default();
            *count += 1;
            changed.insert(key.to_vec());
            output.send(0, record.partition, Some(key), &count.to_be_bytes(), record.timestamp)
        })?;
        if since.elapsed() >= INTERVAL && !changed.is_empty() {
            let commit = Instant::now();
            for key in changed.drain() {
                let count = counts.get(&key).copied().unwrap_or_default();
                clients.output().send(1, 0, Some(&key), &count.to_be_bytes(), 1)?;
            }
            clients.commit(|| Ok(()))?;
            took.push(commit.elapsed());
            begun = None;
        }
        Ok(reader.fetch(|_| Ok(()))? as u64)
    })?;
    Ok(Told::of(took))
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

impl Told {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort_unstable();
        let within = |part: usize| took.get(took.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        Self { commits: took.len() as u64, commit_p50_ms: within(50), commit_p99_ms: within(99) }
    }
}

fn told(log: &str) -> Result<Told, Failure> {
    let last = log.lines().last().ok_or("the host logged nothing")?;
    Ok(serde_json::from_str::<Line>(last)?.fields)
}
