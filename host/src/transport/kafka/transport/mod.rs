//! The port, on Kafka.

use super::checkpoint;
use super::ends::Ends;
use super::ffi::ConsumerClient;
use super::ffi_topics::TopicId;
use super::link::{ANSWER, Link, MEMBERS};
use super::offsets::list;
use super::reader::{Reader, Unread};
use super::writer::Writer;
use crate::record::{Offset, Timestamp, Topic, TopicPartition};
use crate::store::{Db, Family, Writes};
use crate::transport::{Checkpoint, Fetch, MISSING, TopicSpec, Transaction, Transport, TransportError, Truth};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a worker waits for an answer about a partition at once: its tasks wait meanwhile, and it asks again later.
const WORKER_ANSWER: Duration = Duration::from_secs(2);

/// A worker's or a tool's connection.
pub struct KafkaTransport {
    link: Arc<Link>,
    name: String,
    /// When it was made.
    since: Instant,
    reader: Option<Reader>,
    writer: Writer,
    /// Whether anything was written since the last commit.
    written: bool,
    /// Where the state is; none for a tool.
    db: Option<Db>,
    /// How long it waits for an answer at once.
    patience: Duration,
    ends: Ends,
    /// Of changelogs.
    ids: HashMap<Topic, TopicId>,
    /// Partitions that the brokers did not know, and since when.
    missing: HashMap<TopicPartition, Instant>,
}

impl KafkaTransport {
    pub(super) fn tool(link: Arc<Link>, name: String) -> Self {
        Self::new(link, name, Writer::Plain(None, None), None)
    }

    pub(super) fn worker(
        link: Arc<Link>,
        name: String,
        db: Db,
        exactly_once: bool,
        member: Arc<ConsumerClient>,
    ) -> Self {
        let writer = if exactly_once { Writer::transactional(&link, &name) } else { Writer::Plain(None, Some(member)) };
        Self::new(link, name, writer, Some(db))
    }

    fn new(link: Arc<Link>, name: String, writer: Writer, db: Option<Db>) -> Self {
        let (ends, ids, missing) = (Ends::default(), HashMap::new(), HashMap::new());
        let patience = if db.is_some() { WORKER_ANSWER } else { ANSWER };
        Self {
            link,
            name,
            since: Instant::now(),
            reader: None,
            writer,
            written: false,
            db,
            patience,
            ends,
            ids,
            missing,
        }
    }

    /// A tool that waits for answers no longer than a worker does.
    pub(super) fn hurried(mut self) -> Self {
        self.patience = WORKER_ANSWER;
        self
    }

    /// What it shares with the process's others.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// A broker that has just started knows of no topics; one that was deleted stays away.
    fn await_topic(&mut self, partition: &TopicPartition) -> Result<Fetch, TransportError> {
        self.release(partition);
        let since = *self.missing.entry(partition.clone()).or_insert_with(Instant::now);
        if since.elapsed() >= MISSING {
            return Err(TransportError::Unknown(partition.clone()));
        }
        Ok(Fetch::Pending)
    }

    fn reader(&mut self) -> Result<&mut Reader, TransportError> {
        if self.reader.is_none() {
            self.reader = Some(Reader::new(&self.link.clients, &self.name, &self.link.group)?);
        }
        self.reader.as_mut().ok_or_else(|| TransportError::Retry("there is no reader".into()))
    }

    /// The open transaction failed: what was written in it is not committed with what follows.
    fn failed<T>(&mut self, error: TransportError) -> Result<T, TransportError> {
        self.ends.lost();
        self.written = false;
        self.give_way()?;
        Err(error)
    }

    /// What was written before and what follows are one transaction, or none.
    fn hold_together(&mut self) -> Result<(), TransportError> {
        if !self.written || self.writer.holds() {
            return Ok(());
        }
        let what = "the transaction that was written in has ended, and what follows must not be committed without it";
        self.failed(TransportError::InDoubt(what.into()))
    }

