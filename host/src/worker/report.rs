//! Tells people how a restore goes.

use crate::task::{Progress, Restore, Task};
use std::time::{Duration, Instant};

/// Time between two lines about a restore that goes on.
const REPORT: Duration = Duration::from_secs(5);

/// Tells people how a restore goes.
pub(super) struct Report {
    task: String,
    what: &'static str,
    began: Instant,
    last: Instant,
}

impl Report {
    pub(super) fn new(task: &Task, restore: &Restore) -> Self {
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

    pub(super) fn tell(&mut self, restore: &Restore, done: bool) {
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
