//! The line that shows how far a run is, and log lines that do not run into it.

use crate::run::App;
use crate::transport::Transport;
use crate::worker::{Restored, Shared};
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the line is written.
const EVERY: Duration = Duration::from_secs(1);
/// Characters of the bar of what is restored.
const BAR: u64 = 20;
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
    let (mut since, mut before, mut restored) = (Instant::now(), 0, Restored::default());
    while until.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let records = count(&shared.records);
        let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let a_second = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1000) / milliseconds;
        let worked = format!("{} records  {}/s", grouped(records), grouped(a_second(records, before)));
        (since, before) = (Instant::now(), records);
        if let Some(now) = shared.restores.progress() {
            let records = a_second(done(now), done(restored));
            let bytes = a_second(now.progress.bytes, restored.progress.bytes);
            show(format!("{worked}  {}", restoring(now, records, bytes)));
            restored = now;
            continue;
        }
        restored = Restored::default();
        if let Some(behind) = shared.copies_behind() {
            show(format!("copies stores before it joins the group: {} records behind", grouped(behind)));
            continue;
        }
        let lag = app.lag(log).map_or_else(|_| "?".into(), grouped);
        let (dropped, dead) = (grouped(count(&shared.dropped)), grouped(count(&shared.dead_letters)));
        show(format!("{worked}  lag {lag}  dropped {dropped}  dead letters {dead}"));
    }
    clear();
}

/// Records that were read from changelogs or written to them.
fn done(restored: Restored) -> u64 {
    restored.progress.read + restored.progress.written
}

/// How far stores are restored, with a bar; how much of them is to be written to their changelogs is not known.
fn restoring(now: Restored, records_per_s: u64, bytes_per_s: u64) -> String {
    let (records_per_s, tenths) = (grouped(records_per_s), bytes_per_s / 100_000);
    let rates = format!("{records_per_s}/s  {}.{} MB/s", tenths / 10, tenths % 10);
    if now.all == 0 {
        return format!("writing changelogs: {} records  {rates}", grouped(done(now)));
    }
    let passed = now.all.saturating_sub(now.progress.remaining);
    let filled = passed.saturating_mul(BAR) / now.all;
    let bar: String = (0..BAR).map(|place| if place < filled { '#' } else { '-' }).collect();
    let (percent, left) = (passed.saturating_mul(100) / now.all, grouped(now.progress.remaining));
    format!("restoring [{bar}] {percent}%  {left} left  {rates}")
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
    use super::{Restored, grouped, restoring};
    use crate::task::Progress;

    #[test]
    fn digits_are_grouped() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_bar_says_how_much_is_restored() {
        let restored =
            |read, remaining, all| Restored { progress: Progress { read, remaining, ..Progress::default() }, all };
        let line = "restoring [#####---------------] 25%  3,600 left  80,000/s  12.3 MB/s";
        assert_eq!(restoring(restored(70, 3_600, 4_800), 80_000, 12_345_678), line);
        let all = restoring(restored(70, 0, 4_800), 0, 0);
        assert!(all.starts_with("restoring [####################] 100%  0 left"), "{all}");
        assert_eq!(
            restoring(restored(1_000, 0, 0), 500, 100_000),
            "writing changelogs: 1,000 records  500/s  0.1 MB/s"
        );
    }
}
