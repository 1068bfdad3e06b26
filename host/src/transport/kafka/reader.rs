//! Reading partitions: from librdkafka's queues into rows' bytes, no object a record.

use super::clients::Clients;
use super::ffi::ConsumerClient;
use super::ffi_queue::{Headers, PartitionQueue, Taken};
use super::offsets::{one, one_at};
use super::wake::Wake;
use crate::record::batch::Record;
use crate::record::{Cell, Chunk, Offset, Topic, TopicPartition, headers};
use crate::transport::{Fetch, Records, TransportError};
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaRespErr;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How long an answer about leaders is waited for: one that does not come is not needed either.
const LEADERS: Duration = Duration::from_secs(1);

/// A consumer to which partitions are assigned by hand.
pub(super) struct Reader {
    consumer: Arc<ConsumerClient>,
    wake: Arc<Wake>,
    streams: HashMap<TopicPartition, Stream>,
    /// Topics whose leaders it has asked for.
    known: HashSet<Topic>,
}

/// One partition that is read.
struct Stream {
    queue: PartitionQueue,
    /// What the queue gives next.
    next: Offset,
    /// Whether the partition ended there when it was last heard of.
    ended: bool,
    /// Why it cannot be read on, to be told after what came before.
    unread: Option<Unread>,
    /// Bytes and records that it gave last: the next ones find room for as much.
    last: (usize, usize),
}

/// Why a partition cannot be read on.
#[derive(Debug)]
pub(super) enum Unread {
    /// What was asked for is not there any more.
    OutOfRange,
    /// The partition is gone.
    Unknown,
    /// The app's user may not read it.
    Refused(String),
    /// Something that may pass.
    Failed(String),
}

impl Reader {
    /// A reader of committed records.
    pub(super) fn new(clients: &Clients, name: &str, group: &str) -> Result<Self, TransportError> {
        let isolation = if crate::fault::is("reads-uncommitted") { "read_uncommitted" } else { "read_committed" };
        let consumer = Arc::new(clients.reader(name, group, isolation)?);
        Ok(Self { consumer, wake: Arc::default(), streams: HashMap::new(), known: HashSet::new() })
    }

    /// Serves what is not about records.
    pub(super) fn serve(&self) {
        for error in self.consumer.take_errors() {
            tracing::debug!("kafka: {error}");
        }
    }

    /// Waits until something came, or so long.
    pub(super) fn wait(&self, timeout: Duration) {
        self.wake.wait(timeout);
    }

    /// What came of a partition from `from` on.
    pub(super) fn fetch(
        &mut self,
        partition: &TopicPartition,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Fetch, Unread> {
        if self.streams.get(partition).is_none_or(|stream| stream.next != from) {
            self.assign(partition, from)?;
        }
        let Some(stream) = self.streams.get_mut(partition) else { return Ok(Fetch::Pending) };
        stream.take(bytes_max)
    }

    fn assign(&mut self, partition: &TopicPartition, from: Offset) -> Result<(), Unread> {
        self.release(partition);
        self.know(&partition.topic);
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        let queue = PartitionQueue::new(&self.consumer, topic, number, &self.wake).ok_or(Unread::Unknown)?;
        let list = one_at(partition, from.get()).map_err(|error| Unread::Failed(error.to_string()))?;
        let assigned = self.consumer.incremental_assign(&list);
        assigned.map_err(|error| Unread::Failed(error.to_string()))?;
        self.streams.insert(partition.clone(), Stream { queue, next: from, ended: false, unread: None, last: (0, 0) });
        Ok(())
    }

    /// Asks for a topic's leaders before it is read for the first time: librdkafka does so by itself, half a second later.
    fn know(&mut self, topic: &Topic) {
        if !self.known.contains(topic) && self.consumer.fetch_metadata(Some(topic.as_str()), LEADERS).is_ok() {
            self.known.insert(topic.clone());
        }
    }

    /// Reads a partition no longer.
    pub(super) fn release(&mut self, partition: &TopicPartition) {
        if self.streams.remove(partition).is_none() {
            return;
        }
        if let Err(error) = self.consumer.incremental_unassign(&one(partition)) {
            tracing::debug!(%partition, "kafka: {error}");
        }
    }
}

impl Stream {
    fn take(&mut self, bytes_max: usize) -> Result<Fetch, Unread> {
        if let Some(unread) = self.unread.take() {
            return Err(unread);
        }
        // A single large record is no measure for what comes.
        let room = (self.last.0.min(bytes_max.saturating_mul(2)), self.last.1);
        let (mut bytes, mut records) = (Vec::with_capacity(room.0), Vec::with_capacity(room.1));
        let (mut next, mut ended, mut unread) = (self.next, self.ended, None);
        loop {
            let count = self.queue.take(|taken| match taken {
                Taken::Message { offset, timestamp, key, value, headers } if *offset >= next.get() => {
                    let key = put(&mut bytes, *key);
                    let value = put(&mut bytes, *value);
                    let headers = put_headers(&mut bytes, headers);
                    next = Offset::new(*offset).next();
                    ended = false;
                    records.push(Record { offset: Offset::new(*offset), timestamp: *timestamp, key, value, headers });
                }
                Taken::Message { .. } => {}
                Taken::End(offset) => (next, ended) = (next.max(Offset::new(*offset)), true),
                Taken::Error(error, text) => unread = Some(why(*error, text)),
            });
            if count == 0 || bytes.len() >= bytes_max || unread.is_some() {
                break;
            }
        }
        (self.next, self.ended, self.unread) = (next, ended, unread);
        self.last = (bytes.len(), records.len());
        Ok(match (records.is_empty(), ended) {
            (false, _) => Fetch::Records(Records { bytes: Arc::new(bytes), records, next }),
            (true, _) if self.unread.is_some() => return self.take(bytes_max),
            (true, true) => Fetch::End(next),
            (true, false) => Fetch::Pending,
        })
    }
}

fn why(error: RDKafkaRespErr, text: &str) -> Unread {
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => Unread::OutOfRange,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC
        | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION => Unread::Unknown,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED => Unread::Refused(text.into()),
        _ => Unread::Failed(text.into()),
    }
}

/// Appends a field; its cell is relative to the beginning of the bytes.
fn put(bytes: &mut Vec<u8>, field: Option<&[u8]>) -> Cell {
    let Some(field) = field else { return Cell::NULL };
    let start = bytes.len();
    bytes.extend_from_slice(field);
    cell(start, field.len())
}

/// A queue holds a few megabytes, and a message 100 MB at most.
#[expect(clippy::cast_possible_truncation, reason = "a queue is far smaller than 4 GiB")]
fn cell(start: usize, length: usize) -> Cell {
    Chunk::FIRST.cell(start as u32, length as u32)
}

/// Appends headers as they lie in a batch.
fn put_headers(bytes: &mut Vec<u8>, message: &Headers<'_>) -> Cell {
    let mut found: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    if message.each(|name, value| found.push((name.to_vec(), value.map(<[u8]>::to_vec)))) == 0 {
        return Cell::EMPTY;
    }
    let section = headers::encode(found.iter().map(|(name, value)| (name.as_slice(), value.as_deref())));
    put(bytes, Some(&section))
}
