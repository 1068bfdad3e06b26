//! Brings the stores of a worker's tasks into agreement with their changelogs, before the first turn.

use super::{Worker, retry};
use crate::operator::Stop;
use crate::record::TopicPartition;
use crate::store::Writes;
use crate::task::{Need, Progress, Restore, Task};
use crate::transport::{Transaction, Transport};
use std::time::{Duration, Instant};

/// Bytes of a changelog that are read and written into the state at once.
const RESTORE_BYTES: usize = 4 << 20;
/// Time between two lines about a restore that goes on.
const REPORT: Duration = Duration::from_secs(5);

impl Worker {
    /// Restores all stores. Ends early if the worker is told to stop.
    pub(super) fn restore(&mut self) -> Result<(), Stop> {
        let Self { tasks, log, app, shared, number, .. } = self;
        for task in tasks {
            unlog(task, app, log.as_mut())?;
            for index in 0..task.stores().len() {
                let Some(changelog) = task.changelog(index).cloned() else { continue };
                let Some(mut restore) = begin(task, index, changelog, log.as_mut())? else { continue };
                let mut report = Report::new(task, &restore);
                while let Some(need) = restore.need() {
                    if shared.ending() {
                        return Ok(());
                    }
                    crate::killpoint::pass("restore-before-step");
                    let fetched = match need {
                        Need::Batches(from) => log.fetch(restore.changelog(), from, RESTORE_BYTES)?,
                        Need::Nothing => None,
                    };
                    let Some(store) = task.stores().get(index) else { break };
                    let transaction = restore.step(store, fetched)?;
                    retry(*number, shared, || log.commit(app, &transaction))?;
                    crate::killpoint::pass("restore-after-step");
                    report.tell(&restore, false);
                }
                report.tell(&restore, true);
            }
        }
        Ok(())
    }
}

fn begin(
    task: &mut Task,
    index: usize,
    changelog: TopicPartition,
    log: &mut dyn Transport,
) -> Result<Option<Restore>, Stop> {
    let bounds = log.bounds(&changelog)?;
    let Some(store) = task.stores().get_mut(index) else { return Ok(None) };
    Ok(Restore::begin(store, changelog, bounds)?)
}

/// Notes which stores go on without a changelog: should they get one, theirs will not be complete.
fn unlog(task: &mut Task, app: &str, log: &mut dyn Transport) -> Result<(), Stop> {
    let mut state = Writes::default();
    for index in 0..task.stores().len() {
        let logged = task.changelog(index).is_some();
        if let Some(store) = task.stores().get(index).filter(|_| !logged) {
            store.unlog(&mut state)?;
        }
    }
    if !state.is_empty() {
        log.commit(app, &Transaction { state, ..Transaction::default() })?;
    }
    Ok(())
}

/// Tells people how a restore goes.
struct Report {
    task: String,
    what: &'static str,
    began: Instant,
    last: Instant,
}

impl Report {
    fn new(task: &Task, restore: &Restore) -> Self {
        let what = if restore.is_replay() {
            "restoring a store from its changelog"
        } else {
            "writing a store to its changelog"
        };
        let (began, task) = (Instant::now(), task.id().to_string());
        let Progress { remaining, .. } = restore.progress();
        tracing::info!(task, changelog = %restore.changelog(), remaining, "{what}");
        Self { task, what, began, last: began }
    }

    fn tell(&mut self, restore: &Restore, done: bool) {
        if !done && self.last.elapsed() < REPORT {
            return;
        }
        self.last = Instant::now();
        let Progress { read, written, bytes, remaining } = restore.progress();
        let records = read + written;
        let milliseconds = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let a_second = |number: u64| number.saturating_mul(1000) / milliseconds;
        let (records_per_s, bytes_per_s) = (a_second(records), a_second(bytes));
        let (task, what) = (&self.task, self.what);
        let how = if done { ": done" } else { "" };
        tracing::info!(
            task, changelog = %restore.changelog(), records, bytes, records_per_s, bytes_per_s, remaining, "{what}{how}"
        );
    }
}
