//! A small Kafka client for tests: topics, records of any isolation, offsets of a group.

use crate::await_that;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

/// How long the broker may take for one answer before the test fails.
const ANSWER: Duration = Duration::from_secs(30);

/// How long a node may take for an answer, milliseconds, before its connection counts as dead: a paused node holds its
/// connections.
const NODE_ANSWER_MS: &str = "5000";

/// Records handed to a producer at once; its queue holds 100,000.
const QUEUE_RECORDS: usize = 50_000;
/// Longest pause before a node that went away is looked for again, milliseconds: tests wait for it.
const RECONNECT_MS: &str = "500";

/// A record as tests write and compare it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its partition.
    pub(crate) partition: i32,
    /// Its offset; the broker chooses it.
    pub(crate) offset: i64,
    /// Its key.
    pub(crate) key: Option<Vec<u8>>,
    /// Its value.
    pub(crate) value: Option<Vec<u8>>,
    /// Its timestamp.
    pub(crate) timestamp: i64,
    /// Its headers.
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Kafka's `isolation.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// What was committed.
    Committed,
    /// What was written, aborted or not.
    Uncommitted,
}

/// A connection to a broker.
pub(crate) struct Client {
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
    producer: BaseProducer<Refused>,
}

/// Records that the broker refused: flushing succeeds all the same.
#[derive(Default)]
struct Refused(Mutex<Vec<KafkaError>>);

impl ClientContext for Refused {}

impl ProducerContext for Refused {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().expect("nobody panicked").push(error.clone());
        }
    }
}

impl Client {
    /// Connects when it is first used.
    pub(crate) fn to(bootstrap: &str) -> Self {
        let config = base(bootstrap);
        Self {
            bootstrap: bootstrap.into(),
            admin: config.create().expect("a client"),
            producer: config.create_with_context(Refused::default()).expect("a client"),
        }
    }

    /// Nodes that the cluster knows of.
    pub(crate) fn nodes(&self) -> usize {
        let metadata = self.producer.client().fetch_metadata(None, ANSWER);
        metadata.map_or(0, |metadata| metadata.brokers().len())
    }

    /// Whether every partition, Kafka's own too, has all its replicas in sync: only then may another node go.
    pub(crate) fn in_sync(&self) -> bool {
        let metadata = self.producer.client().fetch_metadata(None, ANSWER).expect("the broker answers");
        let mut partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        partitions.all(|partition| partition.isr().len() == partition.replicas().len())
    }

    /// All topics with their numbers of partitions, Kafka's own too.
    pub(crate) fn all_topics(&self) -> BTreeMap<String, usize> {
        let metadata = self.producer.client().fetch_metadata(None, ANSWER).expect("the broker answers");
        metadata.topics().iter().map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
    }

    /// The same, Kafka's own left out.
    pub(crate) fn topics(&self) -> BTreeMap<String, usize> {
        self.all_topics().into_iter().filter(|(topic, _)| !topic.starts_with("__")).collect()
    }

    /// Makes a topic, as many replicas as the broker's default says, and waits until every node knows it: librdkafka
    /// takes the word of one that does not yet for half a minute, and then refuses records.
    pub(crate) fn create(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let made = pollster::block_on(self.admin.create_topics([&new], &AdminOptions::new()));
        made.expect("the broker answers").remove(0).expect("the topic is made");
        await_that("a new topic is known to all nodes", || self.is_known(name));
    }

