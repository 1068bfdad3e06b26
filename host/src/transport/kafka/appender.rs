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
    clients: Arc<Clients>,
    name: String,
    /// Bytes of the producer's batches, at most.
    batch_bytes: usize,
}

impl Appender {
    pub(super) fn new(clients: &Arc<Clients>, name: &str) -> Result<Self, TransportError> {
        Self::with(clients, name, clients.settings.batch_bytes())
    }

    fn with(clients: &Arc<Clients>, name: &str, batch_bytes: usize) -> Result<Self, TransportError> {
        let client = Arc::new(clients.producer(name, None, batch_bytes)?);
        let (outputs, clients) = (Outputs::of(&client, clients), Arc::clone(clients));
        Ok(Self { outputs, client, clients, name: name.into(), batch_bytes })
    }

    /// Produces the records of a batch; says how many there were.
    pub(super) fn produce(&mut self, partition: &TopicPartition, batch: Vec<u8>) -> Result<i64, TransportError> {
        let taken = self.clients.limits.of(&partition.topic);
        if taken < self.batch_bytes {
            self.flush()?;
            *self = Self::with(&self.clients, &self.name, taken)?;
        }
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
