//! What all workers of a process share of a cluster: the clients for questions, about groups and offsets here, and about
//! topics in `topics.rs`.

use super::clients::Clients;
use super::context::Context;
use super::ffi::AdminClient;
use super::ffi_client::EVENTS;
use super::ffi_groups::GroupMember;
use super::ffi_log::throw_events_away;
use super::groups::Groups;
use super::inquirer::Inquirer;
use super::offsets::{list, offset_in, one, one_at};
use super::settings::Settings;
use super::slots::Slots;
use crate::record::{Offset, Timestamp, TopicPartition};
use crate::transport::TransportError;
use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

/// How long a question to the cluster may take.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// A topic that is not there.
pub(super) const NOWHERE: &str = "__millstream";
/// How long the first question waits at once; what went wrong meanwhile is looked at then.
const SLICE: Duration = Duration::from_secs(1);
/// How long a worker waits for the group's members.
pub(super) const MEMBERS: Duration = Duration::from_secs(2);
/// How long the group is asked for offsets at once: while a transaction with them is open it does not say.
const COMMITTED: Duration = Duration::from_secs(2);

/// A process's connection to a cluster.
pub(super) struct Link {
    pub(super) clients: Arc<Clients>,
    /// The app.
    pub(super) group: String,
    pub(super) admin: AdminClient,
    /// Sees everything that was written, committed or not.
    pub(super) watcher: Inquirer,
    /// Sees what is committed.
    pub(super) reader: Inquirer,
    groups: Groups,
    /// Milliseconds since the epoch.
    pub(super) now: fn() -> Timestamp,
    /// Transactions of the dead.
    slots: Slots,
    /// Number of commits of this process.
    pub(super) commits: AtomicU64,
}

/// The last of a process's clients go with it.
impl Drop for Link {
    fn drop(&mut self) {
        Context::hush();
    }
}

