//! The transactional producer of a worker, and what is done when one of its calls fails.
//!
//! ```text
//!   begin -> produce ... -> send offsets -> commit        Ok: committed
//!     a call may be made again   the same call, until the deadline
//!     to be aborted              abort; the inputs are read again: Aborted
//!     anything else, or the      the producer is thrown away: a commit that arrives late would commit the next
//!     deadline is over           transaction. A new one, which ends the old one's transaction, before anything else;
//!                                what became of it the committed offsets say: InDoubt
//! ```

use super::clients::Clients;
use super::ffi::{self, ProducerClient, TxnError};
use super::ffi_log::ClientLog;
use super::guard::Guarded;
use super::outputs::{Outputs, refusal};
use super::settings::TRANSACTION_TIMEOUT;
use crate::record::TopicPartition;
use crate::transport::{Fence, TransportError};
use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long a commit is given up: the broker has aborted the transaction by then.
const DEADLINE: Duration = TRANSACTION_TIMEOUT;
/// A call that may be made again is asked to come back after so long.
const SLICE: Duration = Duration::from_secs(2);
/// How much longer than its deadline a call may take before its client is left behind.
const GRACE: Duration = Duration::from_secs(2);
/// How long records are hurried on beside a commit's offsets; whoever lets them linger for longer than that waits for what
/// is left of it. The commit itself waits for all of them.
const FLUSH: Duration = Duration::from_millis(100);
/// Producers that were thrown away one after the other, without a commit in between, at most.
const BROKEN_MAX: u32 = 20;

/// A worker's transactional producer.
pub(super) struct Transactions {
    clients: Arc<Clients>,
    id: String,
    group: String,
    /// None until it is needed, and after it was thrown away.
    producer: Option<Ready>,
    /// One that is on its way: its predecessor's transaction may be open.
    coming: Option<(Guarded, ClientLog)>,
    /// Bytes of a batch of the next producer, at most.
    batch_bytes: usize,
    /// Producers thrown away since the last commit.
    broken: u32,
    /// Whether the last of them was fenced: a newer one by its name was made.
    fenced: bool,
}

/// A producer whose predecessor's transaction is over.
struct Ready {
    outputs: Outputs,
    log: ClientLog,
    guarded: Guarded,
    /// Bytes of its batches, at most.
    batch_bytes: usize,
    /// Whether a transaction is open.
    open: bool,
}

impl Transactions {
    pub(super) fn new(clients: Arc<Clients>, id: String, group: String) -> Self {
        let batch_bytes = clients.settings.batch_bytes();
        Self { clients, id, group, producer: None, coming: None, batch_bytes, broken: 0, fenced: false }
    }

    /// Sees to it that there is a producer, and with it that no transaction of its predecessor is open. While that takes
    /// longer than a [`SLICE`] it is to be asked again: the worker does other things meanwhile.
    ///
    /// # Errors
    /// `Retry` while it cannot be had.
    pub(super) fn ready(&mut self) -> Result<(), TransportError> {
        if self.producer.is_some() {
            return Ok(());
        }
        let (guarded, log) = self.coming.take().map_or_else(|| self.make(), Ok)?;
        crate::killpoint::pass("kafka-before-init");
        let made = guarded.call(SLICE + GRACE, |client| ffi::init_transactions(client, SLICE));
        crate::killpoint::pass("kafka-after-init");
        match made {
            None => Err(self.left_behind(guarded, "init_transactions", SLICE + GRACE)),
            Some(Err(TxnError::Again(why))) => {
                self.coming = Some((guarded, log));
                Err(TransportError::Retry(why))
            }
            Some(Err(TxnError::Abort(why))) => Err(TransportError::Retry(why)),
            Some(Err(TxnError::Broken(why))) => Err(self.broken(&why)),
            Some(Err(TxnError::Forbidden(why))) => Err(self.forbidden(&why)),
            Some(Ok(())) => {
                let (outputs, batch_bytes) = (Outputs::of(guarded.client(), &self.clients), self.batch_bytes);
                self.producer = Some(Ready { outputs, log, guarded, batch_bytes, open: false });
                Ok(())
            }
        }
    }

    fn make(&self) -> Result<(Guarded, ClientLog), TransportError> {
        let client = self.clients.producer(&self.id, Some(&self.id), self.batch_bytes)?;
        let guarded = Guarded::new(client).map_err(|error| TransportError::Retry(error.to_string()))?;
        // From the start: what librdkafka told of a connection a moment ago it does not tell again for 30 seconds.
        let log = ClientLog::of(guarded.client());
        Ok((guarded, log))
    }

