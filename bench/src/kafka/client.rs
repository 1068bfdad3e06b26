//! Clients as who writes such a loop by hand would set them up for speed.

use super::data::PARTITIONS;
use super::ffi::{self, Message, Queue, Topic};
use crate::Failure;
use millstream::record::{Partition, partition_for};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a broker may take for what is asked of it: a benchmark that waits longer is void.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// How long a loop that finds nothing waits for more.
const WAIT: Duration = Duration::from_millis(2);

/// A consumer of the loop's group.
pub(super) type Input = BaseConsumer;
/// A producer.
pub(super) type Output = BaseProducer<Deliveries>;

/// An error code of librdkafka.
#[derive(Debug)]
pub(super) struct Failed(pub(super) RDKafkaRespErr);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "librdkafka: {:?}", self.0)
    }
}

impl std::error::Error for Failed {}

/// What a client of any kind is told.
pub(super) fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

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

/// A topic that is read.
pub(super) struct Source {
    topic: String,
    queue: Queue,
    /// Where each partition is read next.
    positions: Vec<i64>,
}

/// A loop's clients: one consumer and one producer.
pub(super) struct Clients {
    // Before the consumer: its queues are let go of first.
    sources: Vec<Source>,
    consumer: Input,
    output: Writer,
    transactional: bool,
}

impl Clients {
    /// Joins the group, and waits until all partitions are there.
    ///
    /// # Errors
    /// If that does not come to pass.
    pub(super) fn join(
        bootstrap: &str,
        group: &str,
        topics: &[&str],
        outputs: &[&str],
        transactional: bool,
    ) -> Result<Self, Failure> {
        let consumer: Input = input(bootstrap, group).create()?;
        let sources = topics.iter().map(|topic| Source::new(&consumer, topic));
        let sources = sources.collect::<Result<_, _>>()?;
        let output = Writer::new(bootstrap, transactional.then_some(group), outputs)?;
        let clients = Self { sources, consumer, output, transactional };
        clients.consumer.subscribe(topics)?;
        let (wanted, end) = (topics.len() * places(), Instant::now() + LIMIT);
        while clients.consumer.assignment()?.count() < wanted {
            clients.serve(Duration::from_millis(10))?;
            if Instant::now() > end {
                return Err("the group gave no partitions".into());
            }
        }
        if transactional {
            clients.output.producer.init_transactions(LIMIT)?;
        }
        Ok(clients)
    }

    /// Serves what is not about records: membership, errors.
    ///
    /// # Errors
    /// If a client failed.
    pub(super) fn serve(&self, wait: Duration) -> Result<(), Failure> {
        match self.consumer.poll(wait) {
            None => {}
            Some(Ok(_)) => return Err("a record came past its queue".into()),
            Some(Err(KafkaError::MessageConsumption(error))) => eprintln!("consumer: {error}"),
            Some(Err(error)) => return Err(error.into()),
        }
        self.output.serve()
    }

    /// Takes records of a source; waits a little if there are none and `waits` is set.
    ///
    /// # Errors
    /// If reading fails, or what is done with a record.
    pub(super) fn fetch(
        &mut self,
        source: usize,
        waits: bool,
        mut each: impl FnMut(&Writer, Message<'_>) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let source = self.sources.get_mut(source).ok_or("there is no such source")?;
        let (output, positions) = (&self.output, &mut source.positions);
        source.queue.fetch(if waits { WAIT } else { Duration::ZERO }, |message| {
            let place = usize::try_from(message.partition)?;
            *positions.get_mut(place).ok_or("a partition that was not there")? = message.offset + 1;
            each(output, message)
        })
    }

    /// Where it writes.
    pub(super) fn output(&self) -> &Writer {
        &self.output
    }

    /// Begins a transaction, if the loop has them.
    ///
    /// # Errors
    /// If that is refused.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        if self.transactional {
            self.output.producer.begin_transaction()?;
        }
        Ok(())
    }

    /// Commits what was produced and how far was read; `applies` is done when the records are safe and before offsets
    /// without a transaction are.
    ///
    /// # Errors
    /// If it cannot be committed.
    pub(super) fn commit(&self, applies: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
        let mut offsets = TopicPartitionList::new();
        for source in &self.sources {
            for (partition, position) in (0..).zip(&source.positions).filter(|(_, position)| **position > 0) {
                offsets.add_partition_offset(&source.topic, partition, Offset::Offset(*position))?;
            }
        }
        if self.transactional {
            let member = self.consumer.group_metadata().ok_or("the loop is in no group")?;
            self.output.producer.send_offsets_to_transaction(&offsets, &member, LIMIT)?;
            ffi::commit(&self.output.producer, LIMIT)?;
            applies()?;
        } else {
            self.output.flush()?;
            applies()?;
            // librdkafka refuses to commit nothing.
            if offsets.count() > 0 {
                self.consumer.commit(&offsets, CommitMode::Sync)?;
            }
        }
        self.serve(Duration::ZERO)
    }
}

impl Source {
    /// All partitions' records come into one queue, also those that the group gives later.
    fn new(consumer: &Input, topic: &str) -> Result<Self, Failure> {
        let queue = Queue::new(consumer);
        for partition in 0..PARTITIONS {
            queue.take_in(consumer, topic, partition)?;
        }
        Ok(Self { topic: topic.into(), queue, positions: vec![0; places()] })
    }
}

/// The number of partitions, to count with.
fn places() -> usize {
    usize::try_from(PARTITIONS).unwrap_or_default()
}

/// Shows each committed record of a topic, up to its end as it is now.
///
/// # Errors
/// If it cannot be read, or `each` fails.
pub(super) fn read_all(
    bootstrap: &str,
    topic: &str,
    mut each: impl FnMut(Message<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut config = input(bootstrap, "millstream-bench-reader");
    let consumer: Input = config.set("enable.partition.eof", "true").create()?;
    let mut source = Source::new(&consumer, topic)?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut end = Instant::now() + LIMIT;
    while source.queue.ends < places() {
        if source.queue.fetch(WAIT, &mut each)? > 0 {
            end = Instant::now() + LIMIT;
        } else if Instant::now() > end {
            return Err(format!("{topic} cannot be read to its end").into());
        }
    }
    Ok(())
}

/// A producer and the topics that it writes.
pub(super) struct Writer {
    // Before the producer: they are let go of first.
    topics: Vec<Topic>,
    producer: Output,
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

    fn serve(&self) -> Result<(), Failure> {
        self.producer.poll(Duration::ZERO);
        if self.producer.context().refused.load(Ordering::Relaxed) {
            return Err("a record was refused".into());
        }
        Ok(())
    }
}

fn input(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = config(bootstrap);
    config.set("group.id", group).set("auto.offset.reset", "earliest").set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("queued.min.messages", "100000").set("fetch.queue.backoff.ms", "5");
    config.set("fetch.wait.max.ms", "50");
    config
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
