//! Ending clients, each on a thread of its own: librdkafka was seen to wait for ever for a thread that serves a broker the
//! client had asked something and that the cluster had struck off since.

use crate::transport::TransportError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a client's end is waited for: it takes milliseconds, and half a second where something was still on its way.
pub(super) const END: Duration = Duration::from_secs(5);
/// So many clients of a process that do not end within [`END`], or whose calls do not return, at most: each keeps its
/// threads and buffers. With more, something is wrong that a new process may not suffer from.
const ENDLESS_MAX: usize = 8;

/// Clients of this process that are ending: their numbers, and until when that is in order.
static ENDING: Mutex<Vec<(u64, Instant)>> = Mutex::new(Vec::new());

fn list() -> MutexGuard<'static, Vec<(u64, Instant)>> {
    ENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client that is ending. Dropped when it has ended.
#[derive(Debug)]
pub(super) struct Ending(u64);

impl Ending {
    /// One that is to have ended after so long.
    pub(super) fn within(limit: Duration) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        list().push((number, Instant::now() + limit));
        Self(number)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        list().retain(|(number, _)| *number != self.0);
    }
}

/// Ends a client, and waits for that for so long.
pub(super) fn end<C: Send + 'static>(client: C, patience: Duration) {
    let ending = Ending::within(END);
    let (tell, ended) = channel();
    let end = move || {
        drop(client);
        drop(ending);
        let _ = tell.send(());
    };
    // Where there is no thread to be had, the client is ended here, with what was to be done there.
    let _ = std::thread::Builder::new().name("client-end".into()).spawn(end);
    if !patience.is_zero() && ended.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        tracing::debug!("a client does not end within {} s, and is left behind", patience.as_secs());
    }
}

/// Refuses to go on where too many clients of this process should have ended and have not.
///
/// # Errors
/// `Refused` if so.
pub(super) fn check() -> Result<(), TransportError> {
    let now = Instant::now();
    let endless = list().iter().filter(|(_, until)| *until <= now).count();
    if endless <= ENDLESS_MAX {
        return Ok(());
    }
    Err(TransportError::Refused(format!(
        "MS-T022: {endless} Kafka clients neither answer nor end, {ENDLESS_MAX} at most may; start the process again"
    )))
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
    fn who_ends_a_client_that_does_not_end_goes_on_until_there_are_too_many() {
        let barrier = Arc::new(Barrier::new(2));
        end(Endless(Arc::clone(&barrier)), Duration::from_millis(1));
        check().unwrap();
        let mut late: Vec<Ending> = (0..ENDLESS_MAX).map(|_| Ending::within(Duration::ZERO)).collect();
        check().unwrap();
        late.push(Ending::within(Duration::ZERO));
        assert!(check().unwrap_err().to_string().starts_with("MS-T022: 9 "));
        late.pop();
        check().unwrap();
        barrier.wait();
    }
}
