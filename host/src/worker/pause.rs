//! Pauses that grow: what cannot be done yet is asked for again soon at first, then less and less often, as each question
//! to a cluster that does not answer keeps the worker from its tasks.

use std::time::{Duration, Instant};

/// The first pause: what another worker lets go of is had at once.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest: a cluster that is back is found soon.
const PAUSE_MAX: Duration = Duration::from_secs(5);

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

    /// It failed again.
    pub(super) fn grow(&mut self) {
        let pause = self.last.map_or(PAUSE_MIN, |(_, pause)| (pause * 2).min(PAUSE_MAX));
        self.last = Some((Instant::now(), pause));
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
        let mut seen = Vec::new();
        for _ in 0..9 {
            pause.grow();
            seen.extend(pause.last.map(|(_, pause)| pause.as_millis()));
        }
        assert_eq!(seen, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert!(pause.lasts());
        pause.end();
        assert!(!pause.lasts());
        pause.grow();
        assert_eq!(pause.last.map(|(_, pause)| pause), Some(PAUSE_MIN));
    }
}