    fn is_known(&self, topic: &str) -> bool {
        let metadata = self.producer.client().fetch_metadata(Some(topic), ANSWER).expect("the broker answers");
        let what = ResourceSpecifier::Topic(topic);
        // A node that has just started may know of no node, not even of itself.
        let known = metadata.topics().iter().all(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        known
            && !metadata.brokers().is_empty()
            && metadata.brokers().iter().all(|node| {
                let found = self.admin.describe_configs([&what], &AdminOptions::new().broker_id(node.id()));
                pollster::block_on(found).is_ok_and(|found| found.iter().all(Result::is_ok))
            })
    }

    /// Gives a topic more partitions.
    pub(crate) fn grow(&self, name: &str, partitions: usize) {
        let new = NewPartitions::new(name, partitions);
        let made = pollster::block_on(self.admin.create_partitions([&new], &AdminOptions::new()));
        made.expect("the broker answers").remove(0).expect("the partitions are made");
        await_that("new partitions are there", || self.topics().get(name) == Some(&partitions));
    }

    /// Deletes a topic and waits until it is gone.
    pub(crate) fn delete(&self, name: &str) {
        let gone = pollster::block_on(self.admin.delete_topics(&[name], &AdminOptions::new()));
        gone.expect("the broker answers").remove(0).expect("the topic is deleted");
        await_that("a deleted topic is gone", || !self.topics().contains_key(name));
    }

    /// Deletes the records of a partition before an offset. That its topic's policy allows it by now, its leader may hear a
    /// little later.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).expect("an offset");
        await_that("the records are deleted", || {
            let done = pollster::block_on(self.admin.delete_records(&list, &AdminOptions::new()));
            match done.expect("the broker answers").elements().first().expect("one").error() {
                Err(KafkaError::OffsetFetch(RDKafkaErrorCode::PolicyViolation)) => false,
                done => done.map(|()| true).expect("the records are deleted"),
            }
        });
    }

    /// Changes a setting of a topic; its others go back to what they are by default.
    pub(crate) fn set(&self, topic: &str, key: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        let done = pollster::block_on(self.admin.alter_configs([&change], &AdminOptions::new()));
        done.expect("the broker answers").remove(0).expect("the setting is changed");
    }

    /// How many replicas each partition of a topic has.
    pub(crate) fn replicas(&self, topic: &str) -> Vec<usize> {
        let metadata = self.producer.client().fetch_metadata(Some(topic), ANSWER).expect("the broker answers");
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        partitions.map(|partition| partition.replicas().len()).collect()
    }

    /// Settings of a topic.
    pub(crate) fn settings(&self, topic: &str) -> BTreeMap<String, String> {
        let what = ResourceSpecifier::Topic(topic);
        let found = pollster::block_on(self.admin.describe_configs([&what], &AdminOptions::new()));
        let found = found.expect("the broker answers").remove(0).expect("the topic is there");
        found.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
    }

    /// Appends records and waits until the broker has them all.
    pub(crate) fn produce(&self, topic: &str, records: &[Record]) {
        for some in records.chunks(QUEUE_RECORDS) {
            send(&self.producer, topic, some);
            self.producer.flush(ANSWER).expect("the broker takes the records");
        }
        let refused = std::mem::take(&mut *self.producer.context().0.lock().expect("nobody panicked"));
        assert_eq!(refused, [], "the broker refused records of {topic}");
    }

    /// A producer of transactions.
    pub(crate) fn transactional(&self, id: &str) -> BaseProducer {
        let producer: BaseProducer = base(&self.bootstrap).set("transactional.id", id).create().expect("a client");
        producer.init_transactions(ANSWER).expect("the broker answers");
        producer
    }

    /// All records of a topic up to its end, in the order of each partition.
    pub(crate) fn read(&self, topic: &str, isolation: Isolation) -> Vec<Record> {
        let consumer = self.consumer("tests", isolation);
        let partitions = *self.all_topics().get(topic).unwrap_or_else(|| panic!("there is no topic {topic}"));
        let mut list = TopicPartitionList::new();
        for partition in (0..).take(partitions) {
            list.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        }
        consumer.assign(&list).expect("partitions can be read");
        let (mut records, mut ended) = (Vec::new(), 0);
        while ended < partitions {
            match consumer.poll(ANSWER).expect("the broker answers") {
                Ok(message) => records.push(record(&message)),
                Err(KafkaError::PartitionEOF(_)) => ended += 1,
                Err(error) => panic!("{topic} cannot be read: {error}"),
            }
        }
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    /// Waits until no transaction is open on a topic: the mark at the end of one comes a little after its commit.
    pub(crate) fn await_stable(&self, topic: &str) {
        let partitions = self.topics().get(topic).copied().unwrap_or_default();
        let stable = |partition| {
            self.bounds(topic, partition, Isolation::Committed) == self.bounds(topic, partition, Isolation::Uncommitted)
        };
        await_that("transactions end", || (0..).take(partitions).all(stable));
    }

    /// First offset and end of a partition: the high watermark, or for what is committed the last stable offset.
    pub(crate) fn bounds(&self, topic: &str, partition: i32, isolation: Isolation) -> (i64, i64) {
        let consumer = self.consumer("tests", isolation);
        consumer.fetch_watermarks(topic, partition, ANSWER).expect("the broker answers")
    }

    /// Where a group goes on reading a partition.
    pub(crate) fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.positions(group).find(topic, partition)
    }

