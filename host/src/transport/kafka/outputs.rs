//! The records of prepared batches on their way to a producer.

use super::clients::Clients;
use super::ffi::{NotTaken, OutputTopic, Produce, ProducerClient};
use super::settings::TRANSACTION_TIMEOUT;
use crate::record::batch::Batches;
use crate::record::{Topic, TopicPartition};
use crate::transport::TransportError;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaRespErr;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long a full producer is waited for: a transaction is over by then.
const FULL_MAX: Duration = TRANSACTION_TIMEOUT;
/// Pause while it is full.
const FULL_PAUSE: Duration = Duration::from_millis(1);
/// So long it is asked for partitions that a topic has got and the producer does not know of.
const LEARN: Duration = Duration::from_secs(2);
/// Pause before it is asked again.
const LEARN_PAUSE: Duration = Duration::from_millis(20);

/// A producer's topics.
pub(super) struct Outputs {
    // Before the client: topics are let go of first.
    topics: HashMap<Topic, OutputTopic>,
    producer: Arc<ProducerClient>,
    clients: Arc<Clients>,
}

impl Outputs {
    pub(super) fn of(producer: &Arc<ProducerClient>, clients: &Arc<Clients>) -> Self {
        let (producer, clients) = (Arc::clone(producer), Arc::clone(clients));
        Self { topics: HashMap::new(), producer, clients }
    }

    /// Bytes of a batch that all topics that were written take, as far as is known.
    pub(super) fn batch_bytes(&self) -> usize {
        self.topics.keys().map(|topic| self.clients.limits.of(topic)).min().unwrap_or(usize::MAX)
    }

    /// The topics that were written, for people.
    pub(super) fn topics(&self) -> String {
        let mut topics: Vec<&str> = self.topics.keys().map(Topic::as_str).collect();
        topics.sort_unstable();
        topics.join(", ")
    }

    /// Hands the records of a batch to the producer, which copies them; waits while it is full. Says how many there were.
    pub(super) fn produce(&mut self, partition: &TopicPartition, batch: Vec<u8>) -> Result<i64, String> {
        if !self.topics.contains_key(&partition.topic) {
            let topic = OutputTopic::new(&self.producer, partition.topic.as_str());
            let topic = topic.ok_or_else(|| format!("there is no topic {}", partition.topic))?;
            self.topics.insert(partition.topic.clone(), topic);
        }
        let Some(topic) = self.topics.get(&partition.topic) else { return Ok(0) };
        let mut count = 0;
        for batch in Batches::new(Arc::new(batch)) {
            let batch = batch.map_err(|error| error.to_string())?;
            let payload = batch.payload();
            for record in batch.records() {
                let record = record.map_err(|error| error.to_string())?;
                let record = Produce {
                    partition: partition.partition.get(),
                    timestamp: record.timestamp,
                    key: record.key.of(payload),
                    value: record.value.of(payload),
                    headers: record.headers.of(payload).unwrap_or_default(),
                };
                hand_over(topic, &record, || learn(&self.producer, &partition.topic))?;
                count += 1;
            }
        }
        Ok(count)
    }
}

/// What is told of a record that was not delivered, if that will not get better.
pub(super) fn refusal(code: RDKafkaErrorCode, place: &str) -> Option<TransportError> {
    let remedy = match code {
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "grant the app's user WRITE on the topic"
        }
        RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
            "raise the topic's max.message.bytes, or make smaller records"
        }
        _ => return None,
    };
    Some(TransportError::Refused(format!("MS-T020: a record for {place} was refused: {code}; {remedy}")))
}

/// Asks for a topic's partitions: the producer hears of new ones by itself after minutes only.
fn learn(producer: &ProducerClient, topic: &Topic) {
    if let Err(error) = producer.client().fetch_metadata(Some(topic.as_str()), LEARN) {
        tracing::debug!(%topic, "kafka: {error}");
    }
}

fn hand_over(topic: &OutputTopic, record: &Produce<'_>, learn: impl Fn()) -> Result<(), String> {
    let mut began = None;
    while let Err(not_taken) = topic.produce(record) {
        // The clock is read only where a record is not taken.
        let began = *began.get_or_insert_with(Instant::now);
        match not_taken {
            NotTaken::Full if began.elapsed() < FULL_MAX => std::thread::sleep(FULL_PAUSE),
            NotTaken::Error(RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION) if began.elapsed() < LEARN => {
                learn();
                std::thread::sleep(LEARN_PAUSE);
            }
            NotTaken::Full => return Err("the producer's queue stays full".into()),
            NotTaken::Error(error) => return Err(RDKafkaErrorCode::from(error).to_string()),
        }
    }
    Ok(())
}
