//! A producer without transactions: for tools, and for workers that promise at-least-once.

use super::clients::Clients;
use super::ffi::{self, ProducerClient};
use super::outputs::{Outputs, refusal};
use crate::record::TopicPartition;
use crate::transport::TransportError;
use rdkafka::producer::Producer;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long records may take to be acknowledged by the brokers.
const FLUSH: Duration = Duration::from_secs(30);
/// How long they are waited for at once.
const FLUSH_STEP: Duration = Duration::from_secs(1);

/// A producer whose records stand for themselves.
pub(super) struct Appender {
    outputs: Outputs,
    client: Arc<ProducerClient>,
}

impl Appender {
    pub(super) fn new(clients: &Clients, name: &str) -> Result<Self, TransportError> {
        let client = Arc::new(clients.producer(name, None)?);
        Ok(Self { outputs: Outputs::of(&client), client })
    }

    /// Produces the records of a batch; says how many there were.
    pub(super) fn produce(&mut self, partition: &TopicPartition, batch: Vec<u8>) -> Result<i64, TransportError> {
        self.outputs.produce(partition, batch).map_err(TransportError::InDoubt)
    }

    /// Waits until the brokers have everything.
    ///
    /// # Errors
    /// `Refused` if that will not get better; `InDoubt` if some of it may not be there, and never will be.
    pub(super) fn flush(&mut self) -> Result<(), TransportError> {
        let began = Instant::now();
        while !ffi::flush(&self.client, FLUSH_STEP) {
            if began.elapsed() >= FLUSH {
                let why = format!("records were not acknowledged within {} s", FLUSH.as_secs());
                return Err(TransportError::InDoubt(why));
            }
        }
        match self.client.client().context().take_failure() {
            None => Ok(()),
            Some((code, place)) => Err(refusal(code, &place)
                .unwrap_or_else(|| TransportError::InDoubt(format!("a record for {place} was not delivered: {code}")))),
        }
    }
}
