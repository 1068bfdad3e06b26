//! Waking a worker that waits for records.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Set by librdkafka's threads when an empty queue gets something.
#[derive(Debug, Default)]
pub(super) struct Wake {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    /// Wakes who waits, or who will.
    pub(super) fn wake(&self) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }

    /// Waits until it is woken, or has been since the last time, or `timeout` has passed.
    pub(super) fn wait(&self, timeout: Duration) {
        let woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(woken, timeout, |woken| !*woken);
        let (mut woken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        *woken = false;
    }
}
