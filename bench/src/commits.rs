//! What a commit takes: 10,000 changed keys, and a single small batch, with and without waiting for the disk.

use crate::clock::Clock;
use crate::data::partition;
use crate::{Failure, Setup};
use millstream::record::batch::{BatchBuilder, Compression};
use millstream::record::{Offset, Topic};
use millstream::store::KeyValueStore;
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{TopicSpec, Transaction, Transport};
use serde::Serialize;

/// Keys that a commit changes.
const CHANGED: u64 = 10_000;
/// Keys of the store.
const KEYS: u64 = 100_000;
/// Bytes of the value of the small commit's record.
const SMALL_BYTES: usize = 4096;

/// Commits of one kind, milliseconds each.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Commits {
    /// What is committed.
    pub(crate) name: &'static str,
    /// Whether a commit waits for the disk.
    pub(crate) sync: bool,
    /// Time that passed.
    pub(crate) wall_ms: Vec<f64>,
    /// CPU time.
    pub(crate) cpu_ms: Vec<f64>,
}

/// Measures all kinds.
///
/// # Errors
/// If the database fails.
pub(crate) fn measure(setup: &Setup) -> Result<Vec<Commits>, Failure> {
    let mut all = Vec::new();
    for sync in [false, true] {
        let directory = tempfile::tempdir()?;
        let (db, mut log) = millstream::run::open(directory.path(), sync)?;
        log.create_topic(&TopicSpec::new(Topic::new("output"), 1))?;
        let mut store = KeyValueStore::open(&db, "bench", "counts", 0)?;
        all.push(repeat("10,000 changed keys", sync, setup.commits, |number| changed(number, &mut store, &mut log))?);
        all.push(repeat("one batch of 4 KiB", sync, setup.commits, |number| small(number, &mut log))?);
    }
    Ok(all)
}

fn repeat(
    name: &'static str,
    sync: bool,
    times: u64,
    mut commit: impl FnMut(u64) -> Result<Clock, Failure>,
) -> Result<Commits, Failure> {
    let mut commits = Commits { name, sync, wall_ms: Vec::new(), cpu_ms: Vec::new() };
    for number in 0..times {
        let span = commit(number)?.stop();
        commits.wall_ms.push(span.wall * 1e3);
        commits.cpu_ms.push(span.cpu * 1e3);
    }
    Ok(commits)
}

/// Changes keys spread over the store, then commits them; the clock runs from the commit's beginning.
fn changed(number: u64, store: &mut KeyValueStore, log: &mut EmbeddedLog) -> Result<Clock, Failure> {
    for index in 0..CHANGED {
        let key = (number * CHANGED + index).wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS;
        let slot = store.slot(format!("word-{key:08}").as_bytes())?;
        store.set(slot, 0, Some(&number.to_be_bytes()));
    }
    let clock = Clock::start();
    let mut transaction = Transaction::default();
    store.prepare(&mut transaction.state, None);
    log.commit("bench", &transaction)?;
    store.committed();
    Ok(clock)
}

/// Commits one record and an offset.
fn small(number: u64, log: &mut EmbeddedLog) -> Result<Clock, Failure> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, Some(&[7; SMALL_BYTES]), &[]);
    let batch = builder.finish();
    let clock = Clock::start();
    let offsets = vec![(partition("input"), Offset::new(i64::try_from(number)?))];
    log.commit(
        "bench",
        &Transaction { outputs: vec![(partition("output"), batch)], offsets, ..Transaction::default() },
    )?;
    Ok(clock)
}
