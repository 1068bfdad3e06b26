//! Tokens of OAUTHBEARER: each client has one before it connects, and all get another before it expires. librdkafka asks
//! for them by an event that only who polls a client is told; so they are given unasked, before librdkafka would ask.
#![expect(unsafe_code, reason = "a token is set by librdkafka's C interface")]

use super::ffi_client::{Handle, Living};
use super::oauth::{Token, TokenSource};
use crate::record::Timestamp;
use crate::transport::TransportError;
use rdkafka::bindings as c;
use rdkafka::types::RDKafkaRespErr;
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
}

impl Tokens {
    /// Reads the first token.
    ///
    /// # Errors
    /// If there is none that is good.
    pub(super) fn new(source: TokenSource, now: fn() -> Timestamp) -> Result<Arc<Self>, TransportError> {
        let token = source.read(now()).map_err(|why| TransportError::Refused(without(&why)))?;
        let held = Held { renew_at: token.renew_at(now()), token, told: None };
        Ok(Arc::new(Self { source, now, held: Mutex::new(held) }))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the token to a client that is new.
    pub(super) fn give(&self, client: &Handle) {
        give(client, &self.held().token);
    }

    /// Reads the next token if it is time to, and gives it to all clients. Until there is one they have the old one.
    pub(super) fn renew(&self, clients: &Living) {
        let now = (self.now)();
        if now < self.held().renew_at {
            return;
        }
        let read = self.source.read(now);
        let mut held = self.held();
        match read {
            Ok(token) => {
                // Under the lock, so that who is new meanwhile does not get the old one after this.
                clients.each(|client| give(client, &token));
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

fn give(client: &Handle, token: &Token) {
    let mut why = [0; 256];
    // SAFETY: the client is alive. The texts are copied, there are no extensions, and the buffer has the room that is
    // named.
    let error = unsafe {
        c::rd_kafka_oauthbearer_set_token(
            client.native(),
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