    /// Gives way where another process works under this one's name, as by a copy of its data directory: for ever they would
    /// fence each other's producers. Whoever was fenced is the one that came first.
    ///
    /// # Errors
    /// `Refused` if so.
    fn give_way(&mut self) -> Result<(), TransportError> {
        // What is left in the group of a process that was here before is gone after its session.
        if !self.writer.was_fenced() || self.since.elapsed() / 2 < self.link.clients.settings.session_timeout {
            return Ok(());
        }
        let members = self.link.members(&self.link.group, MEMBERS);
        // Where that is not known, it goes on.
        if members.map_or(0, |members| members.iter().filter(|member| member.client == self.name).count()) < 2 {
            return Ok(());
        }
        Err(TransportError::Refused(format!(
            "MS-T030: another process works as {}, too, and was started later, as if the data directory had been copied; start one of the two with an empty one: its stores are restored from their changelogs",
            self.name
        )))
    }

    /// Writes what tasks changed into the local state.
    fn apply(&mut self, transaction: &Transaction) -> Result<(), TransportError> {
        let Some(db) = &self.db else { return Ok(()) };
        let mut writes = Writes::default();
        writes.append(&transaction.state);
        let now = (self.link.now)();
        for Checkpoint { changelog, key, at, whole } in &transaction.checkpoints {
            if let Some(end) = at.or_else(|| self.ends.known(changelog)) {
                let topic = self.ids.get(&changelog.topic).copied();
                // On its way through the changelog a copy does not get younger: what it has not read yet may go meanwhile.
                let before = if *whole { None } else { db.get(Family::Meta, key)? };
                let time = before.and_then(|checkpoint| checkpoint::time(&checkpoint)).unwrap_or(now);
                writes.put(Family::Meta, key.clone(), checkpoint::encode(end, time, topic));
            }
        }
        if writes.is_empty() { Ok(()) } else { Ok(db.apply(&writes, false)?) }
    }
}

impl Transport for KafkaTransport {
    fn create_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError> {
        match self.link.topic(&spec.name)? {
            Some(_) => Ok(()),
            None => self.link.create_topic(spec),
        }
    }

    fn alter_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError> {
        let what = format!("the settings of topic {} are changed by its owner, with the cluster's tools", spec.name);
        Err(TransportError::Refused(what))
    }

    fn topics(&mut self) -> Result<Vec<TopicSpec>, TransportError> {
        self.link.topics()
    }

    fn topic(&mut self, name: &Topic) -> Result<Option<TopicSpec>, TransportError> {
        self.link.topic(name)
    }

    /// With what is written and not committed yet: a reader of committed records that has read up to this end has read
    /// all that was committed when it was asked for.
    fn bounds(&mut self, partition: &TopicPartition) -> Result<(Offset, Offset), TransportError> {
        let (start, end) = self.link.bounds(partition, self.patience)?;
        if self.db.is_some() {
            self.ends.learn(partition, end);
        }
        Ok((start, end))
    }

    fn offset_at(&mut self, partition: &TopicPartition, at: Timestamp) -> Result<Option<Offset>, TransportError> {
        self.link.offset_at(partition, at)
    }

    /// A worker's own open transaction is ended first, so that it is known what became of it.
    fn committed(&mut self, _group: &str, partition: &TopicPartition) -> Result<Option<Offset>, TransportError> {
        if let Writer::Transactions(transactions) = &mut self.writer {
            transactions.ready()?;
            self.link.lay_to_rest(partition, &self.name)?;
        }
        self.link.committed(partition)
    }

    fn fetch(&mut self, partition: &TopicPartition, from: Offset, bytes_max: usize) -> Result<Fetch, TransportError> {
        match self.reader()?.fetch(partition, from, bytes_max) {
            Ok(fetch) => {
                if !self.missing.is_empty() && fetch.next().is_some() {
                    self.missing.remove(partition);
                }
                Ok(fetch)
            }
            Err(Unread::Unknown) => self.await_topic(partition),
            Err(Unread::OutOfRange) => {
                let (start, _) = self.link.bounds(partition, self.patience)?;
                self.release(partition);
                Err(TransportError::OutOfRange { partition: partition.clone(), asked: from, start })
            }
            Err(Unread::Failed(why)) => {
                self.missing.remove(partition);
                tracing::debug!(%partition, "kafka: {why}");
                Ok(Fetch::Pending)
            }
            Err(Unread::Refused(why)) => Err(super::forbidden(partition, &why, "READ")),
        }
    }

