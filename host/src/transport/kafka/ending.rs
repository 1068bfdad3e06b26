//! Ending clients, each on a thread of its own: librdkafka was seen to wait for ever for a thread that serves a broker the
//! client had asked something and that the cluster had struck off since.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// How long a client's end is waited for: it takes milliseconds, and half a second where something was still on its way.
pub(super) const END: Duration = Duration::from_secs(5);

/// Clients of this process that are ending.
static ENDING: AtomicUsize = AtomicUsize::new(0);
/// So many at most: each that does not end keeps its threads. With more, something is wrong that a new process may not
/// suffer from.
pub(super) const ENDING_MAX: usize = 8;

/// Ends a client, and waits for that for so long.
pub(super) fn end<C: Send + 'static>(client: C, patience: Duration) {
    ENDING.fetch_add(1, Ordering::SeqCst);
    let (tell, ended) = channel();
    // Where there is no thread to be had it is ended here.
    let _ = std::thread::Builder::new().name("client-end".into()).spawn(move || {
        drop(client);
        ENDING.fetch_sub(1, Ordering::SeqCst);
        let _ = tell.send(());
    });
    if !patience.is_zero() && ended.recv_timeout(patience).is_err() {
        tracing::debug!("a client does not end within {} s, and is left behind", patience.as_secs());
    }
}

/// Clients that are ending, or do not end.
pub(super) fn count() -> usize {
    ENDING.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::Barrier;

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
        assert!(count() >= 1);
        barrier.wait();
    }
}
