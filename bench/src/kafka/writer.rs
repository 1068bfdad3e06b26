//! A producer.

use super::client::{LIMIT, config};
use super::data::PARTITIONS;
use super::ffi::{self, Topic};
use crate::Failure;
use millstream::record::{Partition, partition_for};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A producer's client.
pub(super) type Output = BaseProducer<Deliveries>;

/// Notes whether a record was refused.
#[derive(Default)]
pub(super) struct Deliveries {
    refused: AtomicBool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.refused.store(true, Ordering::Relaxed);
        }
    }
}

/// A producer and the topics that it writes.
pub(super) struct Writer {
    // Before the producer: they are let go of first.
    topics: Vec<Topic>,
    /// The client.
    pub(super) producer: Output,
}

impl Writer {
    /// A producer, with transactions if it gets an id for them.
    ///
    /// # Errors
    /// If its settings are refused.
    pub(super) fn new(bootstrap: &str, id: Option<&str>, topics: &[&str]) -> Result<Self, Failure> {
        let producer = output(bootstrap, id).create_with_context(Deliveries::default())?;
        let topics = topics.iter().map(|topic| Topic::new(&producer, topic)).collect::<Result<_, _>>()?;
        Ok(Self { topics, producer })
    }

    /// Hands a record for one of the topics to the producer, for the partition where Java's would put its key; waits
    /// while the producer's queue is full.
    ///
    /// # Errors
    /// If it is refused.
    pub(super) fn send(
        &self,
        topic: usize,
        input: i32,
        key: Option<&[u8]>,
        value: &[u8],
        timestamp: i64,
    ) -> Result<(), Failure> {
        let topic = self.topics.get(topic).ok_or("there is no such topic")?;
        let partition = partition_for(key, Partition::new(input), PARTITIONS).get();
        while let Err(error) = topic.produce(&self.producer, partition, key, value, timestamp) {
            if error.0 != RDKafkaRespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until the brokers have everything.
    ///
    /// # Errors
    /// If they do not get it in time, or refuse some of it.
    pub(super) fn flush(&self) -> Result<(), Failure> {
        ffi::flush(&self.producer, LIMIT)?;
        self.serve()
    }

    /// Serves what is not about records.
    ///
    /// # Errors
    /// If a record was refused.
    pub(super) fn serve(&self) -> Result<(), Failure> {
        self.producer.poll(Duration::ZERO);
        if self.producer.context().refused.load(Ordering::Relaxed) {
            return Err("a record was refused".into());
        }
        Ok(())
    }
}

fn output(bootstrap: &str, id: Option<&str>) -> ClientConfig {
    let mut config = config(bootstrap);
    // As Java's producer does by default.
    config.set("enable.idempotence", "true");
    config.set("linger.ms", "5").set("batch.size", "524288").set("batch.num.messages", "100000");
    config.set("queue.buffering.max.messages", "1000000").set("queue.buffering.max.kbytes", "262144");
    config.set("delivery.report.only.error", "true").set("retry.backoff.ms", "5");
    if let Some(id) = id {
        config.set("transactional.id", id);
    }
    config
}
