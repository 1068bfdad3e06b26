//! How long outputs stay away when one of two processes ends or is killed.

use super::Setup;
use super::app::{App, Running};
use super::cluster::Cluster;
use super::data::PARTITIONS;
use super::reader::Reader;
use super::writer::Writer;
use crate::Failure;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time between two records of the input, and as many keys as are counted.
const PACE: Duration = Duration::from_millis(1);
const KEYS: u64 = 2_000;
/// So long both processes work before one gets the signal, and the other one after it.
const CALM: Duration = Duration::from_secs(3);
/// The host's `session-timeout`, as it is by default, seconds.
const SESSION_S: f64 = 10.0;
/// What is waited for must come within this.
const LIMIT: Duration = Duration::from_secs(60);
/// An app that counts keys and hands on every count to this topic: as many records come out as go in.
pub(super) fn counting(output: &str) -> String {
    format!(
        "[node.by-key]\nop = \"group-by-key\"\nfrom = \"in\"\n\
         [node.counts]\nop = \"count\"\nfrom = \"by-key\"\nstore = \"counts\"\nchangelog = true\nemit = \"every-update\"\n\
         [node.out]\nop = \"to\"\nfrom = \"counts\"\ntopic = {output:?}\n"
    )
}

/// What one of the two processes gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum End {
    /// It is told to end, and hands over.
    Terminate,
    /// It is killed, and the other finds out.
    Kill,
    /// The same where the other one has a copy of its stores.
    KillWithStandby,
}

impl End {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Terminate => "handover-terminate",
            Self::Kill => "handover-kill",
            Self::KillWithStandby => "handover-standby",
        }
    }

    /// What is done, for tables.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Terminate => "is told to end (SIGTERM)",
            Self::Kill => "is killed (SIGKILL), without a standby",
            Self::KillWithStandby => "is killed (SIGKILL), with a standby",
        }
    }
}

/// How long partitions were silent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Handovers {
    pub(super) end: End,
    /// After how long a process that is killed is taken for dead, seconds.
    pub(super) session_s: f64,
    /// The longest time without an output of one of the partitions after the signal, seconds, trial by trial.
    pub(super) gaps_s: Vec<f64>,
    /// The same in the quiet time before it.
    pub(super) before_s: Vec<f64>,
}

/// Ends one of two processes, again and again.
///
/// # Errors
/// If an output is missing or doubled, or does not come in time.
pub(super) fn measure(setup: &Setup, cluster: &Cluster, end: End) -> Result<Handovers, Failure> {
    let mut handovers = Handovers { end, session_s: SESSION_S, gaps_s: Vec::new(), before_s: Vec::new() };
    for number in 1..=setup.pairs {
        let name = format!("{}-{number}", end.name());
        let (before, gap) = Trial::new(cluster, &name)?.run(setup, end)?;
        eprintln!("{name}: silent for {gap:.2} s, before it for {before:.2} s");
        handovers.before_s.push(before);
        handovers.gaps_s.push(gap);
        cluster.delete(&name)?;
    }
    Ok(handovers)
}

/// A feeder and a reader.
struct Trial<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    feeder: Writer,
    reader: Reader,
    due: Instant,
    sent: u64,
    came: u64,
    /// When each partition's last output came, and when the record was made that it is about.
    last: Vec<(Instant, i64)>,
    /// The longest time without an output since it was last asked for.
    gap: Duration,
}

impl<'a> Trial<'a> {
    fn new(cluster: &'a Cluster, name: &'a str) -> Result<Self, Failure> {
        let (input, output) = (format!("{name}-input"), format!("{name}-output"));
        cluster.create(&input)?;
        cluster.create(&output)?;
        let feeder = Writer::new(&cluster.bootstrap, None, &[&input])?;
        let reader = Reader::new(&cluster.bootstrap, &output)?;
        let last = (0..PARTITIONS).map(|_| (Instant::now(), 0)).collect();
        Ok(Self { cluster, name, feeder, reader, due: Instant::now(), sent: 0, came: 0, last, gap: Duration::ZERO })
    }

