//! The line that shows how far a run is, and log lines that do not run into it.

use crate::run::App;
use crate::transport::Transport;
use crate::worker::Shared;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the line is written.
const EVERY: Duration = Duration::from_secs(1);
/// Back to the line's begin, and empty it.
const CLEAR: &str = "\r\x1b[K";

/// The line on the screen; empty: there is none.
static LINE: Mutex<String> = Mutex::new(String::new());

fn line() -> MutexGuard<'static, String> {
    LINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is somebody to see it.
pub(super) fn wanted() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Writes the line once a second until the other side hangs up, then takes it away.
pub(super) fn report(app: &App, log: &mut dyn Transport, shared: &Shared, until: &Receiver<()>) {
    let (mut since, mut before) = (Instant::now(), 0);
    while until.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let records = count(&shared.records);
        let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let rate = records.saturating_sub(before).saturating_mul(1000) / milliseconds;
        (since, before) = (Instant::now(), records);
        let lag = app.lag(log).map_or_else(|_| "?".into(), grouped);
        show(format!(
            "{} records  {}/s  lag {lag}  dropped {}  dead letters {}",
            grouped(records),
            grouped(rate),
            grouped(count(&shared.dropped)),
            grouped(count(&shared.dead_letters)),
        ));
    }
    clear();
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn show(text: String) {
    let mut line = line();
    // With no one left to see it, nothing is lost.
    let _ = write!(std::io::stderr().lock(), "{CLEAR}{text}");
    *line = text;
}

/// Takes the line away.
pub(super) fn clear() {
    let mut line = line();
    if !line.is_empty() {
        let _ = write!(std::io::stderr().lock(), "{CLEAR}");
        line.clear();
    }
}

/// The standard error for log lines: the progress line makes room for them and comes back.
#[derive(Debug)]
pub struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let line = line();
        let mut out = std::io::stderr().lock();
        if line.is_empty() {
            out.write_all(bytes)?;
        } else {
            out.write_all(CLEAR.as_bytes())?;
            out.write_all(bytes)?;
            out.write_all(line.as_bytes())?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
