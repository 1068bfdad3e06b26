//! Ending clients, each on a thread of its own: librdkafka was seen to wait for ever for a thread that serves a broker the
//! client had asked something and that the cluster had struck off since.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a client's end is waited for: it takes milliseconds, and half a second where something was still on its way.
pub(super) const END: Duration = Duration::from_secs(5);
/// So many clients of a process that do not end within [`END`] at most: each keeps its threads. With more, something is
/// wrong that a new process may not suffer from.
pub(super) const ENDLESS_MAX: usize = 8;

/// Clients of this process that are ending: their numbers, and since when.
static ENDING: Mutex<Vec<(u64, Instant)>> = Mutex::new(Vec::new());

fn ending() -> MutexGuard<'static, Vec<(u64, Instant)>> {
    ENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a client, and waits for that for so long.
pub(super) fn end<C: Send + 'static>(client: C, patience: Duration) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    ending().push((number, Instant::now()));
    let (tell, ended) = channel();
    let strike_out = move || ending().retain(|(other, _)| *other != number);
    let end = move || {
        drop(client);
        strike_out();
        let _ = tell.send(());
    };
    if std::thread::Builder::new().name("client-end".into()).spawn(end).is_err() {
        // There is no thread to be had: the client was ended here.
        strike_out();
    }
    if !patience.is_zero() && ended.recv_timeout(patience).is_err() {
        tracing::debug!("a client does not end within {} s, and is left behind", patience.as_secs());
    }
}

/// Clients that have been ending for so long, and have not ended.
pub(super) fn not_ended_within(limit: Duration) -> usize {
    ending().iter().filter(|(_, since)| since.elapsed() >= limit).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};

    /// A client whose end waits for somebody.
    struct Endless(Arc<Barrier>);

    impl Drop for Endless {
        fn drop(&mut self) {
            self.0.wait();
        }
    }

    #[test]
    fn who_ends_a_client_that_does_not_end_goes_on() {
        let barrier = Arc::new(Barrier::new(2));
        end(Endless(Arc::clone(&barrier)), Duration::from_millis(1));
        assert!(not_ended_within(Duration::from_millis(1)) >= 1);
        assert_eq!(not_ended_within(Duration::MAX), 0);
        barrier.wait();
    }
}
