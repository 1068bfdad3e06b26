//! Clients as who writes such a loop by hand would set them up for speed.

use super::ffi::{self, Message};
use super::reader::{Input, Source, places};
use super::writer::Writer;
use crate::Failure;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// How long a broker may take for what is asked of it: a benchmark that waits longer is void.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// How long a loop that finds nothing waits for more.
pub(super) const WAIT: Duration = Duration::from_millis(2);

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

/// What a consumer is told.
pub(super) fn input(bootstrap: &str, group: &str) -> ClientConfig {
    let mut config = config(bootstrap);
    config.set("group.id", group).set("auto.offset.reset", "earliest").set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("queued.min.messages", "100000").set("fetch.queue.backoff.ms", "5");
    config.set("fetch.wait.max.ms", "50");
    config
}