    /// Produces the records of batches into the open transaction, or into a new one; says how many there were.
    ///
    /// # Errors
    /// See [`crate::transport::Transport::send`].
    pub(super) fn produce(&mut self, partition: &TopicPartition, batch: Vec<u8>) -> Result<i64, TransportError> {
        self.begin()?;
        let Some(ready) = &mut self.producer else { return Ok(0) };
        match ready.outputs.produce(partition, batch) {
            Ok(count) => Ok(count),
            Err(why) => Err(self.undelivered().unwrap_or_else(|| self.throw_away(&why))),
        }
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        if self.producer.as_ref().is_some_and(|ready| ready.open) {
            return Ok(());
        }
        // A producer that was thrown away has taken its transaction with it: there is no going on under another.
        let Some(ready) = &mut self.producer else {
            return Err(TransportError::InDoubt("the producer was lost".into()));
        };
        match ready.guarded.call(SLICE + GRACE, ffi::begin_transaction) {
            Some(Ok(())) => {
                ready.open = true;
                Ok(())
            }
            Some(Err(TxnError::Forbidden(why))) => Err(self.forbidden(&why)),
            Some(Err(TxnError::Again(why) | TxnError::Abort(why) | TxnError::Broken(why))) => {
                Err(self.throw_away(&why))
            }
            None => Err(self.not_back("begin_transaction", SLICE + GRACE)),
        }
    }

    /// Commits the open transaction with these offsets.
    ///
    /// # Errors
    /// `Aborted` or `InDoubt`.
    pub(super) fn commit(&mut self, offsets: TopicPartitionList, fence: &Fence) -> Result<(), TransportError> {
        // A broker checks neither generation -1 nor an empty transaction: neither would fence a zombie.
        if !fence.is_sound() || offsets.count() == 0 {
            let why = format!("{} offsets under generation {}", offsets.count(), fence.generation);
            return Err(self.abort_because(&why));
        }
        self.begin()?;
        let Some(ready) = &self.producer else { return Ok(()) };
        let nobody = Fence { generation: -1, member: "".into() };
        let fence = if crate::fault::is("commits-name-no-member") { &nobody } else { fence };
        let (group, fence, began) = (self.group.clone(), fence.clone(), Instant::now());
        let commit = move |client: &ProducerClient| {
            if crate::fault::is("offsets-apart") {
                again(began, |slice| ffi::commit_transaction(client, slice))?;
                ffi::begin_transaction(client)?;
            }
            crate::killpoint::pass("kafka-before-offsets");
            again(began, |slice| ffi::send_offsets(client, &offsets, &group, &fence, slice))?;
            crate::killpoint::pass("kafka-before-end");
            again(began, |slice| ffi::commit_transaction(client, slice))
        };
        // The records are sent beside the offsets, instead of when they have lingered.
        let made = ready.guarded.call_beside(DEADLINE + GRACE, commit, |client| {
            ffi::flush(client, FLUSH);
        });
        match made {
            Some(Ok(())) => {
                crate::killpoint::pass("kafka-after-end");
                self.broken = 0;
                self.ended();
                Ok(())
            }
            Some(Err(TxnError::Abort(why))) => match self.undelivered() {
                Some(refused @ TransportError::Refused(_)) => Err(refused),
                _ => Err(self.abort_because(&why)),
            },
            Some(Err(TxnError::Forbidden(why))) => Err(self.forbidden(&why)),
            Some(Err(TxnError::Again(why) | TxnError::Broken(why))) => Err(self.throw_away(&why)),
            None => Err(self.not_back("the commit", DEADLINE + GRACE)),
        }
    }

    /// Whether a transaction is open.
    pub(super) fn is_open(&self) -> bool {
        self.producer.as_ref().is_some_and(|ready| ready.open)
    }

    /// Takes what the producer logged: where nothing is committed, as in an outage, it would pile up.
    pub(super) fn serve(&mut self) {
        if let Some(ready) = &mut self.producer {
            ready.log.drain();
        }
    }

    /// Gives up the open transaction, if there is one.
    ///
    /// # Errors
    /// `InDoubt` if the producer had to be thrown away: the transaction is not committed all the same.
    pub(super) fn abort(&mut self) -> Result<(), TransportError> {
        let Some(ready) = self.producer.as_ref().filter(|ready| ready.open) else { return Ok(()) };
        let began = Instant::now();
        crate::killpoint::pass("kafka-before-abort");
        let made = ready
            .guarded
            .call(DEADLINE + GRACE, move |client| again(began, |slice| ffi::abort_transaction(client, slice)));
        crate::killpoint::pass("kafka-after-abort");
        match made {
            Some(Ok(())) => {
                if let Some(ready) = &self.producer {
                    let _ = ready.guarded.client().client().context().take_failure();
                }
                self.ended();
                Ok(())
            }
            Some(Err(
                TxnError::Again(why) | TxnError::Abort(why) | TxnError::Forbidden(why) | TxnError::Broken(why),
            )) => Err(self.throw_away(&why)),
            None => Err(self.not_back("the abort", DEADLINE + GRACE)),
        }
    }

