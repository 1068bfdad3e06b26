//! Retention and compaction beside a running app, in a thread of their own.

use crate::record::Timestamp;
use crate::transport::embedded::{Cleaned, EmbeddedLog};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time between two looks at what may go: Kafka's `log.cleaner.backoff.ms`.
const INTERVAL: Duration = Duration::from_secs(15);

/// Cleans the log until it is dropped.
pub(super) struct Upkeep {
    stop: Arc<AtomicBool>,
    /// Dropped to wake the thread.
    wake: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    pub(super) fn start(log: EmbeddedLog) -> Self {
        let stop: Arc<AtomicBool> = Arc::default();
        let (wake, woken) = channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("upkeep".into()).spawn(move || work(&log, &stopped, &woken));
        // Without the thread nothing goes, which loses nothing.
        let thread = thread.inspect_err(|error| tracing::warn!("no retention and compaction: {error}")).ok();
        Self { stop, wake: Some(wake), thread }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(log: &EmbeddedLog, stop: &AtomicBool, woken: &Receiver<()>) {
    loop {
        match log.clean(now(), &|| !stop.load(Ordering::SeqCst)) {
            Err(error) => tracing::warn!("retention and compaction did not finish: {error}"),
            Ok(cleaned) if cleaned == Cleaned::default() => {}
            Ok(Cleaned { batches_deleted, records_compacted }) => {
                tracing::info!(batches_deleted, records_compacted, "retention and compaction");
            }
        }
        if woken.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
