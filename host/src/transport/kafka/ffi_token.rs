//! Tokens of OAUTHBEARER: each client has one before it connects, and all get another before it expires. librdkafka asks
//! for them by an event that only who polls a client is told; some of ours nobody polls, and others stand still for as
//! long as a turn takes. So they are given unasked, before librdkafka would ask.
#![expect(unsafe_code, reason = "a token is set by librdkafka's C interface, on clients that others hold")]

use super::context::Context;
use super::oauth::{Token, TokenSource};
use crate::record::Timestamp;
use crate::transport::TransportError;
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::bindings as c;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{Producer, ThreadedProducer};
use rdkafka::types::RDKafkaRespErr;
use std::ops::Deref;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Milliseconds until a token that could not be had is looked for again: the old one may live for seconds only.
const RETRY_MS: i64 = 1_000;

/// The token of a process's clients.
pub(super) struct Tokens {
    source: TokenSource,
    /// Milliseconds since the epoch.
    now: fn() -> Timestamp,
    held: Mutex<Held>,
}

struct Held {
    token: Token,
    /// When the next one is looked for.
    renew_at: Timestamp,
    /// Why there was none, as it was told last.
    told: Option<String>,
    clients: Vec<Handle>,
}

/// A client, for whoever gives tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Handle(*mut c::rd_kafka_t);

// SAFETY: librdkafka's clients may be used from any thread, by several at once. That the client is alive is up to `Given`.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Tokens {
    /// Reads the first token.
    ///
    /// # Errors
    /// If there is none that is good.
    pub(super) fn new(source: TokenSource, now: fn() -> Timestamp) -> Result<Arc<Self>, TransportError> {
        let token = source.read(now()).map_err(|why| TransportError::Refused(without(&why)))?;
        let held = Held { renew_at: token.renew_at(now()), token, told: None, clients: Vec::new() };
        Ok(Arc::new(Self { source, now, held: Mutex::new(held) }))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the next token if it is time to, and gives it to all clients. Until there is one they have the old one.
    pub(super) fn renew(&self) {
        let now = (self.now)();
        if now < self.held().renew_at {
            return;
        }
        let read = self.source.read(now);
        let mut held = self.held();
        match read {
            Ok(token) => {
                for client in &held.clients {
                    client.give(&token);
                }
                (held.renew_at, held.told, held.token) = (token.renew_at(now), None, token);
            }
            Err(why) => {
                held.renew_at = now.saturating_add(RETRY_MS);
                if held.told.as_ref() != Some(&why) {
                    tracing::warn!("{}", without(&why));
                    held.told = Some(why);
                }
            }
        }
    }
}

/// There is no token.
fn without(why: &str) -> String {
    format!("MS-T026: there is no token for Kafka: {why}; see token under [transport.kafka.sasl], and who renews it")
}

impl Handle {
    fn give(self, token: &Token) {
        let mut why = [0; 256];
        // SAFETY: the client is alive: it is in the list, whose lock is held, and `Given` takes it out of there before the
        // client is destroyed. The texts are copied, there are no extensions, and the buffer has the room that is named.
        let error = unsafe {
            c::rd_kafka_oauthbearer_set_token(
                self.0,
                token.text.as_ptr(),
                token.expires,
                token.principal.as_ptr(),
                ptr::null_mut(),
                0,
                why.as_mut_ptr(),
                why.len(),
            )
        };
        // What librdkafka says of it may hold the token. It cannot but be too old by now: the rest was looked at.
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            tracing::debug!("a client did not take its token");
        }
    }
}

/// Keeps a client among those that get tokens.
struct Given {
    tokens: Arc<Tokens>,
    client: Handle,
}

impl Given {
    fn to(client: Handle, tokens: &Arc<Tokens>) -> Self {
        let mut held = tokens.held();
        client.give(&held.token);
        held.clients.push(client);
        drop(held);
        Self { tokens: Arc::clone(tokens), client }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.tokens.held().clients.retain(|client| *client != self.client);
    }
}

/// A client that has a token, if it needs one.
pub(super) struct WithToken<C> {
    // Before the client: it gets no tokens any more when it is destroyed.
    _given: Option<Given>,
    client: C,
}

impl<C: Native + FromClientConfigAndContext<Context>> WithToken<C> {
    pub(super) fn new(config: &ClientConfig, tokens: Option<&Arc<Tokens>>) -> Result<Self, TransportError> {
        let client: C = config.create_with_context(Context::default()).map_err(|error| super::refused(&error))?;
        let given = tokens.map(|tokens| Given::to(Handle(client.native()), tokens));
        Ok(Self { _given: given, client })
    }
}

impl<C> Deref for WithToken<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.client
    }
}

/// One of the crate's clients. The pointer is good until it is dropped, wherever it is moved.
pub(super) trait Native {
    fn native(&self) -> *mut c::rd_kafka_t;
}

impl Native for BaseConsumer<Context> {
    fn native(&self) -> *mut c::rd_kafka_t {
        self.client().native_ptr()
    }
}

impl Native for ThreadedProducer<Context> {
    fn native(&self) -> *mut c::rd_kafka_t {
        self.client().native_ptr()
    }
}

impl Native for AdminClient<Context> {
    fn native(&self) -> *mut c::rd_kafka_t {
        self.inner().native_ptr()
    }
}