    /// The open transaction is over. librdkafka asks again by itself when a connection is lost, and what it asked for first
    /// may arrive when the next transaction is open, and end that: the next one gets a producer of a newer epoch. So it
    /// does where a topic takes less than what this one sends at once.
    fn ended(&mut self) {
        let Some(ready) = &mut self.producer else { return };
        ready.open = false;
        let lost = ready.log.told_of_a_lost_connection() && !crate::fault::is("producer-is-kept");
        if self.sends_too_much() || lost {
            tracing::debug!(producer = self.id, lost, self.batch_bytes, "the next transaction gets a new producer");
            drop(self.producer.take());
            if let Err(why) = self.ready() {
                tracing::warn!(producer = self.id, "not yet: {why}");
            }
        }
    }

    /// Whether a topic takes less than what the producer sends at once; the next one does not send more.
    fn sends_too_much(&mut self) -> bool {
        let Some(ready) = &self.producer else { return false };
        self.batch_bytes = self.batch_bytes.min(ready.outputs.batch_bytes());
        self.batch_bytes < ready.batch_bytes
    }

    fn abort_because(&mut self, why: &str) -> TransportError {
        match self.abort() {
            Ok(()) => TransportError::Aborted(why.into()),
            Err(error) => error,
        }
    }

    /// Why records were not delivered, if that will not get better.
    fn undelivered(&mut self) -> Option<TransportError> {
        let ready = self.producer.as_ref()?;
        let (code, place) = ready.guarded.client().client().context().take_failure()?;
        // The next producer's batches are smaller.
        let smaller = code == RDKafkaErrorCode::MessageSizeTooLarge && self.sends_too_much();
        if smaller { None } else { refusal(code, &place) }
    }

    /// What the app's user may not do.
    fn forbidden(&self, why: &str) -> TransportError {
        let topics = self.producer.as_ref().map(|ready| ready.outputs.topics()).unwrap_or_default();
        TransportError::Refused(format!(
            "MS-T020: the brokers refuse the app's transaction: {why}; grant the app's user WRITE on the topics that it writes ({topics}), WRITE on the transactional id {}, and READ on the group {}",
            self.id, self.group
        ))
    }

    /// Whether a producer was fenced since this was asked last.
    pub(super) fn was_fenced(&mut self) -> bool {
        std::mem::take(&mut self.fenced)
    }

    fn throw_away(&mut self, why: &str) -> TransportError {
        let fatal = self.producer.as_ref().and_then(|ready| ready.guarded.client().client().fatal_error());
        let fenced = matches!(fatal, Some((RDKafkaErrorCode::Fenced, _)));
        self.fenced |= fenced;
        self.sends_too_much();
        // Dropped with its calls' thread, which destroys the client.
        drop(self.producer.take());
        let cause =
            "; if that goes on, another process runs under the same instance, or on a copy of the data directory";
        self.broken(&format!("{why}{}", if fenced { cause } else { "" }))
    }

    fn broken(&mut self, why: &str) -> TransportError {
        self.broken += 1;
        tracing::warn!(producer = self.id, "the producer is thrown away and made anew: {why}");
        if self.broken >= BROKEN_MAX {
            return TransportError::Refused(format!(
                "MS-T021: {} producers failed one after the other, the last one because of {why}; does another process use the same data directory's copy, or the same instance?",
                self.broken
            ));
        }
        TransportError::InDoubt(why.into())
    }

    /// The producer's call did not come back.
    fn not_back(&mut self, what: &str, deadline: Duration) -> TransportError {
        match self.producer.take() {
            Some(ready) => self.left_behind(ready.guarded, what, deadline),
            None => self.broken(what),
        }
    }

    fn left_behind(&mut self, guarded: Guarded, what: &str, deadline: Duration) -> TransportError {
        match guarded.leave_behind() {
            Ok(()) => self.broken(&format!("{what} did not return within {} s", deadline.as_secs())),
            Err(too_many) => too_many,
        }
    }
}

/// Makes a call again as long as librdkafka says that it may be, until the deadline.
fn again(began: Instant, call: impl Fn(Duration) -> Result<(), TxnError>) -> Result<(), TxnError> {
    loop {
        match call(SLICE) {
            Err(TxnError::Again(_)) if began.elapsed() < DEADLINE => {}
            other => return other,
        }
    }
}
