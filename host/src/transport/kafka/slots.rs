//! Transactions that the dead leave open. A committed offset carries the transactional id of whoever committed it; where
//! that one is no member of the group any more, a producer of the same id ends its transaction at once. Without this,
//! readers of what it wrote would wait for the transaction's timeout. Who leaves in peace takes its name away.

use super::clients::Clients;
use super::ffi;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an attempt to end a transaction may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// For so long it is known that a dead one's transaction was ended: it would have to come back and die again meanwhile.
const KNOWN: Duration = Duration::from_secs(5);

/// Ends transactions of the dead, each on a thread of its own: it takes a few round trips, or as long as brokers are away.
#[derive(Default)]
pub(super) struct Slots {
    ended: Arc<Mutex<HashMap<String, State>>>,
}

#[derive(Clone, Copy)]
enum State {
    UnderWay,
    Ended(Instant),
}

impl Slots {
    /// Whether the owner of a transactional id may have a transaction open although it is no member of the group. If so
    /// its end is on the way, and asking again later says when.
    pub(super) fn is_haunted(&self, id: &str, is_member: impl FnOnce() -> bool, clients: &Arc<Clients>) -> bool {
        let state = self.ended.lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        match state {
            Some(State::UnderWay) => return true,
            Some(State::Ended(when)) if when.elapsed() < KNOWN => return false,
            _ => {}
        }
        if is_member() {
            return false;
        }
        self.end(id, clients);
        true
    }

    fn end(&self, id: &str, clients: &Arc<Clients>) {
        let (ended, id, clients) = (Arc::clone(&self.ended), id.to_owned(), Arc::clone(clients));
        ended.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), State::UnderWay);
        let told = id.clone();
        let thread = std::thread::Builder::new().name("end-transaction".into());
        let started = thread.spawn(move || {
            let made = clients.producer(&id, Some(&id), clients.settings.batch_bytes());
            match made.map(|producer| ffi::init_transactions(&producer, ATTEMPT)) {
                Ok(Ok(())) => tracing::info!(producer = id, "the transaction of a dead process was ended"),
                other => tracing::debug!(producer = id, "the transaction of a dead process may be open: {other:?}"),
            }
            // Either way: where it could not be ended its timeout ends it.
            ended.lock().unwrap_or_else(PoisonError::into_inner).insert(id, State::Ended(Instant::now()));
        });
        if started.is_err() {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).insert(told, State::Ended(Instant::now()));
        }
    }
}
