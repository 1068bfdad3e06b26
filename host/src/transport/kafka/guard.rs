//! Calls that are not trusted to return: librdkafka's transaction calls were seen to hang for ever when a broker died,
//! their own timeouts ignored. They are made on a thread of their own, and whoever waits for too long leaves it behind
//! with its client.

use super::ending::{self, Ending};
use super::ffi::{ProducerClient, TxnError};
use crate::transport::TransportError;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Call = Box<dyn FnOnce(&ProducerClient) -> Result<(), TxnError> + Send>;

/// A producer and the thread that makes its transaction calls.
pub(super) struct Guarded {
    client: Arc<ProducerClient>,
    calls: Sender<Call>,
    answers: Receiver<Result<(), TxnError>>,
    /// Given to the thread when nobody waits for it any more.
    left: Arc<Mutex<Option<Ending>>>,
}

impl Guarded {
    /// Starts the thread.
    ///
    /// # Errors
    /// If there is none to be had.
    pub(super) fn new(client: ProducerClient) -> std::io::Result<Self> {
        let client = Arc::new(client);
        let (calls, called) = channel::<Call>();
        let (answer, answers) = channel();
        let (theirs, left) = (Arc::clone(&client), Arc::<Mutex<Option<Ending>>>::default());
        let late = Arc::clone(&left);
        std::thread::Builder::new().name("transactions".into()).spawn(move || {
            for call in called {
                if answer.send(call(&theirs)).is_err() {
                    break;
                }
            }
            // Destroying a client can take a while, too: it is done here.
            drop(theirs);
            // It came back after all. Whoever leaves says so before the channels end, which end the loop.
            drop(late.lock().unwrap_or_else(PoisonError::into_inner).take());
        })?;
        Ok(Self { client, calls, answers, left })
    }

    /// The client, for what does not block.
    pub(super) fn client(&self) -> &Arc<ProducerClient> {
        &self.client
    }

    /// Makes a call that should take `deadline` at most. None: it did not come back; the producer must be left behind.
    pub(super) fn call(
        &self,
        deadline: Duration,
        call: impl FnOnce(&ProducerClient) -> Result<(), TxnError> + Send + 'static,
    ) -> Option<Result<(), TxnError>> {
        self.call_beside(deadline, call, |_| {})
    }

    /// The same, while the caller does something else with the client, which must come back by itself.
    pub(super) fn call_beside(
        &self,
        deadline: Duration,
        call: impl FnOnce(&ProducerClient) -> Result<(), TxnError> + Send + 'static,
        beside: impl FnOnce(&ProducerClient),
    ) -> Option<Result<(), TxnError>> {
        self.calls.send(Box::new(call)).ok()?;
        beside(&self.client);
        self.answers.recv_timeout(deadline).ok()
    }

    /// Leaves the producer to its thread, which did not come back.
    ///
    /// # Errors
    /// `Refused` if there are too many of those.
    pub(super) fn leave_behind(self) -> Result<(), TransportError> {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(Ending::within(Duration::ZERO));
        drop(self);
        ending::check()
    }
}
