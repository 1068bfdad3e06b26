//! What happens to a call that is not back at its deadline.
//!
//! Deadlines are counted by a clock, but a call may be late because the machine is busy or was asleep; its records must
//! not be set aside for that. So a late call goes on until it has also used processor time: a quarter of its deadline.

use std::time::Duration;

/// The part of its deadline that a late call may still work.
const GRACE_PART: u32 = 4;

/// A call's time beyond its deadline.
pub(super) struct Overtime {
    grace: Duration,
    /// Processor time of the thread when the deadline had passed.
    since: Option<Duration>,
}

impl Overtime {
    /// For a call with this deadline.
    pub(super) fn after(deadline: Duration) -> Self {
        Self { grace: deadline / GRACE_PART, since: None }
    }

    /// Whether the call must end now; asked on every tick after the deadline. `used` is the processor time that its
    /// thread has used so far; where the system does not say it, there is no grace.
    pub(super) fn is_over(&mut self, used: Option<Duration>) -> bool {
        let Some(used) = used else { return true };
        let since = *self.since.get_or_insert(used);
        used.saturating_sub(since) >= self.grace
    }
}

/// Processor time that this thread has used, if the system says it. A file is read for it: fit for what is seldom.
pub(super) fn thread_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_when_it_has_worked_on() {
        let at = |milliseconds| Some(Duration::from_millis(milliseconds));
        let mut overtime = Overtime::after(Duration::from_millis(400));
        assert!(!overtime.is_over(at(70)));
        assert!(!overtime.is_over(at(70)), "it was asleep");
        assert!(!overtime.is_over(at(169)));
        assert!(overtime.is_over(at(170)));
    }

    #[test]
    fn has_no_grace_where_nothing_is_known() {
        assert!(Overtime::after(Duration::from_secs(1)).is_over(None));
    }

    #[test]
    fn threads_know_what_they_used() {
        let before = thread_time().expect("this system says it");
        while thread_time().expect("as before") == before {
            std::hint::black_box((0..100_000u64).sum::<u64>());
        }
    }
}
