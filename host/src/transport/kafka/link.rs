//! What all workers of a process share of a cluster: the clients for questions and for topics.

use super::context::Context;
use super::ffi::ConsumerClient;
use super::ffi_topics::{TopicId, topic_id};
use super::settings::Settings;
use super::slots::Slots;
use crate::record::{Offset, Partition, Timestamp, Topic, TopicPartition};
use crate::transport::{Cleanup, Member, TopicSpec, TransportError};
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// How long a question to the cluster may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the first question waits at once; what went wrong meanwhile is looked at then.
const SLICE: Duration = Duration::from_secs(1);
/// How long the group is asked for offsets at once: while a transaction with them is open it does not say.
const COMMITTED: Duration = Duration::from_secs(2);

/// A process's connection to a cluster.
pub(super) struct Link {
    pub(super) settings: Arc<Settings>,
    /// The app.
    pub(super) group: String,
    admin: AdminClient<Context>,
    /// Sees everything that was written, committed or not.
    watcher: ConsumerClient,
    /// Sees what is committed.
    reader: ConsumerClient,
    /// Milliseconds since the epoch.
    pub(super) now: fn() -> Timestamp,
    /// Transactions of the dead.
    slots: Slots,
    /// Number of commits of this process.
    pub(super) commits: AtomicU64,
}

impl Link {
    pub(super) fn new(settings: Settings, group: &str, now: fn() -> Timestamp) -> Result<Self, TransportError> {
        let name = format!("{group}-admin");
        let refused = |error: KafkaError| super::refused(&error);
        let admin = settings.admin(&name).create_with_context(settings.context()).map_err(refused)?;
        let consumer = |isolation| settings.reader(&name, group, isolation).create_with_context(settings.context());
        let watcher = consumer("read_uncommitted").map_err(refused)?;
        let reader = consumer("read_committed").map_err(refused)?;
        let settings = Arc::new(settings);
        let (group, slots, commits) = (group.into(), Slots::default(), AtomicU64::new(0));
        Ok(Self { settings, group, admin, watcher, reader, now, slots, commits })
    }

    /// The client that sees everything.
    pub(super) const fn watcher(&self) -> &ConsumerClient {
        &self.watcher
    }

    /// The last trouble with brokers.
    pub(super) fn take_trouble(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.watcher.client().context().take_trouble()
    }

    /// Number of brokers that the cluster says it has.
    ///
    /// # Errors
    /// If none of them answers.
    pub(super) fn brokers(&self) -> Result<usize, TransportError> {
        let began = Instant::now();
        loop {
            // A topic that is not there: all brokers and no more than that are asked for.
            let error = match self.watcher.fetch_metadata(Some("__millstream"), SLICE) {
                Ok(metadata) => return Ok(metadata.brokers().len()),
                Err(error) => retry(&error),
            };
            self.serve();
            if began.elapsed() >= ANSWER || self.watcher.client().context().is_shut_out() {
                return Err(error);
            }
        }
    }

    /// Serves what comes to clients that nobody reads by: errors, tokens that run out.
    pub(super) fn serve(&self) {
        for client in [&self.watcher, &self.reader] {
            while let Some(Err(error)) = client.poll(Duration::ZERO) {
                tracing::debug!("kafka: {error}");
            }
        }
    }

    /// Partitions of one topic, or of all.
    fn partitions(&self, topic: Option<&str>) -> Result<Vec<(Topic, i32)>, TransportError> {
        let metadata = self.watcher.fetch_metadata(topic, ANSWER).map_err(|error| retry(&error))?;
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(there.map(|topic| (Topic::new(topic.name()), count(topic.partitions().len()))).collect())
    }

    pub(super) fn topic(&self, name: &Topic) -> Result<Option<TopicSpec>, TransportError> {
        let found = self.partitions(Some(name.as_str()))?;
        Ok(self.describe(found.into_iter().filter(|(topic, _)| topic == name).collect())?.pop())
    }

    /// A topic's id; none if the brokers do not say.
    pub(super) fn topic_id(&self, topic: &Topic) -> Option<TopicId> {
        topic_id(&self.watcher, topic.as_str(), ANSWER)
    }

    pub(super) fn topics(&self) -> Result<Vec<TopicSpec>, TransportError> {
        let mut specs = self.describe(self.partitions(None)?)?;
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(specs)
    }

