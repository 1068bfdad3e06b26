//! What the workers of an app share.

use super::{Latency, Outputs, Restores};
use crate::task::Turned;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// What a worker has in place of its steps before it begins, and when it has ended.
const NOT_AT_WORK: u64 = u64::MAX;

/// What the workers of an app share.
#[derive(Debug)]
pub struct Shared {
    /// Set to end all workers, after a last commit.
    pub stop: AtomicBool,
    /// Set if a worker failed: the others end too.
    pub failed: AtomicBool,
    /// Inputs that may still append to source topics: until they are done, the end of the input is not reached.
    pub feeding: AtomicUsize,
    /// For each worker the log's version at which it had nothing to do; `u64::MAX` while it works.
    pub(super) idle: Vec<AtomicU64>,
    /// Set by the first worker that finds the end of the input: what others append afterwards is for the next run.
    over: AtomicBool,
    /// Input records processed.
    pub records: AtomicU64,
    /// Records dropped.
    pub dropped: AtomicU64,
    /// Records dead-lettered.
    pub dead_letters: AtomicU64,
    /// How long commits took, from the hand-in to the end.
    pub commits: Latency,
    /// Stores that are restored.
    pub restores: Restores,
    /// Topics that are written.
    pub outputs: Outputs,
    /// For each worker by how many records the copies are behind without which the process does not join its group;
    /// `u64::MAX`: it waits for none, or that is not known.
    pub(super) behind: Vec<AtomicU64>,
    /// For each worker how often it came back from a step of its work, or [`NOT_AT_WORK`].
    steps: Vec<AtomicU64>,
}

impl Shared {
    /// For so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        let idle = (0..workers).map(|_| AtomicU64::new(u64::MAX)).collect();
        let (stop, failed, over) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let (records, dropped, dead_letters) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let (commits, restores, outputs) = (Latency::default(), Restores::default(), Outputs::default());
        let behind = (0..workers).map(|_| AtomicU64::new(u64::MAX)).collect();
        let steps = (0..workers).map(|_| AtomicU64::new(NOT_AT_WORK)).collect();
        Arc::new(Self {
            stop,
            failed,
            feeding: AtomicUsize::new(0),
            idle,
            over,
            records,
            dropped,
            dead_letters,
            commits,
            restores,
            outputs,
            behind,
            steps,
        })
    }

    /// Whether workers are to end.
    pub(super) fn ending(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.failed.load(Ordering::SeqCst)
    }

    /// Whether the end of the input is reached: nothing feeds it, and no worker has anything to do at the `version` of the
    /// log that its caller has worked off, which is still `now`'s. Once it is reached it stays so: a worker that has ended
    /// does not look at what comes later, so that the others would wait for it for ever.
    pub(super) fn is_over(&self, version: u64, now: impl FnOnce() -> u64) -> bool {
        let fed = self.feeding.load(Ordering::SeqCst) == 0;
        let idle = || self.idle.iter().all(|idle| idle.load(Ordering::SeqCst) == version);
        if fed && idle() && now() == version {
            self.over.store(true, Ordering::SeqCst);
        }
        self.over.load(Ordering::SeqCst)
    }

    /// By how many records the worst copy is behind without which the process does not join its group; none if it waits for
    /// no copies, or that is not known.
    pub fn copies_behind(&self) -> Option<u64> {
        self.behind.iter().map(|behind| behind.load(Ordering::Relaxed)).filter(|behind| *behind < u64::MAX).max()
    }

    /// The worker waits for copies that are so many records behind, or for none.
    pub(super) fn wait_for_copies(&self, worker: usize, behind: Option<u64>) {
        if let Some(place) = self.behind.get(worker) {
            place.store(behind.unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// The worker comes back from a step of its work: none of them takes long, whatever it waits for.
    pub(super) fn came_back(&self, worker: usize) {
        if let Some(steps) = self.steps.get(worker) {
            steps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each worker came back from a step of its work; none for those that have not begun, or have ended.
    pub fn steps(&self) -> impl Iterator<Item = Option<u64>> {
        self.steps.iter().map(|steps| Some(steps.load(Ordering::Relaxed)).filter(|steps| *steps != NOT_AT_WORK))
    }

    /// The worker begins.
    pub fn begin(&self, worker: usize) {
        if let Some(steps) = self.steps.get(worker) {
            steps.store(0, Ordering::Relaxed);
        }
    }

    fn end(&self, worker: usize) {
        if let Some(steps) = self.steps.get(worker) {
            steps.store(NOT_AT_WORK, Ordering::Relaxed);
        }
    }

    /// Adds what a turn did.
    pub(super) fn count(&self, turned: &Turned) {
        self.records.fetch_add(turned.records as u64, Ordering::Relaxed);
        self.dropped.fetch_add(turned.dropped, Ordering::Relaxed);
        self.dead_letters.fetch_add(turned.dead_letters as u64, Ordering::Relaxed);
    }
}

/// Tells that a worker is at work, that it has ended, and the other workers if it panics: they must not go on as if its tasks
/// were worked on.
pub(super) struct Alarm {
    shared: Arc<Shared>,
    worker: usize,
}

impl Alarm {
    /// The worker begins.
    pub(super) fn new(shared: &Arc<Shared>, worker: usize) -> Self {
        shared.begin(worker);
        Self { shared: Arc::clone(shared), worker }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.end(self.worker);
        if std::thread::panicking() {
            self.shared.failed.store(true, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reached_once_for_all_workers() {
        let shared = Shared::new(2);
        let idle = |worker: usize, version| shared.idle[worker].store(version, Ordering::SeqCst);
        idle(0, 7);
        assert!(!shared.is_over(7, || 7), "the other works");
        idle(1, 7);
        assert!(!shared.is_over(7, || 8), "something came");
        shared.feeding.store(1, Ordering::SeqCst);
        assert!(!shared.is_over(7, || 7), "more may come");
        shared.feeding.store(0, Ordering::SeqCst);
        assert!(shared.is_over(7, || 7), "the first worker ends here");
        // Before the second looks, somebody else appends: the first is gone and never notes this version.
        idle(1, 8);
        assert!(shared.is_over(8, || 8), "the second waits for no one");
    }

    #[test]
    fn a_panic_ends_the_others() {
        let shared = Shared::new(2);
        drop(Alarm::new(&shared, 0));
        assert!(!shared.ending());
        let alarm = Alarm::new(&shared, 1);
        assert_eq!(shared.steps().collect::<Vec<_>>(), [None, Some(0)]);
        let thread = std::thread::spawn(move || {
            let _alarm = alarm;
            panic!("on purpose");
        });
        assert!(thread.join().is_err() && shared.ending());
    }
}