    /// The number of commits of this process. Called again and again, it takes what librdkafka tells meanwhile.
    fn version(&mut self) -> u64 {
        if let Some(reader) = &self.reader {
            reader.serve();
        }
        if let Writer::Transactions(transactions) = &mut self.writer {
            transactions.serve();
        }
        self.link.commits.load(Ordering::SeqCst)
    }

    fn wait(&mut self, timeout: Duration) {
        match &self.reader {
            Some(reader) => reader.wait(timeout),
            None => std::thread::sleep(timeout),
        }
    }

    fn message_bytes_max(&mut self, topic: &Topic) -> Result<Option<usize>, TransportError> {
        self.link.message_bytes_max(topic, self.patience)
    }

    fn truth(&self) -> Truth {
        Truth::Changelog
    }

    fn trusts(&mut self, changelog: &TopicPartition, checkpoint: &[u8]) -> Result<bool, TransportError> {
        let id = self.link.topic_id(&changelog.topic, self.patience);
        if let Some(id) = id {
            self.ids.insert(changelog.topic.clone(), id);
        }
        if checkpoint.is_empty() {
            return Ok(true);
        }
        let retention = self.link.delete_retention(&changelog.topic, self.patience)?;
        let against = checkpoint::against(checkpoint, (self.link.now)(), id, retention);
        if let Some(why) = against {
            tracing::warn!(%changelog, "the local copy of a store is read anew: {why}");
        }
        Ok(against.is_none())
    }

    fn sends_early(&self) -> bool {
        true
    }

    fn open_max(&self) -> Duration {
        self.writer.open_max()
    }

    fn send(&mut self, outputs: Vec<(TopicPartition, Vec<u8>)>) -> Result<(), TransportError> {
        for (partition, batch) in outputs {
            self.hold_together()?;
            let produced = self.writer.produce((&self.link, &self.name), &partition, batch);
            let count = produced.or_else(|error| self.failed(error))?;
            self.written = true;
            self.ends.wrote(&partition, count);
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        self.ends.lost();
        self.written = false;
        self.writer.abort()
    }

    fn release(&mut self, partition: &TopicPartition) {
        if let Some(reader) = &mut self.reader {
            reader.release(partition);
        }
    }

    fn is_at_end(&mut self, positions: &[(TopicPartition, Offset)]) -> Result<bool, TransportError> {
        for (partition, position) in positions {
            if self.link.bounds(partition, self.patience)?.1 > *position {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn commit(&mut self, _group: &str, transaction: &Transaction) -> Result<(), TransportError> {
        // What only changes state, such as a step of a restore, is no matter of the transaction that may be open.
        if !(transaction.outputs.is_empty() && transaction.offsets.is_empty()) {
            self.send(transaction.outputs.clone())?;
            crate::killpoint::pass("kafka-produced");
            if crate::fault::is("state-before-commit") {
                self.apply(transaction)?;
            }
            self.hold_together()?;
            let offsets = list(&transaction.offsets, if transaction.last { "" } else { &self.name });
            let committed = offsets.and_then(|offsets| self.writer.commit(offsets, transaction.fence.as_ref()));
            committed.or_else(|error| self.failed(error))?;
            self.written = false;
            self.ends.committed(self.writer.is_transactional());
            self.link.commits.fetch_add(1, Ordering::SeqCst);
        }
        crate::killpoint::pass("kafka-before-state");
        // Committed it is: tried again it would be written twice. What the state lacks is in the changelogs.
        self.apply(transaction).map_err(|error| TransportError::InDoubt(error.to_string()))?;
        crate::killpoint::pass("kafka-after-state");
        Ok(())
    }

    fn delete_records(&mut self, before: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        self.link.delete_records(before)
    }
}

#[cfg(test)]
mod tests;