    /// How many partitions each member of a group has, of the one topic that they read; nothing while the group forms, or a
    /// broker that has just started does not know it yet.
    pub(crate) fn tasks_of_members(&self, group: &str) -> Vec<usize> {
        let Ok(groups) = self.admin.inner().fetch_group_list(Some(group), ANSWER) else { return Vec::new() };
        let stable = groups.groups().iter().filter(|group| group.state() == "Stable");
        stable.flat_map(|group| group.members()).map(|member| partitions_of(member.assignment())).collect()
    }

    /// What asks for a group's offsets, again and again over one connection.
    pub(crate) fn positions(&self, group: &str) -> Positions {
        let [committed, all] = [Isolation::Committed, Isolation::Uncommitted].map(|level| self.consumer(group, level));
        Positions { committed, all }
    }

    fn consumer(&self, group: &str, isolation: Isolation) -> BaseConsumer {
        let level = if isolation == Isolation::Committed { "read_committed" } else { "read_uncommitted" };
        let mut config = base(&self.bootstrap);
        config.set("group.id", group).set("isolation.level", level).set("enable.partition.eof", "true");
        config.set("enable.auto.commit", "false").set("fetch.wait.max.ms", "50").create().expect("a client")
    }
}

/// The number of partitions of the first topic of an assignment as Kafka writes it: two bytes of version, four with the
/// number of topics, the topic's name after two with its length, four with the number of its partitions.
fn partitions_of(assignment: Option<&[u8]>) -> usize {
    let number = |at: std::ops::Range<usize>| {
        let bytes = assignment?.get(at)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    let name = number(6..8).unwrap_or(0);
    number(8 + name..12 + name).unwrap_or(0)
}

/// Offsets of a group, by consumers that are no members of it.
pub(crate) struct Positions {
    committed: BaseConsumer,
    all: BaseConsumer,
}

impl Positions {
    /// Where the group goes on reading a partition; none as well while nobody knows it.
    pub(crate) fn find(&self, topic: &str, partition: i32) -> Option<i64> {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, partition);
        let found = match self.committed.committed_offsets(list, ANSWER) {
            // The group's node is away, or has just started and reads what it knew.
            Err(KafkaError::MetadataFetch(_)) => return None,
            found => found.expect("the broker answers"),
        };
        match found.elements().first().expect("one").offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// Whether the group has read all that is in a partition which transactions alone write, and none is open: its last
    /// offset is then a mark.
    pub(crate) fn is_through(&self, topic: &str, partition: i32) -> bool {
        let bounds = |consumer: &BaseConsumer| consumer.fetch_watermarks(topic, partition, ANSWER);
        let (_, end) = bounds(&self.all).expect("the broker answers");
        let (_, stable) = bounds(&self.committed).expect("the broker answers");
        end == stable && (end == 0 || self.find(topic, partition) >= Some(end - 1))
    }
}

/// Hands records to a producer; they are sent when it is flushed or its transaction committed.
pub(crate) fn send<C: ProducerContext<DeliveryOpaque = ()>>(
    producer: &BaseProducer<C>,
    topic: &str,
    records: &[Record],
) {
    for record in records {
        let headers = record
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_ref() }));
        let mut message = BaseRecord::<[u8], [u8]>::to(topic).partition(record.partition).timestamp(record.timestamp);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        producer.send(message.headers(headers)).map_err(|(error, _)| error).expect("there is room for the record");
    }
}

fn base(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("allow.auto.create.topics", "false");
    config.set("socket.timeout.ms", NODE_ANSWER_MS).set("reconnect.backoff.max.ms", RECONNECT_MS);
    config
}

fn record(message: &impl Message) -> Record {
    let bytes = |bytes: &[u8]| bytes.to_vec();
    let headers = message.headers().map(|headers| headers.iter().collect::<Vec<_>>()).unwrap_or_default();
    Record {
        partition: message.partition(),
        offset: message.offset(),
        key: message.key().map(bytes),
        value: message.payload().map(bytes),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        headers: headers.iter().map(|header| (header.key.to_owned(), header.value.map(bytes))).collect(),
    }
}