impl Link {
    pub(super) fn new(settings: Settings, group: &str, now: fn() -> Timestamp) -> Result<Self, TransportError> {
        let name = format!("{group}-admin");
        let clients = Arc::new(Clients::new(settings, now)?);
        let admin = clients.admin(&name)?;
        let inquirer = |isolation: &'static str| -> Result<Inquirer, TransportError> {
            let (name, group, theirs) = (name.clone(), group.to_owned(), Arc::clone(&clients));
            let make = move || theirs.reader(&name, &group, isolation);
            Ok(Inquirer::new(make()?, Box::new(move || make().ok())))
        };
        let (watcher, reader) = (inquirer("read_uncommitted")?, inquirer("read_committed")?);
        let groups = Groups::new(&clients, group);
        let (group, slots, commits) = (group.into(), Slots::default(), AtomicU64::new(0));
        Ok(Self { clients, group, admin, watcher, reader, groups, now, slots, commits })
    }

    /// The last trouble with brokers.
    pub(super) fn take_trouble(&self) -> Option<(RDKafkaErrorCode, String)> {
        self.watcher.client().client().context().take_trouble()
    }

    /// Waits until a broker answers.
    ///
    /// # Errors
    /// If none of them does.
    pub(super) fn reach(&self) -> Result<(), TransportError> {
        let began = Instant::now();
        loop {
            // All brokers and no more than that are asked for.
            let error = match self.watcher.client().fetch_metadata(Some(NOWHERE), SLICE) {
                Ok(_) => return Ok(()),
                Err(error) => retry(&error),
            };
            self.serve();
            if began.elapsed() >= ANSWER || self.watcher.client().client().context().is_shut_out() {
                return Err(error);
            }
        }
    }

    /// Serves what comes to clients that nobody reads by, and looks after all.
    pub(super) fn serve(&self) {
        self.clients.look_after(EVENTS);
        throw_events_away(&self.admin, EVENTS);
        for client in [self.watcher.client(), self.reader.client()] {
            for error in client.take_errors() {
                tracing::debug!("kafka: {error}");
            }
        }
    }

    /// All groups.
    pub(super) fn groups(&self) -> Result<Vec<String>, TransportError> {
        let list = self.watcher.client().fetch_group_list(None, ANSWER).map_err(|error| retry(&error))?;
        Ok(list.groups().iter().map(|group| group.name().to_owned()).collect())
    }

    /// The members of a group, whose coordinator may take so long to answer.
    pub(super) fn members(&self, group: &str, timeout: Duration) -> Result<Vec<GroupMember>, TransportError> {
        self.groups.members(group, timeout)
    }

    /// Sets where the app's group goes on, while it has no members: the brokers take no such commit else.
    pub(super) fn move_group(&self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        if group != self.group {
            return Err(TransportError::Refused(format!("group {group} is not that of the app {}", self.group)));
        }
        if offsets.is_empty() {
            return Ok(());
        }
        let offsets = list(offsets, "")?;
        let moved = self.reader.client().commit(&offsets, CommitMode::Sync);
        moved.map_err(|error| TransportError::Refused(format!("the offsets of {group} cannot be set: {error}")))
    }

    /// First offset and end, with what is not committed.
    pub(super) fn bounds(
        &self,
        partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<(Offset, Offset), TransportError> {
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        let asker = if crate::fault::is("restores-to-what-is-committed") { &self.reader } else { &self.watcher };
        let asked = asker.ask(|client| client.fetch_watermarks(topic, number, timeout));
        let (start, end) = asked.map_err(|error| about(partition, &error))?;
        Ok((Offset::new(start), Offset::new(end)))
    }

    pub(super) fn offset_at(
        &self,
        partition: &TopicPartition,
        at: Timestamp,
    ) -> Result<Option<Offset>, TransportError> {
        let one = one_at(partition, at)?;
        let found = self.reader.ask(|client| client.offsets_for_times(one.clone(), ANSWER));
        Ok(offset_in(&found.map_err(|error| about(partition, &error))?, partition))
    }

    /// Sees to it that nobody who is dead has a transaction open in which the partition was read.
    ///
    /// # Errors
    /// `Retry` while that is not so.
    pub(super) fn lay_to_rest(&self, partition: &TopicPartition, own: &str) -> Result<(), TransportError> {
        let Some(id) = self.committed_by(partition)?.filter(|id| !id.is_empty() && id != own) else { return Ok(()) };
        let is_member = || {
            let members = self.members(&self.group, MEMBERS);
            // Where that is not known, it is taken to be alive.
            members.map_or(true, |members| members.iter().any(|member| member.client == id))
        };
        if self.slots.is_haunted(&id, is_member, &self.clients) {
            return Err(TransportError::Retry(format!("the transaction of {id} is to be ended first")));
        }
        Ok(())
    }

    /// The transactional id of who committed the partition's offset last.
    fn committed_by(&self, partition: &TopicPartition) -> Result<Option<String>, TransportError> {
        // The watcher is told the last offset even while a transaction with the next one is open.
        let found = self.watcher.ask(|client| client.committed_offsets(one(partition), COMMITTED));
        let found = found.map_err(|error| about(partition, &error))?;
        let element = found.find_partition(partition.topic.as_str(), partition.partition.get());
        Ok(element.map(|element| element.metadata().to_owned()))
    }

    /// Where the group goes on, once no transaction with that offset is open.
    pub(super) fn committed(&self, partition: &TopicPartition) -> Result<Option<Offset>, TransportError> {
        let found = self.reader.client().committed_offsets(one(partition), COMMITTED);
        if found.is_err() {
            // Because of a transaction, or because the client is not answered any more: then it does not get this one either.
            let _ = self.reader.ask(|client| client.fetch_metadata(Some(NOWHERE), SLICE));
        }
        let found = found.map_err(|error| about(partition, &error))?;
        let element = found.find_partition(partition.topic.as_str(), partition.partition.get());
        if let Some(Err(error)) = element.map(|element| element.error()) {
            return Err(about(partition, &error));
        }
        Ok(offset_in(&found, partition))
    }

    pub(super) fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        let deleted = pollster::block_on(self.admin.delete_records(&list(before, "")?, &options()));
        let deleted = deleted.map_err(|error| retry(&error))?;
        for (partition, _) in before {
            let element = deleted.find_partition(partition.topic.as_str(), partition.partition.get());
            if let Some(Err(error)) = element.map(|element| element.error()) {
                return Err(about(partition, &error));
            }
        }
        Ok(())
    }
}

pub(super) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER)).operation_timeout(Some(ANSWER))
}

pub(super) fn retry(error: &KafkaError) -> TransportError {
    TransportError::Retry(error.to_string())
}

/// An error about a partition.
fn about(partition: &TopicPartition, error: &KafkaError) -> TransportError {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::UnknownPartition,
        ) => TransportError::Retry(format!("the brokers do not know {partition}")),
        Some(code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed)) => {
            super::forbidden(partition, &code.to_string(), "READ on the topic and on the group, DESCRIBE")
        }
        _ => TransportError::Retry(format!("{partition}: {error}")),
    }
}
