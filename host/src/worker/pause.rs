//! Pauses that grow: what cannot be done yet is tried again soon at first, then less and less often, as each attempt keeps
//! the worker from its tasks.

use std::time::{Duration, Instant};

/// From how long to how long pauses grow: each is twice the one before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// The first.
    pub(super) min: Duration,
    /// The longest.
    pub(super) max: Duration,
}

/// Before a task or a copy is opened anew: what another worker lets go of is had at once, and a cluster that is back is
/// found soon.
pub(super) const OPENING: Growth = Growth { min: Duration::from_millis(50), max: Duration::from_secs(5) };

/// Whether something is to be tried again by now.
#[derive(Debug, Default)]
pub(super) struct Pause {
    /// None: nothing failed since the last success.
    last: Option<(Instant, Duration)>,
}

impl Pause {
    /// Whether it is not over yet.
    pub(super) fn lasts(&self) -> bool {
        self.last.is_some_and(|(since, pause)| since.elapsed() < pause)
    }

    /// It failed again. Says how long it is to rest.
    pub(super) fn grow(&mut self, growth: Growth) -> Duration {
        let pause = self.last.map_or(growth.min, |(_, pause)| (pause * 2).min(growth.max));
        self.last = Some((Instant::now(), pause));
        pause
    }

    /// It went well.
    pub(super) fn end(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_end_and_begins_anew() {
        let mut pause = Pause::default();
        assert!(!pause.lasts());
        let seen: Vec<u128> = (0..9).map(|_| pause.grow(OPENING).as_millis()).collect();
        assert_eq!(seen, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert!(pause.lasts());
        pause.end();
        assert!(!pause.lasts());
        assert_eq!(pause.grow(OPENING), OPENING.min);
    }
}
