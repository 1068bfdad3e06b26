//! Our clients. Some of them nobody polls, and others stand still for as long as a turn takes: what they need from outside
//! is given to them while they live, whoever holds them.
#![expect(unsafe_code, reason = "librdkafka's C interface, on clients that others hold")]

use super::context::Context;
use super::ending;
use super::ffi_leaders;
use super::ffi_token::Tokens;
use crate::transport::TransportError;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as c;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::producer::{BaseProducer, Producer};
use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A client that knows no broker for so long has struck them all out: the next one that it asks tells it of all others, and
/// one that comes back is found within [`RECONNECT_MS`](super::settings::RECONNECT_MS).
const WITHOUT_MIN: Duration = Duration::from_secs(2);
/// Longest pause before it is given them once more: a broker that takes long to start strikes itself out again and again, and
/// the app stands still for a pause after it is through. While none of a cluster can be reached from the start nobody knows
/// one either, and librdkafka keeps a note of each time.
const WITHOUT_MAX: Duration = Duration::from_secs(10);

/// Events of a client that are served at once: before one that matters may lie errors of brokers that are away, by the
/// hundred.
pub(super) const EVENTS: usize = 64;

/// The clients of a process that live.
#[derive(Default)]
pub(super) struct Living(Mutex<Vec<Entry>>);

struct Entry {
    client: Handle,
    brokers: Brokers,
    /// A producer, whose events are to be taken.
    producer: Option<Weak<BaseProducer<Context>>>,
}

/// A producer that has no thread of its own. The crate's waits in slices that it rounds down, and spins for the rest: a
/// hundredth of a core for each producer, whether there is something to do or not.
pub(super) struct Polled(Arc<BaseProducer<Context>>);

impl Deref for Polled {
    type Target = BaseProducer<Context>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromClientConfigAndContext<Context> for Polled {
    fn from_config_and_context(config: &ClientConfig, context: Context) -> KafkaResult<Self> {
        BaseProducer::from_config_and_context(config, context).map(|producer| Self(Arc::new(producer)))
    }
}

/// A client that lives as long as this is borrowed.
#[derive(PartialEq, Eq)]
pub(super) struct Handle(*mut c::rd_kafka_t);

// SAFETY: librdkafka's clients may be used from any thread, by several at once. That the client is alive is up to who lends
// this.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

/// What is known of a client's brokers.
#[derive(Debug, Default)]
struct Brokers {
    /// Since when it knows none, or was given them last, and how long it is waited for.
    without: Option<(Instant, Duration)>,
}

impl Living {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to each.
    pub(super) fn each(&self, act: impl Fn(&Handle)) {
        self.entries().iter().for_each(|entry| act(&entry.client));
    }

    /// Takes up to so many of each producer's events: records that were not delivered, and trouble with brokers. A flush
    /// does not end before the former are taken.
    pub(super) fn poll_producers(&self, events: usize) {
        // While the list is held no client goes, so this is never the last to hold one.
        for producer in self.entries().iter().filter_map(|entry| entry.producer.as_ref()?.upgrade()) {
            (0..events).for_each(|_| producer.poll(Duration::ZERO));
        }
    }

    /// Gives the addresses at which a cluster is found to clients that know no broker any more. One that has just started
    /// names none in its answers, not even itself. librdkafka takes that for the truth, strikes out all that it knew, and
    /// its search for others is ended by the same answer: without this the client would be cut off for ever
    /// (librdkafka's issue 5301).
    pub(super) fn restore_brokers(&self, bootstrap: &CString) {
        let now = Instant::now();
        for Entry { client, brokers, .. } in self.entries().iter_mut() {
            if brokers.is_to_be_restored(client.knows_brokers(), now) {
                tracing::debug!("a client that knows no brokers is given them anew");
                client.add_brokers(bootstrap);
            }
        }
    }
}

impl Brokers {
    fn is_to_be_restored(&mut self, known: bool, now: Instant) -> bool {
        if known {
            self.without = None;
            return false;
        }
        let (since, pause) = *self.without.get_or_insert((now, WITHOUT_MIN));
        let due = now.duration_since(since) >= pause;
        if due {
            self.without = Some((now, (pause * 2).min(WITHOUT_MAX)));
        }
        due
    }
}

impl Handle {
    /// The client, for as long as this is borrowed.
    pub(super) fn native(&self) -> *mut c::rd_kafka_t {
        self.0
    }

    /// Whether it knows any broker from another's answer.
    fn knows_brokers(&self) -> bool {
        let mut count = 0;
        // SAFETY: the client is alive; the list is ours, and is freed as librdkafka says, once.
        unsafe {
            let ids = c::rd_kafka_brokers_learned_ids(self.0, &mut count);
            c::rd_kafka_mem_free(self.0, ids.cast());
        }
        count > 0
    }

