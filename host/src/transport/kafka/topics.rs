//! A cluster's topics.

use super::ffi_topics::{TopicId, topic_id};
use super::link::{ANSWER, Link, NOWHERE, options, retry};
use crate::record::{Partition, Topic, TopicPartition};
use crate::transport::{Cleanup, TopicSpec, TransportError};
use rdkafka::admin::{AdminOptions, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How often brokers are asked whether they know partitions that were made.
const LOOK: Duration = Duration::from_millis(20);
/// How long a controller is waited for before it is asked again who that is: one that works answers in milliseconds.
const CONTROLLER: Duration = Duration::from_secs(2);

/// How long a cluster whose brokers have just started is waited for until as many are there as a topic needs.
const GATHER: Duration = Duration::from_secs(15);
/// Pause before it is asked again.
const PAUSE: Duration = Duration::from_millis(200);

impl Link {
    /// Partitions of one topic, or of all.
    fn partitions(&self, topic: Option<&str>) -> Result<Vec<(Topic, i32)>, TransportError> {
        let metadata =
            self.watcher.ask(|client| client.fetch_metadata(topic, ANSWER)).map_err(|error| retry(&error))?;
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        Ok(there.map(|topic| (Topic::new(topic.name()), count(topic.partitions().len()))).collect())
    }

    pub(super) fn topic(&self, name: &Topic) -> Result<Option<TopicSpec>, TransportError> {
        let found = self.partitions(Some(name.as_str()))?;
        Ok(self.describe(found.into_iter().filter(|(topic, _)| topic == name).collect())?.pop())
    }

    /// A topic's id; none if the brokers do not say.
    pub(super) fn topic_id(&self, topic: &Topic, timeout: Duration) -> Option<TopicId> {
        topic_id(&self.watcher.client(), topic.as_str(), timeout)
    }

    pub(super) fn topics(&self) -> Result<Vec<TopicSpec>, TransportError> {
        let mut specs = self.describe(self.partitions(None)?)?;
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(specs)
    }

    /// Asks the controller, again as long as there is `patience` for it and the cluster may be changing: it does not answer,
    /// or the connection to it is lost for good. librdkafka keeps to the one that it heard of, be it dead: who it is now is
    /// asked first.
    fn ask<T>(
        &self,
        patience: Duration,
        call: impl Fn(&AdminOptions) -> Result<T, KafkaError>,
    ) -> Result<T, TransportError> {
        let (began, once) = (Instant::now(), CONTROLLER.min(patience));
        let options = AdminOptions::new().request_timeout(Some(once)).operation_timeout(Some(once));
        loop {
            // A topic that is not there: brokers and controller are told, and no more than that.
            let _ = self.admin.inner().fetch_metadata(Some(NOWHERE), once);
            match call(&options) {
                // Nothing that is asked here does harm if it is asked twice.
                Err(KafkaError::AdminOp(error)) if is_passing(error) && began.elapsed() < patience => {
                    tracing::debug!("the controller is asked again: {error}");
                }
                answer => return answer.map_err(|error| retry(&error)),
            }
            std::thread::sleep(PAUSE.min(patience.saturating_sub(began.elapsed())));
        }
    }

    /// How topics are kept.
    fn describe(&self, topics: Vec<(Topic, i32)>) -> Result<Vec<TopicSpec>, TransportError> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = topics.iter().map(|(topic, _)| ResourceSpecifier::Topic(topic.as_str())).collect();
        let described =
            self.ask(ANSWER, |options| pollster::block_on(self.admin.describe_configs(&resources, options)))?;
        // Of a topic whose settings may not be seen none is known.
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
            .inspect(|((name, _), entries)| {
                self.note_limit(name, entries.get("max.message.bytes").and_then(|value| value.parse().ok()))
            })
            .map(|((name, partitions), entries)| spec(name, partitions, &entries))
            .collect())
    }

    fn note_limit(&self, topic: &Topic, bytes: Option<usize>) {
        bytes.into_iter().for_each(|bytes| self.clients.limits.note(topic, bytes));
    }

    /// A number among a topic's settings; none if it may not be seen.
    fn setting<T: FromStr>(&self, topic: &Topic, name: &str, patience: Duration) -> Result<Option<T>, TransportError> {
        let resource = ResourceSpecifier::Topic(topic.as_str());
        let described =
            self.ask(patience, |options| pollster::block_on(self.admin.describe_configs(&[resource], options)))?;
        let described = described.into_iter().flatten().next();
        let entry = described.and_then(|resource| resource.get(name)?.value.clone());
        Ok(entry.and_then(|value| value.parse().ok()))
    }

    /// Kafka's `max.message.bytes`; none if it may not be seen.
    pub(super) fn message_bytes_max(&self, topic: &Topic, patience: Duration) -> Result<Option<usize>, TransportError> {
        let limit = self.setting(topic, "max.message.bytes", patience)?;
        self.note_limit(topic, limit);
        Ok(limit)
    }

    /// Kafka's `delete.retention.ms`; none if it may not be seen.
    pub(super) fn delete_retention(
        &self,
        topic: &Topic,
        patience: Duration,
    ) -> Result<Option<Duration>, TransportError> {
        Ok(self.setting(topic, "delete.retention.ms", patience)?.map(Duration::from_millis))
    }

    pub(super) fn create_topic(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let settings = configs(spec);
        let replication = TopicReplication::Fixed(self.clients.settings.replication.unwrap_or(-1));
        let mut topic = NewTopic::new(spec.name.as_str(), spec.partitions, replication);
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let began = Instant::now();
        loop {
            let made = self.ask(ANSWER, |options| pollster::block_on(self.admin.create_topics([&topic], options)))?;
            match made.into_iter().next() {
                Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) | Some(Ok(_)) | None => break,
                Some(Err((_, error))) if is_passing(error) && began.elapsed() < GATHER => {
                    tracing::debug!(topic = %spec.name, "not made yet: {error}");
                    std::thread::sleep(PAUSE);
                }
                Some(Err((_, error))) => return Err(self.not_made(spec, error)),
            }
        }
        self.await_partitions(&spec.name, 1)?;
        // What it takes is noted by that; the topic is there without it, too.
        if let Err(error) = self.topic(&spec.name) {
            tracing::debug!(topic = %spec.name, "kafka: {error}");
        }
        Ok(())
    }

    /// Why a topic cannot be made.
    fn not_made(&self, spec: &TopicSpec, error: RDKafkaErrorCode) -> TransportError {
        let name = &spec.name;
        if error != RDKafkaErrorCode::InvalidReplicationFactor {
            return cannot(&format!("topic {name} cannot be made"), error);
        }
        let known =
            self.watcher.client().fetch_metadata(Some(NOWHERE), ANSWER).map_or(0, |known| known.brokers().len());
        let wanted = match self.clients.settings.replication {
            Some(replicas) => format!("{replicas} replicas, as replication-factor says,"),
            None => "as many replicas as the brokers' default.replication.factor says".to_owned(),
        };
        TransportError::Refused(format!(
            "MS-T028: topic {name} is to have {wanted} and the cluster had {known} of its brokers for {} s; start more brokers, or set replication-factor under [transport.kafka] to no more than there are",
            GATHER.as_secs()
        ))
    }

    /// Waits until the brokers know a topic with so many partitions at least.
    fn await_partitions(&self, topic: &Topic, wanted: i32) -> Result<(), TransportError> {
        let began = Instant::now();
        while began.elapsed() < ANSWER {
            if self.has_partitions(topic, wanted)? {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        Err(TransportError::Retry(format!("the brokers do not know the new partitions of {topic} yet")))
    }

    fn has_partitions(&self, topic: &Topic, wanted: i32) -> Result<bool, TransportError> {
        let found = self.partitions(Some(topic.as_str()))?;
        Ok(found.iter().any(|(name, partitions)| name == topic && *partitions >= wanted))
    }

    /// Gives a topic so many partitions, if it has fewer, and waits until the brokers know them.
    pub(super) fn widen_topic(&self, name: &Topic, partitions: i32) -> Result<(), TransportError> {
        if self.has_partitions(name, partitions)? {
            return Ok(());
        }
        let wanted = usize::try_from(partitions).unwrap_or_default();
        let made = self.ask(ANSWER, |options| {
            pollster::block_on(self.admin.create_partitions([&NewPartitions::new(name.as_str(), wanted)], options))
        })?;
        // Another process may have done it meanwhile.
        match made.into_iter().next() {
            Some(Err((_, RDKafkaErrorCode::InvalidPartitions))) | Some(Ok(_)) | None => {}
            Some(Err((topic, error))) => return Err(cannot(&format!("topic {topic} cannot get partitions"), error)),
        }
        self.await_partitions(name, partitions)
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
}

fn spec(name: Topic, partitions: i32, entries: &HashMap<String, String>) -> TopicSpec {
    let entry = |name: &str| entries.get(name).map(String::as_str);
    let kinds = entry("cleanup.policy").map(|policy| (policy.contains("compact"), policy.contains("delete")));
    let cleanup = match kinds {
        Some((true, true)) => Cleanup::Both,
        Some((true, false)) => Cleanup::Compact,
        Some((false, _)) => Cleanup::Delete,
        None => Cleanup::Unseen,
    };
    let retention = entry("retention.ms").and_then(|value| value.parse().ok()).map(Duration::from_millis);
    let retention_bytes = entry("retention.bytes").and_then(|value| value.parse().ok());
    TopicSpec { name, partitions, cleanup, retention, retention_bytes }
}

/// Kafka's settings for how a topic is kept.
fn configs(spec: &TopicSpec) -> Vec<(&'static str, String)> {
    let mut settings = vec![("cleanup.policy", spec.cleanup.name().to_owned())];
    // A topic that is to keep its records for ever says so; the brokers' default is a week, and may be a size.
    let or_ever = |bound: Option<u128>| bound.map_or_else(|| "-1".to_owned(), |bound| bound.to_string());
    if spec.cleanup != Cleanup::Compact {
        settings.push(("retention.ms", or_ever(spec.retention.map(|retention| retention.as_millis()))));
        settings.push(("retention.bytes", or_ever(spec.retention_bytes.map(u128::from))));
    }
    settings
}

/// Whether brokers that have just started may do later what they refuse now.
const fn is_passing(error: RDKafkaErrorCode) -> bool {
    matches!(
        error,
        RDKafkaErrorCode::InvalidReplicationFactor
            | RDKafkaErrorCode::CoordinatorNotAvailable
            | RDKafkaErrorCode::CoordinatorLoadInProgress
            | RDKafkaErrorCode::BrokerNotAvailable
            | RDKafkaErrorCode::LeaderNotAvailable
            | RDKafkaErrorCode::NotController
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::BrokerTransportFailure
    )
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
