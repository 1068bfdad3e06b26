//! What a task has to say to the world in the open transaction: record batches, ready to be appended.

use crate::record::batch::{BatchBuilder, Compression};
use crate::record::{Arena, Partition, Row, Topic, TopicPartition, partition_for};
use crate::transport::{Transaction, TransportError};

/// Bytes after which a batch is finished and the next one begun: what Kafka's producers are often tuned to; it keeps
/// a single read small.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Who knows how many partitions a topic has.
pub trait Topics {
    /// Number of partitions of an output topic, which is made if the transport does that.
    ///
    /// # Errors
    /// If the topic is not there and cannot be made.
    fn partitions(&mut self, topic: &Topic) -> Result<i32, TransportError>;

    /// Bytes of a batch that the topic takes at most; none: it does not mind.
    ///
    /// # Errors
    /// If that cannot be learnt.
    fn batch_bytes_max(&mut self, topic: &Topic) -> Result<Option<usize>, TransportError>;
}

/// Record batches by topic and partition.
#[derive(Debug, Default)]
pub struct Outbox {
    topics: Vec<OutTopic>,
    bytes: usize,
    /// Bytes of a batch that every topic takes, less what [`usize::MAX`] lacks: so none are known at first.
    short: usize,
}

#[derive(Debug)]
struct OutTopic {
    topic: Topic,
    partitions: Vec<OutPartition>,
    /// Bytes of a batch that it takes at most; none: it does not mind.
    limit: Option<usize>,
}

#[derive(Debug)]
struct OutPartition {
    open: BatchBuilder,
    finished: Vec<Vec<u8>>,
}

impl OutPartition {
    fn new() -> Self {
        Self { open: BatchBuilder::new(Compression::None), finished: Vec::new() }
    }
}

/// The topic of a sink, and its place in the outbox once something was written to it.
#[derive(Debug)]
pub(super) struct SinkTopic {
    pub(super) topic: Topic,
    place: Option<usize>,
}

impl SinkTopic {
    pub(super) const fn new(topic: Topic) -> Self {
        Self { topic, place: None }
    }

    /// Whether its place is known.
    pub(super) const fn is_placed(&self) -> bool {
        self.place.is_some()
    }

    /// Its place; the topic is made if it has none.
    pub(super) fn place(&mut self, outbox: &mut Outbox, topics: &mut dyn Topics) -> Result<usize, TransportError> {
        match self.place {
            Some(place) => Ok(place),
            None => {
                let place = outbox.topic(&self.topic, topics)?;
                self.place = Some(place);
                Ok(place)
            }
        }
    }
}

impl Outbox {
    /// The place of a topic in this outbox.
    ///
    /// # Errors
    /// If the topic's partitions cannot be learnt.
    pub fn topic(&mut self, topic: &Topic, topics: &mut dyn Topics) -> Result<usize, TransportError> {
        if let Some(place) = self.topics.iter().position(|out| out.topic == *topic) {
            return Ok(place);
        }
        let count = topics.partitions(topic)?;
        let limit = topics.batch_bytes_max(topic)?;
        self.short = self.short.max(limit.map_or(0, |limit| usize::MAX - limit));
        let partitions = (0..count).map(|_| OutPartition::new()).collect();
        self.topics.push(OutTopic { topic: topic.clone(), partitions, limit });
        Ok(self.topics.len() - 1)
    }

    /// Makes room for partitions that topics got, as far as it is known how many they have.
    pub(super) fn widen(&mut self, partitions: &dyn Fn(&Topic) -> Option<i32>) {
        for out in &mut self.topics {
            let count = partitions(&out.topic).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
            let count = count.max(out.partitions.len());
            out.partitions.resize_with(count, OutPartition::new);
        }
    }

    /// Appends a row to its partition of the topic at `place`.
    pub fn push(&mut self, place: usize, row: &Row, arena: &Arena, input: Partition) {
        let Some(out) = self.topics.get_mut(place) else { return };
        let key = arena.get(row.key);
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "it was an i32")]
        let count = out.partitions.len() as i32;
        let partition = if count == 1 { Partition::new(0) } else { partition_for(key, input, count) };
        #[expect(clippy::cast_sign_loss, reason = "partition_for gives a partition in range")]
        let Some(out) = out.partitions.get_mut(partition.get() as usize) else { return };
        let before = out.open.size();
        out.open.append(row.timestamp, key, arena.get(row.value), arena.bytes(row.headers));
        self.bytes += out.open.size() - before;
        if out.open.size() >= BATCH_BYTES_MAX {
            out.finished.push(out.open.finish());
        }
    }

    /// The topic at `place`, and bytes of a batch that it takes at most; none: it does not mind.
    pub(super) fn limit(&self, place: usize) -> Option<(&Topic, usize)> {
        self.topics.get(place).and_then(|out| Some((&out.topic, out.limit?)))
    }

    /// Bytes of a batch that all topics take.
    pub(super) const fn limit_min(&self) -> usize {
        usize::MAX - self.short
    }

    /// Bytes waiting.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Moves everything into the transaction.
    pub fn drain(&mut self, transaction: &mut Transaction) {
        for OutTopic { topic, partitions, .. } in &mut self.topics {
            for (number, out) in (0i32..).zip(partitions) {
                if out.open.count() > 0 {
                    out.finished.push(out.open.finish());
                }
                let partition = TopicPartition::new(topic.clone(), Partition::new(number));
                transaction.outputs.extend(out.finished.drain(..).map(|batch| (partition.clone(), batch)));
            }
        }
        self.bytes = 0;
    }

    /// Forgets all records; topics keep their places.
    pub fn clear(&mut self) {
        for out in self.topics.iter_mut().flat_map(|out| &mut out.partitions) {
            out.open.clear();
            out.finished.clear();
        }
        self.bytes = 0;
    }
}