    /// Has it look there, too.
    fn add_brokers(&self, bootstrap: &CString) {
        // SAFETY: the client is alive; the text is copied.
        unsafe { c::rd_kafka_brokers_add(self.0, bootstrap.as_ptr()) };
    }
}

/// A client that is among those that live.
pub(super) struct Kept<C: Send + 'static> {
    /// None once it is gone: it is taken out of the list before it is destroyed.
    place: Option<Place>,
    /// Taken when this is dropped, and only then.
    client: ManuallyDrop<C>,
    /// How long its end is waited for.
    patience: Duration,
}

/// A client's place in the list.
struct Place {
    living: Arc<Living>,
    client: Handle,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.living.entries().retain(|entry| entry.client != self.client);
    }
}

impl<C: Send + 'static> Kept<C> {
    /// Ends it without waiting for that.
    pub(super) fn let_go(mut self) {
        self.patience = Duration::ZERO;
    }
}

impl<C: Send + 'static> Drop for Kept<C> {
    fn drop(&mut self) {
        drop(self.place.take());
        // SAFETY: it is taken once, here, and nobody comes after this.
        let client = unsafe { ManuallyDrop::take(&mut self.client) };
        ending::end(client, self.patience);
    }
}

impl<C: Native + FromClientConfigAndContext<Context> + Send + 'static> Kept<C> {
    /// Makes it, with a token if there are any.
    ///
    /// # Errors
    /// If the settings are refused.
    pub(super) fn new(
        config: &ClientConfig,
        living: &Arc<Living>,
        tokens: Option<&Arc<Tokens>>,
    ) -> Result<Self, TransportError> {
        debug_assert!(ffi_leaders::is_in_place(), "linked without what host/build.rs asks for");
        let client: C = config.create_with_context(Context::default()).map_err(|error| super::refused(&error))?;
        let handle = || Handle(client.native());
        living.entries().push(Entry { client: handle(), brokers: Brokers::default(), producer: client.producer() });
        let place = Place { living: Arc::clone(living), client: handle() };
        if let Some(tokens) = tokens {
            tokens.give(&place.client);
        }
        Ok(Self { place: Some(place), client: ManuallyDrop::new(client), patience: ending::END })
    }
}

impl Kept<BaseConsumer<Context>> {
    /// Serves what waits for who polls a consumer of which nobody reads records by this queue; says what went wrong.
    pub(super) fn take_errors(&self) -> Vec<KafkaError> {
        // A poll does not tell a line of the log from an empty queue, and before an error there may be many. One there must
        // be: by polls librdkafka sees that a member is alive (`max.poll.interval.ms`).
        (0..self.waiting().max(1)).filter_map(|_| self.poll(Duration::ZERO)?.err()).collect()
    }

    /// Number of events that wait for who polls it.
    fn waiting(&self) -> usize {
        // SAFETY: the client is alive while it is borrowed; the queue is ours and destroyed once.
        unsafe {
            let queue = c::rd_kafka_queue_get_consumer(self.native());
            if queue.is_null() {
                return 0;
            }
            let waiting = c::rd_kafka_queue_length(queue);
            c::rd_kafka_queue_destroy(queue);
            waiting
        }
    }
}

impl<C: Send + 'static> Deref for Kept<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

/// One of the crate's clients. The pointer is good until it is dropped, wherever it is moved.
pub(super) trait Native {
    fn native(&self) -> *mut c::rd_kafka_t;

    /// Itself, if it is a producer.
    fn producer(&self) -> Option<Weak<BaseProducer<Context>>> {
        None
    }
}

impl Native for BaseConsumer<Context> {
    fn native(&self) -> *mut c::rd_kafka_t {
        self.client().native_ptr()
    }
}

impl Native for Polled {
    fn native(&self) -> *mut c::rd_kafka_t {
        self.client().native_ptr()
    }

    fn producer(&self) -> Option<Weak<BaseProducer<Context>>> {
        Some(Arc::downgrade(&self.0))
    }
}

impl Native for AdminClient<Context> {
    fn native(&self) -> *mut c::rd_kafka_t {
        self.inner().native_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_are_given_anew_to_who_knows_none_and_less_and_less_often() {
        let (mut brokers, start) = (Brokers::default(), Instant::now());
        let mut given = Vec::new();
        for second in 0..50 {
            if brokers.is_to_be_restored(false, start + Duration::from_secs(second)) {
                given.push(second);
            }
        }
        assert_eq!(given, [2, 6, 14, 24, 34, 44]);
        let at = |second| start + Duration::from_secs(second);
        assert!(!brokers.is_to_be_restored(true, at(1000)));
        assert!(!brokers.is_to_be_restored(false, at(2000)), "it may only have been looked at too soon");
        assert!(brokers.is_to_be_restored(false, at(2002)));
    }
}
