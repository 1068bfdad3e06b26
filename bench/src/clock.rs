//! CPU time beside wall time.

use cpu_time::ProcessTime;
use serde::Serialize;
use std::time::Instant;

/// A span that was measured, in seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Span {
    /// CPU time of all threads of the process: the database's background work counts too.
    pub(crate) cpu: f64,
    /// Time that passed.
    pub(crate) wall: f64,
}

/// A running measurement.
pub(crate) struct Clock {
    cpu: ProcessTime,
    wall: Instant,
}

impl Clock {
    /// Begins.
    pub(crate) fn start() -> Self {
        Self { cpu: ProcessTime::now(), wall: Instant::now() }
    }

    /// Ends.
    pub(crate) fn stop(&self) -> Span {
        Span { cpu: self.cpu.elapsed().as_secs_f64(), wall: self.wall.elapsed().as_secs_f64() }
    }
}
