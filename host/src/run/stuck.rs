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

/// For how long workers have not looked at their memberships.
struct Stuck {
    patience: Duration,
    /// When they were looked at last.
    last: Instant,
    /// How often each had looked then, and for how long it has been as often.
    seen: Vec<(Option<u64>, Duration)>,
}

/// Waits until all workers have ended, each of which has a sender of `ended`. With `patience`, one that has not looked at
/// its membership for so long ends all.
///
/// # Errors
/// If one is stuck: it is at work yet, and what it holds, too.
pub(super) fn await_workers(
    ended: &Receiver<Infallible>,
    patience: Option<Duration>,
    shared: &Shared,
) -> Result<(), RunError> {
    let mut stuck = patience.map(|patience| Stuck::new(patience, Instant::now()));
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        if let Some((worker, time)) = stuck.as_mut().and_then(|stuck| stuck.look(shared.looks(), Instant::now())) {
            tracing::error!(worker, ?time, "a worker is stuck: the others end, after a last commit");
            shared.failed.store(true, Ordering::SeqCst);
            await_others(ended, shared);
            return Err(RunError::Stuck { worker, for_s: time.as_secs() });
        }
    }
    Ok(())
}

/// Waits until one worker alone has not ended, or for as long as that may take.
fn await_others(ended: &Receiver<Infallible>, shared: &Shared) {
    let since = Instant::now();
    while shared.looks().flatten().count() > 1 && since.elapsed() < LEAVE {
        let _ = ended.recv_timeout(LOOK);
    }
}

impl Stuck {
    const fn new(patience: Duration, now: Instant) -> Self {
        Self { patience, last: now, seen: Vec::new() }
    }

    /// The worker that has not looked for longer than it may, if there is one, and for how long.
    fn look(&mut self, looks: impl Iterator<Item = Option<u64>>, now: Instant) -> Option<(usize, Duration)> {
        // A process that was stopped, and goes on, has not been stuck meanwhile.
        let passed = now.duration_since(std::mem::replace(&mut self.last, now)).min(LOOK * 2);
        let mut stuck = None;
        for (worker, looks) in looks.enumerate() {
            match self.seen.get_mut(worker) {
                None => self.seen.push((looks, Duration::ZERO)),
                Some((seen, time)) if looks.is_some() && *seen == looks => *time += passed,
                Some(seen) => *seen = (looks, Duration::ZERO),
            }
            let time = self.seen.get(worker).map_or(Duration::ZERO, |(_, time)| *time);
            if time >= self.patience && looks.is_some() {
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
    fn who_does_not_look_is_stuck_and_who_has_ended_is_not() {
        let start = Instant::now();
        let mut stuck = Stuck::new(Duration::from_secs(3), start);
        let mut at = |seconds, looks: [Option<u64>; 3]| {
            stuck.look(looks.into_iter(), start + Duration::from_secs(seconds)).map(|(worker, _)| worker)
        };
        assert_eq!(at(0, [Some(1), Some(1), None]), None);
        assert_eq!(at(1, [Some(2), Some(1), None]), None);
        assert_eq!(at(2, [Some(3), Some(1), None]), None);
        assert_eq!(at(3, [Some(3), Some(1), None]), Some(1), "the first has looked, the last has ended");
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
        let error = await_workers(&ended, Some(Duration::ZERO), &shared).expect_err("it never looks");
        assert!(matches!(error, RunError::Stuck { worker: 0, .. }), "{error}");
        assert!(shared.failed.load(Ordering::SeqCst));
        drop(at_work);
        let looked = await_workers(&ended, Some(Duration::ZERO), &shared);
        assert!(looked.is_ok(), "all have ended");
    }
}
