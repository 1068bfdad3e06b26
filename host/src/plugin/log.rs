//! A plugin's voice in the host's log: level, line length and rate are limited, and every line bears its name.

use super::limits::{LogLevel, LogLimits};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The span over which lines are counted.
const WINDOW: Duration = Duration::from_secs(1);

/// The log of all instances of a plugin.
pub(super) struct Log {
    name: Arc<str>,
    limits: LogLimits,
    /// Locked for a moment by every line that passes the level: lines are few, by their limit.
    window: Mutex<Window>,
}

impl Log {
    pub(super) fn new(name: Arc<str>, limits: LogLimits) -> Self {
        Self { name, limits, window: Mutex::default() }
    }

    /// Whether a line of this level would be kept.
    pub(super) fn keeps(&self, level: LogLevel) -> bool {
        level >= self.limits.level && level != LogLevel::Off
    }

    /// Writes a line, unless it has too little weight or there were too many.
    pub(super) fn write(&self, level: LogLevel, message: &str) {
        if !self.keeps(level) {
            return;
        }
        let admission = {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            window.admit(Instant::now(), self.limits.lines_per_second)
        };
        let Some(dropped) = admission else { return };
        if dropped > 0 {
            tracing::warn!(plugin = %self.name, dropped, "the plugin logged too much, and lines were dropped");
        }
        let line = shown(message, self.limits.line_bytes);
        match level {
            LogLevel::Error => tracing::error!(plugin = %self.name, "{line}"),
            LogLevel::Warn => tracing::warn!(plugin = %self.name, "{line}"),
            LogLevel::Info => tracing::info!(plugin = %self.name, "{line}"),
            LogLevel::Debug => tracing::debug!(plugin = %self.name, "{line}"),
            LogLevel::Trace | LogLevel::Off => tracing::trace!(plugin = %self.name, "{line}"),
        }
    }
}

/// The first bytes of a message, without what could move a terminal's cursor or pass for another line.
pub fn shown(message: &str, bytes_max: usize) -> String {
    let cut = message.get(..message.floor_char_boundary(bytes_max)).unwrap_or_default();
    cut.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect() } else { vec![letter] })
        .collect()
}

/// Lines of the second at hand.
#[derive(Default)]
struct Window {
    since: Option<Instant>,
    written: u32,
    dropped: u64,
}

impl Window {
    /// Whether one more line may be written now; if so, how many were dropped in the window before.
    fn admit(&mut self, now: Instant, lines_max: u32) -> Option<u64> {
        let mut dropped_before = 0;
        if self.since.is_none_or(|since| now.duration_since(since) >= WINDOW) {
            dropped_before = self.dropped;
            *self = Self { since: Some(now), written: 0, dropped: 0 };
        }
        if self.written < lines_max {
            self.written += 1;
            return Some(dropped_before);
        }
        self.dropped += 1 + dropped_before;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_it_drops() {
        let (mut window, start) = (Window::default(), Instant::now());
        assert_eq!(window.admit(start, 2), Some(0));
        assert_eq!(window.admit(start, 2), Some(0));
        assert_eq!(window.admit(start, 2), None);
        assert_eq!(window.admit(start + WINDOW / 2, 2), None);
        assert_eq!(window.admit(start + WINDOW, 2), Some(2));
        assert_eq!(window.admit(start + WINDOW, 2), Some(0));
    }

    #[test]
    fn no_lines_at_all_can_be_asked_for() {
        let mut window = Window::default();
        assert_eq!(window.admit(Instant::now(), 0), None);
    }

    #[test]
    fn levels_have_an_order() {
        let log = |level| Log::new("p".into(), LogLimits { level, ..LogLimits::default() });
        assert!(log(LogLevel::Warn).keeps(LogLevel::Error) && !log(LogLevel::Warn).keeps(LogLevel::Info));
        assert!(!log(LogLevel::Off).keeps(LogLevel::Error));
    }

    #[test]
    fn lines_are_cut_and_tamed() {
        assert_eq!(shown("aé", 2), "a");
        assert_eq!(shown("a\u{1b}[31m\nb é\"", 100), "a\\u{1b}[31m\\nb é\"");
    }
}