    /// The longest silence before the signal, and after it.
    fn run(mut self, setup: &Setup, end: End) -> Result<(f64, f64), Failure> {
        let directory = tempfile::tempdir()?;
        let (input, output) = (format!("{}-input", self.name), format!("{}-output", self.name));
        let app = (self.name, input.as_str());
        let mut app = App::new(&setup.millstream, &self.cluster.bootstrap, directory.path(), app, &counting(&output))?;
        if end == End::KillWithStandby {
            app.keep_standbys(directory.path())?;
        }
        let mut first = app.start(&directory.path().join("first"))?;
        let second = app.start(&directory.path().join("second"))?;
        self.until_shared()?;
        // Tasks have just moved: the quiet time begins after that.
        self.until_all_are_newer_than(now()? + i64::try_from(CALM.as_millis())?)?;
        self.gap = Duration::ZERO;
        self.until_all_are_newer_than(now()? + i64::try_from(CALM.as_millis())?)?;
        let before = std::mem::take(&mut self.gap);
        let signal = if end == End::Terminate { Signal::SIGTERM } else { Signal::SIGKILL };
        kill(Pid::from_raw(i32::try_from(first.0.id())?), signal)?;
        self.until_all_are_newer_than(now()? + i64::try_from(CALM.as_millis())?)?;
        let gap = self.gap;
        let status = first.0.wait()?;
        if end == End::Terminate && !status.success() {
            return Err(format!("told to end, the host ended with {status}").into());
        }
        self.drain(second)?;
        Ok((before.as_secs_f64(), gap.as_secs_f64()))
    }

    /// Feeds and reads until both processes have tasks.
    fn until_shared(&mut self) -> Result<(), Failure> {
        let limit = Instant::now() + LIMIT;
        let mut look = Instant::now();
        loop {
            self.step(true)?;
            if Instant::now() >= look {
                if self.cluster.members_at_work(self.name)? == 2 {
                    return Ok(());
                }
                look = Instant::now() + Duration::from_millis(200);
            }
            if Instant::now() > limit {
                return Err("the two processes do not share the tasks".into());
            }
        }
    }

    /// Feeds and reads until each partition had an output of a record made after this.
    fn until_all_are_newer_than(&mut self, time: i64) -> Result<(), Failure> {
        let limit = Instant::now() + LIMIT;
        while self.last.iter().any(|(_, made)| *made <= time) {
            self.step(true)?;
            if Instant::now() > limit {
                return Err("outputs stay away".into());
            }
        }
        Ok(())
    }

    /// Reads on without feeding, ends the process, and counts.
    fn drain(mut self, process: Running) -> Result<(), Failure> {
        self.feeder.flush()?;
        let limit = Instant::now() + LIMIT;
        while self.came < self.sent && Instant::now() < limit {
            self.step(false)?;
        }
        drop(process);
        if self.came != self.sent {
            return Err(format!("{} records came out of {} that went in", self.came, self.sent).into());
        }
        Ok(())
    }

    fn step(&mut self, feeds: bool) -> Result<(), Failure> {
        let time = now()?;
        while feeds && Instant::now() >= self.due {
            let key = (self.sent % KEYS).to_string();
            self.feeder.send(0, 0, Some(key.as_bytes()), b"1", time)?;
            self.sent += 1;
            self.due += PACE;
        }
        let (arrived, last, gap) = (Instant::now(), &mut self.last, &mut self.gap);
        let came = self.reader.fetch(|message| {
            let place = usize::try_from(message.partition)?;
            let last = last.get_mut(place).ok_or("a partition that was not there")?;
            *gap = (*gap).max(arrived.duration_since(last.0));
            *last = (arrived, message.timestamp);
            Ok(())
        })?;
        self.came += came as u64;
        Ok(())
    }
}

/// The time as records carry it.
fn now() -> Result<i64, Failure> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}
