//! Tells people how a restore goes.

use super::Shared;
use crate::task::{Progress, Restore, Task};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines about a restore that goes on.
const REPORT: Duration = Duration::from_secs(5);

/// The restores of all workers that are under way, and those that ended since there was none last.
#[derive(Debug, Default)]
pub struct Restores(Mutex<Stores>);

/// How far restores are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// What was done, and what is left of the changelogs.
    pub progress: Progress,
    /// Offsets of the changelogs that there were to read when they began: of compacted ones most have no record.
    pub all: u64,
}

#[derive(Debug, Default)]
struct Stores {
    /// How many there have been.
    begun: u64,
    under_way: BTreeMap<u64, Restored>,
    ended: Restored,
}

impl Restores {
    fn stores(&self) -> MutexGuard<'_, Stores> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far all of them are together; none while there are none.
    pub fn progress(&self) -> Option<Restored> {
        let stores = self.stores();
        (!stores.under_way.is_empty()).then(|| stores.under_way.values().fold(stores.ended, sum))
    }

    fn begin(&self, progress: Progress) -> u64 {
        let mut stores = self.stores();
        stores.begun += 1;
        let number = stores.begun;
        stores.under_way.insert(number, Restored { progress, all: progress.remaining });
        number
    }

    fn note(&self, number: u64, progress: Progress) {
        self.stores().under_way.entry(number).and_modify(|restored| restored.progress = progress);
    }

    fn end(&self, number: u64) {
        let mut stores = self.stores();
        let mut last = stores.under_way.remove(&number).unwrap_or_default();
        last.progress.remaining = 0;
        stores.ended = if stores.under_way.is_empty() { Restored::default() } else { sum(stores.ended, &last) };
    }
}

fn sum(a: Restored, b: &Restored) -> Restored {
    let progress = Progress {
        read: a.progress.read + b.progress.read,
        written: a.progress.written + b.progress.written,
        bytes: a.progress.bytes + b.progress.bytes,
        remaining: a.progress.remaining + b.progress.remaining,
    };
    Restored { progress, all: a.all + b.all }
}

/// Tells people how a restore goes.
pub(super) struct Report {
    shared: Arc<Shared>,
    /// Which of the restores it is.
    number: u64,
    task: String,
    what: &'static str,
    began: Instant,
    last: Instant,
}

impl Report {
    pub(super) fn new(task: &Task, restore: &Restore, shared: &Arc<Shared>) -> Self {
        let what = if restore.is_replay() {
            "restoring a store from its changelog"
        } else {
            "writing a store to its changelog"
        };
        let (began, task) = (Instant::now(), task.id().to_string());
        let progress = restore.progress();
        let (shared, number, remaining) = (Arc::clone(shared), shared.restores.begin(progress), progress.remaining);
        tracing::info!(task, changelog = %restore.changelog(), remaining, "{what}");
        Self { shared, number, task, what, began, last: began }
    }

    pub(super) fn tell(&mut self, restore: &Restore, done: bool) {
        self.shared.restores.note(self.number, restore.progress());
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

/// Whether it is through or was taken away.
impl Drop for Report {
    fn drop(&mut self) {
        self.shared.restores.end(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_are_told_of_together_until_the_last_has_ended() {
        let restores = Restores::default();
        let at = |read, remaining| Progress { read, written: 0, bytes: 10 * read, remaining };
        assert_eq!(restores.progress(), None);
        let (first, second) = (restores.begin(at(0, 100)), restores.begin(at(0, 50)));
        restores.note(first, at(60, 0));
        restores.end(first);
        restores.note(second, at(20, 30));
        assert_eq!(restores.progress(), Some(Restored { progress: at(80, 30), all: 150 }));
        restores.end(second);
        assert_eq!(restores.progress(), None);
        restores.begin(at(0, 9));
        assert_eq!(restores.progress(), Some(Restored { progress: at(0, 9), all: 9 }));
    }
}
