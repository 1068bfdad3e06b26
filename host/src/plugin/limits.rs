//! What an instance may use, and the account that is kept of it.

use std::time::Duration;
use wasmtime::ResourceLimiter;

/// What a plugin's instances may use. Every member can be set in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of an instance, all of its memories together, bytes.
    pub memory_bytes: usize,
    /// Entries of an instance's tables, all together.
    pub table_entries: usize,
    /// Time of one call, besides [`Limits::deadline_per_record`].
    pub deadline: Duration,
    /// Time that every record of a batch adds to it.
    pub deadline_per_record: Duration,
    /// Bytes that one call may hand over to the host.
    pub output_bytes: usize,
    /// What it may log.
    pub log: LogLimits,
    /// Whether it is compiled without interruption checks: a fifth to a third faster, but the deadlines above do not
    /// bind it, and a loop without end hangs its worker until the process is killed.
    pub trusted: bool,
}

/// What the instances of a plugin may write to the host's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Lines below this level are dropped.
    pub level: LogLevel,
    /// Longest line, bytes; the rest of it is cut off.
    pub line_bytes: usize,
    /// Lines a second, of all instances together; the rest is dropped and counted.
    pub lines_per_second: u32,
}

/// Weight of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For who follows every step.
    Trace,
    /// For who looks for a fault.
    Debug,
    /// What happens.
    Info,
    /// What ought not to happen.
    Warn,
    /// What went wrong.
    Error,
    /// No line has it: as a limit it drops all.
    Off,
}

impl Default for Limits {
    /// 64 MiB of memory and 100,000 table entries (large programs have some ten thousand functions in tables); half a
    /// second a call and a millisecond a record, a thousand times what a record takes; 32 MiB of output, more than a
    /// hundred times a full batch.
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            table_entries: 100_000,
            deadline: Duration::from_millis(500),
            deadline_per_record: Duration::from_millis(1),
            output_bytes: 32 << 20,
            log: LogLimits::default(),
            trusted: false,
        }
    }
}

impl Default for LogLimits {
    /// From info on; a kilobyte a line; a hundred lines a second, more than a person can read and too few to fill a
    /// disk.
    fn default() -> Self {
        Self { level: LogLevel::Info, line_bytes: 1024, lines_per_second: 100 }
    }
}

impl Limits {
    /// Time that a call over so many records may take.
    pub(super) fn deadline_of(&self, records: usize) -> Duration {
        let each = self.deadline_per_record.saturating_mul(u32::try_from(records).unwrap_or(u32::MAX));
        self.deadline.saturating_add(each)
    }
}

/// Core instances, memories and tables that one instance of a component may consist of: a component with WASI has
/// three or four core instances, a composed one a few dozen.
const PARTS_MAX: usize = 100;

/// What an instance has taken of what it may use.
pub(super) struct Account {
    memory_bytes_max: usize,
    table_entries_max: usize,
    memory_bytes: usize,
    table_entries: usize,
    /// Whether it was refused memory or table space since this was last asked.
    refused: bool,
}

impl Account {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes_max: limits.memory_bytes,
            table_entries_max: limits.table_entries,
            memory_bytes: 0,
            table_entries: 0,
            refused: false,
        }
    }

    /// Whether it was refused memory or table space since this was last asked.
    pub(super) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    fn grant(&mut self, granted: bool) -> wasmtime::Result<bool> {
        self.refused |= !granted;
        Ok(granted)
    }
}

impl ResourceLimiter for Account {
    /// Growth that the system then refuses stays on the account: it can only make the limit stricter.
    fn memory_growing(&mut self, now: usize, wanted: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(wanted.saturating_sub(now));
        let granted = total <= self.memory_bytes_max && max.is_none_or(|max| wanted <= max);
        if granted {
            self.memory_bytes = total;
        }
        self.grant(granted)
    }

    fn table_growing(&mut self, now: usize, wanted: usize, max: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.table_entries.saturating_add(wanted.saturating_sub(now));
        let granted = total <= self.table_entries_max && max.is_none_or(|max| wanted <= max);
        if granted {
            self.table_entries = total;
        }
        self.grant(granted)
    }

    fn instances(&self) -> usize {
        PARTS_MAX
    }

    fn tables(&self) -> usize {
        PARTS_MAX
    }

    fn memories(&self) -> usize {
        PARTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together() {
        let limits = Limits { memory_bytes: 300, ..Limits::default() };
        let mut account = Account::new(&limits);
        assert!(account.memory_growing(0, 200, None).unwrap());
        assert!(account.memory_growing(0, 50, None).unwrap());
        assert!(!account.take_refused());
        assert!(!account.memory_growing(200, 260, None).unwrap(), "310 in all");
        assert!(account.take_refused() && !account.take_refused());
        assert!(account.memory_growing(200, 250, None).unwrap(), "300 in all");
    }

    #[test]
    fn a_memory_keeps_its_own_maximum() {
        let mut account = Account::new(&Limits::default());
        assert!(!account.memory_growing(0, 200, Some(100)).unwrap());
        assert!(!account.table_growing(0, 100_001, None).unwrap());
    }

    #[test]
    fn deadlines_grow_with_batches() {
        let limits = Limits::default();
        assert_eq!(limits.deadline_of(0), Duration::from_millis(500));
        assert_eq!(limits.deadline_of(1000), Duration::from_millis(1500));
    }
}
