//! Records that failed and were skipped or dead-lettered, told in the log: the first ones each, the others as a number.

use crate::plugin::shown;
use crate::task::{Failed, Turned};
use crate::topology::plan::OnError;
use std::time::{Duration, Instant};

/// The span over which lines are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Failed records told one by one in a [`WINDOW`] and worker: enough to see what is wrong, too few to fill a disk where
/// every record fails.
const LINES_MAX: usize = 10;
/// Longest message of a plugin in a line, bytes: a line on a terminal should remain one that is read.
const MESSAGE_BYTES_MAX: usize = 512;

/// A worker's log of failed records. It looks at the clock only when there is something to tell.
#[derive(Debug, Default)]
pub struct FailureLog {
    since: Option<Instant>,
    told: usize,
    untold: usize,
}

impl FailureLog {
    /// Tells of the failures of a turn.
    pub(super) fn tell(&mut self, turned: Turned) {
        if turned.failed.is_empty() {
            return;
        }
        self.renew(Instant::now());
        let count = turned.failed.len();
        let admitted = self.admit(count + turned.failed_more).min(count);
        turned.failed.iter().take(admitted).for_each(tell);
    }

    /// Tells how many were not told, if their window is over.
    pub(super) fn catch_up(&mut self) {
        if self.untold > 0 {
            self.renew(Instant::now());
        }
    }

    /// Tells how many were not told.
    pub(super) fn end(&mut self) {
        let untold = std::mem::take(&mut self.untold);
        if untold > 0 {
            tracing::warn!(records = untold, "more records failed than are told one by one");
        }
    }

    /// Begins a new window if the last one is over.
    fn renew(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            self.end();
            (self.since, self.told) = (Some(now), 0);
        }
    }

    /// How many of so many are told; the others are counted.
    fn admit(&mut self, count: usize) -> usize {
        let admitted = count.min(LINES_MAX - self.told);
        self.told += admitted;
        self.untold += count - admitted;
        admitted
    }
}

fn tell(failed: &Failed) {
    let Failed { node, input, policy, plugin, operator, reason } = failed;
    let record = input.as_ref().map(|(partition, offset)| format!("{partition}@{offset}"));
    let record = record.unwrap_or_else(|| "held back until the commit".into());
    let (policy, done) = match policy {
        OnError::DeadLetter => ("dead-letter", "goes to the dead-letter topic"),
        OnError::Skip => ("skip", "is skipped"),
        OnError::Stop => ("stop", "is processed again"),
    };
    let reason = shown(reason, MESSAGE_BYTES_MAX);
    tracing::warn!(node, record, policy, plugin, operator, "a record failed and {done}: {reason}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_tells_of_the_first_ones() {
        let (mut log, start) = (FailureLog::default(), Instant::now());
        log.renew(start);
        assert_eq!((log.admit(7), log.untold), (7, 0));
        log.renew(start + WINDOW / 2);
        assert_eq!((log.admit(7), log.untold), (3, 4));
        assert_eq!((log.admit(5), log.untold), (0, 9));
        log.renew(start + WINDOW);
        assert_eq!((log.untold, log.admit(11), log.untold), (0, LINES_MAX, 1));
    }
}