    /// How topics are kept.
    fn describe(&self, topics: Vec<(Topic, i32)>) -> Result<Vec<TopicSpec>, TransportError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = topics.iter().map(|(topic, _)| ResourceSpecifier::Topic(topic.as_str())).collect();
        let described = pollster::block_on(self.admin.describe_configs(&resources, &options()));
        let described = described.map_err(|error| retry(&error))?;
        // A topic whose settings may not be seen has the brokers' defaults, as far as is known.
        let entries = described.into_iter().map(|resource| {
            resource.map_or_else(
                |_| HashMap::new(),
                |resource| {
                    resource.entries.into_iter().map(|entry| (entry.name, entry.value.unwrap_or_default())).collect()
                },
            )
        });
        Ok(topics
            .into_iter()
            .zip(entries)
            .map(|((name, partitions), entries)| spec(name, partitions, &entries))
            .collect())
    }

    /// Kafka's `max.message.bytes`; none if it may not be seen.
    pub(super) fn message_bytes_max(&self, topic: &Topic) -> Result<Option<usize>, TransportError> {
        let resource = ResourceSpecifier::Topic(topic.as_str());
        let described = pollster::block_on(self.admin.describe_configs(&[resource], &options()));
        let described = described.map_err(|error| retry(&error))?.into_iter().flatten().next();
        let entry = described.and_then(|resource| resource.get("max.message.bytes")?.value.clone());
        Ok(entry.and_then(|value| value.parse().ok()))
    }

    pub(super) fn create_topic(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let settings = configs(spec);
        let replication = TopicReplication::Fixed(self.settings.replication.unwrap_or(-1));
        let mut topic = NewTopic::new(spec.name.as_str(), spec.partitions, replication);
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let made = pollster::block_on(self.admin.create_topics(&[topic], &options())).map_err(|error| retry(&error))?;
        for result in made {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, error)) => return Err(cannot(&format!("topic {topic} cannot be made"), error)),
            }
        }
        self.await_topic(spec)
    }

    /// Waits until the brokers know a topic that was made.
    fn await_topic(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let began = Instant::now();
        while began.elapsed() < ANSWER {
            if self.partitions(Some(spec.name.as_str()))?.iter().any(|(name, _)| *name == spec.name) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(TransportError::Retry(format!("topic {} was made, and the brokers do not know it yet", spec.name)))
    }

    pub(super) fn alter_topic(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let settings = configs(spec);
        let mut config = AlterConfig::new(ResourceSpecifier::Topic(spec.name.as_str()));
        for (name, value) in &settings {
            config = config.set(name, value);
        }
        let altered =
            pollster::block_on(self.admin.alter_configs(&[config], &options())).map_err(|error| retry(&error))?;
        for result in altered {
            if let Err((_, error)) = result {
                return Err(cannot(&format!("topic {} cannot be altered", spec.name), error));
            }
        }
        Ok(())
    }

    pub(super) fn delete_topic(&self, name: &Topic) -> Result<(), TransportError> {
        let deleted = pollster::block_on(self.admin.delete_topics(&[name.as_str()], &options()));
        match deleted.map_err(|error| retry(&error))?.pop() {
            Some(Err((_, RDKafkaErrorCode::UnknownTopicOrPartition))) => {
                Err(TransportError::Unknown(TopicPartition::new(name.clone(), Partition::new(0))))
            }
            Some(Err((topic, error))) => Err(cannot(&format!("topic {topic} cannot be deleted"), error)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// A group's members, or those of all groups.
    pub(super) fn groups(&self, group: Option<&str>) -> Result<Vec<(String, Vec<Member>)>, TransportError> {
        let list = self.watcher.fetch_group_list(group, ANSWER).map_err(|error| retry(&error))?;
        let member = |member: &rdkafka::groups::GroupMemberInfo| Member {
            name: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        };
        let members = |group: &rdkafka::groups::GroupInfo| group.members().iter().map(member).collect();
        Ok(list.groups().iter().map(|group| (group.name().to_owned(), members(group))).collect())
    }

    /// Sets where the app's group goes on, while it has no members: the brokers take no such commit else.
    pub(super) fn move_group(&self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        if group != self.group {
            return Err(TransportError::Refused(format!("group {group} is not that of the app {}", self.group)));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let offsets = super::transport::list(offsets, "")?;
        let moved = self.reader.commit(&offsets, CommitMode::Sync);
        moved.map_err(|error| TransportError::Refused(format!("the offsets of {group} cannot be set: {error}")))
    }

    /// First offset and end, with what is not committed.
    pub(super) fn bounds(&self, partition: &TopicPartition) -> Result<(Offset, Offset), TransportError> {
        let asked = self.watcher.fetch_watermarks(partition.topic.as_str(), partition.partition.get(), ANSWER);
        let (start, end) = asked.map_err(|error| about(partition, &error))?;
        Ok((Offset::new(start), Offset::new(end)))
    }

    pub(super) fn offset_at(
        &self,
        partition: &TopicPartition,
        at: Timestamp,
    ) -> Result<Option<Offset>, TransportError> {
        let mut list = TopicPartitionList::with_capacity(1);
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        list.add_partition_offset(topic, number, rdkafka::Offset::Offset(at)).map_err(|error| retry(&error))?;
        let found = self.reader.offsets_for_times(list, ANSWER).map_err(|error| about(partition, &error))?;
        Ok(offset_in(&found, topic, number))
    }

    /// Sees to it that nobody who is dead has a transaction open in which the partition was read.
    ///
    /// # Errors
    /// `Retry` while that is not so.
    pub(super) fn lay_to_rest(&self, partition: &TopicPartition, own: &str) -> Result<(), TransportError> {
        let Some(id) = self.committed_by(partition)?.filter(|id| !id.is_empty() && id != own) else { return Ok(()) };
        if self.slots.is_haunted(&id, &self.group, &self.watcher, &self.settings) {
            return Err(TransportError::Retry(format!("the transaction of {id} is to be ended first")));
        }
        Ok(())
    }

    /// The transactional id of who committed the partition's offset last.
    fn committed_by(&self, partition: &TopicPartition) -> Result<Option<String>, TransportError> {
        let mut list = TopicPartitionList::with_capacity(1);
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        list.add_partition(topic, number);
        // The watcher is told the last offset even while a transaction with the next one is open.
        let found = self.watcher.committed_offsets(list, COMMITTED).map_err(|error| about(partition, &error))?;
        Ok(found.find_partition(topic, number).map(|element| element.metadata().to_owned()))
    }

    /// Where the group goes on, once no transaction with that offset is open.
    pub(super) fn committed(&self, partition: &TopicPartition) -> Result<Option<Offset>, TransportError> {
        let mut list = TopicPartitionList::with_capacity(1);
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        list.add_partition(topic, number);
        let found = self.reader.committed_offsets(list, COMMITTED).map_err(|error| about(partition, &error))?;
        if let Some(Err(error)) = found.find_partition(topic, number).map(|element| element.error()) {
            return Err(about(partition, &error));
        }
        Ok(offset_in(&found, topic, number))
    }

    pub(super) fn delete_records(&self, partition: &TopicPartition, before: Offset) -> Result<(), TransportError> {
        let mut list = TopicPartitionList::with_capacity(1);
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        let added = list.add_partition_offset(topic, number, rdkafka::Offset::Offset(before.get()));
        added.map_err(|error| retry(&error))?;
        let deleted = pollster::block_on(self.admin.delete_records(&list, &options()));
        deleted.map_err(|error| about(partition, &error)).map(drop)
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}

/// An offset in an answer; none if it names none.
fn offset_in(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<Offset> {
    match list.find_partition(topic, partition)?.offset() {
        rdkafka::Offset::Offset(offset) => Some(Offset::new(offset)),
        _ => None,
    }
}

fn spec(name: Topic, partitions: i32, entries: &HashMap<String, String>) -> TopicSpec {
    let entry = |name: &str| entries.get(name).map(String::as_str);
    let cleanup = if entry("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        Cleanup::Compact
    } else {
        Cleanup::Delete
    };
    let retention = entry("retention.ms").and_then(|value| value.parse().ok()).map(Duration::from_millis);
    let retention_bytes = entry("retention.bytes").and_then(|value| value.parse().ok());
    TopicSpec { name, partitions, cleanup, retention, retention_bytes }
}

/// Kafka's settings for how a topic is kept.
fn configs(spec: &TopicSpec) -> Vec<(&'static str, String)> {
    let policy = match spec.cleanup {
        Cleanup::Delete => "delete",
        Cleanup::Compact => "compact",
    };
    let mut settings = vec![("cleanup.policy", policy.to_owned())];
    // A topic that is to keep its records for ever says so; the brokers' default is a week.
    let retention = spec.retention.map_or_else(|| "-1".to_owned(), |retention| retention.as_millis().to_string());
    if spec.cleanup == Cleanup::Delete {
        settings.push(("retention.ms", retention));
        settings.extend(spec.retention_bytes.map(|bytes| ("retention.bytes", bytes.to_string())));
    }
    settings
}

fn retry(error: &KafkaError) -> TransportError {
    TransportError::Retry(error.to_string())
}

fn cannot(what: &str, error: RDKafkaErrorCode) -> TransportError {
    match error {
        RDKafkaErrorCode::RequestTimedOut
        | RDKafkaErrorCode::OperationTimedOut
        | RDKafkaErrorCode::NotController
        | RDKafkaErrorCode::BrokerTransportFailure => TransportError::Retry(format!("{what}: {error}")),
        _ => TransportError::Refused(format!("{what}: {error}")),
    }
}

/// An error about a partition.
fn about(partition: &TopicPartition, error: &KafkaError) -> TransportError {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition,
        ) => TransportError::Retry(format!("the brokers do not know {partition}")),
        _ => TransportError::Retry(format!("{partition}: {error}")),
    }
}
