//! Waits for workers, and no longer for one that is stuck. The group takes it for dead and may give its tasks to another
//! worker of this process, where their state lies; but that one cannot open what the stuck one has open. So the process
//! ends, and others get them.

use super::RunError;
use crate::worker::Shared;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Time between two looks at the workers.
const LOOK: Duration = Duration::from_millis(500);
/// How long the others have for a last commit and to leave the group: as long as a transaction may be open.
const LEAVE: Duration = Duration::from_secs(10);

/// How long all of it may take before the process is aborted: what is left of it may wait for the worker that is stuck.
const EXIT: Duration = Duration::from_secs(20);

/// For how long workers have not come back from a step of their work.
struct Stuck {
    patience: Duration,
    /// When they were looked at last.
    last: Instant,
    /// How often each had come back then, and for how long it has been as often.
    seen: Vec<(Option<u64>, Duration)>,
}

/// Waits until all workers have ended, each of which has a sender of `ended`. With `patience`, one that has not come back from
/// a step for so long ends all; `prepare` is called then, before anything that may wait for it.
///
/// # Errors
/// If one is stuck: it is at work yet, and what it holds, too.
pub(super) fn await_workers(
    ended: &Receiver<Infallible>,
    patience: Option<Duration>,
    shared: &Shared,
    prepare: impl Fn(),
) -> Result<(), RunError> {
    let mut stuck = patience.map(|patience| Stuck::new(patience, Instant::now()));
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if let Some((worker, time)) = stuck.as_mut().and_then(|stuck| stuck.look(shared.steps(), Instant::now())) {
            shared.failed.store(true, Ordering::SeqCst);
            prepare();
            tracing::error!(worker, ?time, "a worker is stuck: the others end, after a last commit");
            await_others(ended, shared);
            crate::killpoint::pass("stuck-told");
            return Err(RunError::Stuck { worker, for_s: time.as_secs() });
        }
    }
    Ok(())
}

/// Ends the process for certain, if it does not end by itself.
pub(super) fn abort_later() {
    std::thread::spawn(|| {
        std::thread::sleep(EXIT);
        std::process::abort();
    });
}

/// Waits until one worker alone has not ended, or for as long as that may take.
fn await_others(ended: &Receiver<Infallible>, shared: &Shared) {
    let since = Instant::now();
    while shared.steps().flatten().count() > 1 && since.elapsed() < LEAVE {
        let _ = ended.recv_timeout(LOOK);
    }
}

impl Stuck {
    const fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, last: now, seen: Vec::new() }
    }

    /// The worker that has not come back for longer than it may, if there is one, and for how long.
    fn look(&mut self, steps: impl Iterator<Item = Option<u64>>, now: Instant) -> Option<(usize, Duration)> {
        // A process that was stopped, and goes on, has not been stuck meanwhile.
        let passed = now.duration_since(std::mem::replace(&mut self.last, now)).min(LOOK * 2);
        let mut stuck = None;
        for (worker, steps) in steps.enumerate() {
            match self.seen.get_mut(worker) {
                None => self.seen.push((steps, Duration::ZERO)),
                Some((seen, time)) if steps.is_some() && *seen == steps => *time += passed,
                Some(seen) => *seen = (steps, Duration::ZERO),
            }
            let time = self.seen.get(worker).map_or(Duration::ZERO, |(_, time)| *time);
            if time >= self.patience && steps.is_some() {
                stuck = stuck.or(Some((worker, time)));
            }
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_come_back_is_stuck_and_who_has_ended_is_not() {
        let start = Instant::now();
        let mut stuck = Stuck::new(Duration::from_secs(3), start);
        let mut at = |seconds, steps: [Option<u64>; 3]| {
            stuck.look(steps.into_iter(), start + Duration::from_secs(seconds)).map(|(worker, _)| worker)
        };
        assert_eq!(at(0, [Some(1), Some(1), None]), None);
        assert_eq!(at(1, [Some(2), Some(1), None]), None);
        assert_eq!(at(2, [Some(3), Some(1), None]), None);
        assert_eq!(at(3, [Some(3), Some(1), None]), Some(1), "the first came back, the last has ended");
        assert_eq!(at(4, [Some(3), Some(2), None]), None, "it came back");
        assert_eq!(at(5, [Some(3), None, None]), Some(0));
        assert_eq!(at(6, [None, None, None]), None);
    }

    #[test]
    fn a_process_that_was_stopped_has_not_been_stuck() {
        let start = Instant::now();
        let mut stuck = Stuck::new(Duration::from_secs(3), start);
        let mut at = |seconds| stuck.look([Some(1)].into_iter(), start + Duration::from_secs(seconds));
        assert_eq!((at(0), at(600), at(601)), (None, None, None));
        assert_eq!(at(602), Some((0, Duration::from_secs(3))));
    }

    #[test]
    fn one_that_is_stuck_ends_the_others_and_is_told() {
        let (shared, (at_work, ended)) = (Shared::new(1), std::sync::mpsc::channel::<Infallible>());
        shared.begin(0);
        let prepared = std::cell::Cell::new(false);
        let prepare = || prepared.set(shared.failed.load(Ordering::SeqCst));
        let error = await_workers(&ended, Some(Duration::ZERO), &shared, prepare).expect_err("it never comes back");
        assert!(matches!(error, RunError::Stuck { worker: 0, .. }), "{error}");
        assert!(prepared.get(), "the others end, and the process will");
        drop(at_work);
        assert!(await_workers(&ended, Some(Duration::ZERO), &shared, || ()).is_ok(), "all have ended");
    }
}
