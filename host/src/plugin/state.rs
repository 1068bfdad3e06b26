//! What the host keeps for an instance while it lives.

use super::bindings::imports::millstream::plugin::{log, types};
use super::limits::{Account, Limits, LogLevel};
use super::log::Log;
use super::overtime::Overtime;
use std::sync::Arc;
use std::time::Duration;

/// Longest text that is kept of a panic, bytes: it goes into a dead letter's header.
const LAST_WORDS_BYTES_MAX: usize = 4096;

/// The host's side of an instance.
pub(super) struct State {
    pub(super) account: Account,
    pub(super) overtime: Overtime,
    log: Arc<Log>,
    /// What the plugin said before it trapped, and the row it was at.
    last_words: Option<(Option<u32>, String)>,
    /// Beginnings of lines on the standard output and error.
    printed: [(LogLevel, Vec<u8>); 2],
    line_bytes_max: usize,
}

impl State {
    pub(super) fn new(limits: &Limits, log: Arc<Log>) -> Self {
        Self {
            account: Account::new(limits),
            overtime: Overtime::after(limits.deadline_of(0)),
            log,
            last_words: None,
            printed: [LogLevel::Info, LogLevel::Warn].map(|level| (level, Vec::new())),
            line_bytes_max: limits.log.line_bytes,
        }
    }

    /// Begins a call: forgets what the one before was refused, and what it said.
    pub(super) fn begin(&mut self, deadline: Duration) {
        self.account.take_refused();
        self.overtime = Overtime::after(deadline);
        self.last_words = None;
    }

    /// Notes what the plugin says before it traps.
    pub(super) fn last_words(&mut self, row: Option<u32>, mut message: String) {
        message.truncate(message.floor_char_boundary(LAST_WORDS_BYTES_MAX));
        self.last_words = Some((row, message));
    }

    /// What the plugin said before it trapped, and the row it was at.
    pub(super) fn take_last_words(&mut self) -> Option<(Option<u32>, String)> {
        self.last_words.take()
    }

    /// Takes what was written to the standard output ([`LogLevel::Info`]) or error ([`LogLevel::Warn`]); whole lines go
    /// to the log.
    pub(super) fn print(&mut self, level: LogLevel, bytes: &[u8]) {
        let Self { log, printed, line_bytes_max, .. } = self;
        let Some((_, begun)) = printed.iter_mut().find(|(of, _)| *of == level) else { return };
        for (place, piece) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if place > 0 {
                log.write(level, &String::from_utf8_lossy(begun));
                begun.clear();
            }
            // What is longer than a line may be is not kept.
            let room = line_bytes_max.saturating_sub(begun.len()).min(piece.len());
            begun.extend_from_slice(piece.get(..room).unwrap_or_default());
        }
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn enabled(&mut self, level: log::Level) -> bool {
        self.log.keeps(weight(level))
    }

    fn write(&mut self, level: log::Level, message: String) {
        self.log.write(weight(level), &message);
    }

    fn panicked(&mut self, row: Option<u32>, message: String) {
        self.last_words(row, message);
    }
}

fn weight(level: log::Level) -> LogLevel {
    match level {
        log::Level::Trace => LogLevel::Trace,
        log::Level::Debug => LogLevel::Debug,
        log::Level::Info => LogLevel::Info,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Error => LogLevel::Error,
    }
}
