//! The embedded log: topics in the same database as the stores, so that a transaction is one atomic write.

mod clean;
mod commit;
mod compact;
mod delete;
mod keys;
mod spec;

pub use clean::Cleaned;

use super::{Fetch, Fetched, TopicSpec, Transaction, Transport, TransportError};
use crate::record::batch::{self, Batches};
use crate::record::{Offset, Partition, Timestamp, Topic, TopicPartition};
use crate::store::{Db, Family, StoreError, Writes};
use keys::{last_place, offset_key, place, start_key, topic_number};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The log of one data directory; clones share it.
#[derive(Clone, Debug)]
pub struct EmbeddedLog {
    db: Db,
    shared: Arc<Shared>,
    /// Whether a commit outlasts a loss of power.
    sync: bool,
    seen: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Held while a topic is made: of two who want it one makes it, and the other finds it whole.
    making: Mutex<()>,
    /// Held while records are deleted.
    trimming: Mutex<()>,
    /// Held during retention and compaction: no topic goes under their hands.
    cleaning: Mutex<()>,
    appended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<Topic, Known>,
    /// The offset that the next record of a partition gets.
    ends: HashMap<TopicPartition, Offset>,
    /// The first offset of a partition that may be read.
    starts: HashMap<TopicPartition, Offset>,
    /// Bytes of partitions whose size retention asks for.
    sizes: HashMap<TopicPartition, u64>,
    /// Number of commits that appended something.
    appends: u64,
}

#[derive(Clone, Debug)]
struct Known {
    spec: TopicSpec,
    number: u32,
}

impl State {
    fn number(&self, partition: &TopicPartition) -> Result<u32, TransportError> {
        let known = self.topics.get(&partition.topic);
        let known = known.filter(|known| (0..known.spec.partitions).contains(&partition.partition.get()));
        known.map(|known| known.number).ok_or_else(|| TransportError::Unknown(partition.clone()))
    }
}

impl EmbeddedLog {
    /// The log of an open data directory. With `sync`, a commit is on the disk when it returns.
    ///
    /// # Errors
    /// If its topics cannot be read.
    pub fn open(db: Db, sync: bool) -> Result<Self, TransportError> {
        let log = Self { db, shared: Arc::default(), sync, seen: 0 };
        let mut specs = Vec::new();
        log.db.scan(Family::Meta, spec::PREFIX, false, |key, value| {
            let Some(name) = key.strip_prefix(spec::PREFIX) else { return false };
            specs.push(spec::decode(name, value));
            true
        })?;
        for spec in specs {
            let spec = spec.ok_or_else(|| TransportError::Corrupt("a topic's spec cannot be read".into()))?;
            log.know(spec)?;
        }
        Ok(log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is changed only after the write that it mirrors: a panic elsewhere leaves it sound.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns a topic and where its partitions end.
    fn know(&self, spec: TopicSpec) -> Result<(), TransportError> {
        let number = self.db.number(&topic_number(&spec.name))?;
        for partition in spec.all_partitions() {
            let stored = self.db.get(Family::Meta, &start_key(&partition))?;
            let start = stored.as_deref().and_then(<[u8]>::first_chunk).map_or(0, |bytes| i64::from_be_bytes(*bytes));
            let start = Offset::new(start);
            let mut end = start;
            let (from, to) = (place(number, &partition, Offset::new(0)), last_place(number, &partition));
            self.db.walk(Family::Log, &from, Some(&to), true, |_, value| {
                end = batch::summary(value).map_or(end, |summary| end.max(summary.last.next()));
                false
            })?;
            let mut state = self.state();
            state.starts.insert(partition.clone(), start);
            state.ends.insert(partition, end);
        }
        self.state().topics.insert(spec.name.clone(), Known { spec, number });
        Ok(())
    }

    fn start(&self, partition: &TopicPartition) -> Offset {
        self.state().starts.get(partition).copied().unwrap_or(Offset::new(0))
    }

    /// Keeps a topic's spec.
    fn write_spec(&self, spec: &TopicSpec) -> Result<(), TransportError> {
        let mut writes = Writes::default();
        writes.put(Family::Meta, [spec::PREFIX, spec.name.as_str().as_bytes()].concat(), spec::encode(spec));
        Ok(self.db.apply(&writes, true)?)
    }

    fn number(&self, partition: &TopicPartition) -> Result<u32, TransportError> {
        self.state().number(partition)
    }
}

impl From<StoreError> for TransportError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io(_) => Self::Retry(error.to_string()),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl Transport for EmbeddedLog {
    fn create_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError> {
        if self.state().topics.contains_key(&spec.name) {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let _making = shared.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state().topics.contains_key(&spec.name) {
            return Ok(());
        }
        crate::killpoint::pass("topic-before-write");
        self.write_spec(spec)?;
        crate::killpoint::pass("topic-after-write");
        self.know(spec.clone())
    }

    fn alter_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError> {
        let shared = Arc::clone(&self.shared);
        let _making = shared.making.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.topic(&spec.name)?;
        let unknown = || TransportError::Unknown(TopicPartition::new(spec.name.clone(), Partition::new(0)));
        let known = known.ok_or_else(unknown)?;
        let spec = TopicSpec { partitions: known.partitions, ..spec.clone() };
        if spec != known {
            self.write_spec(&spec)?;
            if let Some(known) = self.state().topics.get_mut(&spec.name) {
                known.spec = spec;
            }
        }
        Ok(())
    }

    fn topics(&mut self) -> Result<Vec<TopicSpec>, TransportError> {
        let mut specs: Vec<TopicSpec> = self.state().topics.values().map(|known| known.spec.clone()).collect();
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(specs)
    }

    fn topic(&mut self, name: &Topic) -> Result<Option<TopicSpec>, TransportError> {
        Ok(self.state().topics.get(name).map(|known| known.spec.clone()))
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(Offset, Offset), TransportError> {
        self.number(partition)?;
        let state = self.state();
        let bound = |of: &HashMap<TopicPartition, Offset>| of.get(partition).copied().unwrap_or(Offset::new(0));
        Ok((bound(&state.starts), bound(&state.ends)))
    }

    fn offset_at(
        &mut self,
        partition: &TopicPartition,
        timestamp: Timestamp,
    ) -> Result<Option<Offset>, TransportError> {
        let (start, _) = self.bounds(partition)?;
        let mut from = start;
        while let Some(fetched) = self.fetch(partition, from, 1)?.batches() {
            // One batch: no more than a byte was asked for.
            if batch::summary(&fetched.batches).is_some_and(|batch| batch.timestamp_max < timestamp) {
                from = fetched.next;
                continue;
            }
            for batch in Batches::new(Arc::new(fetched.batches)) {
                let batch = batch.map_err(|error| TransportError::Corrupt(format!("{partition}: {error}")))?;
                let found = batch.records().flatten().find(|record| record.timestamp >= timestamp);
                if let Some(record) = found.filter(|record| record.offset >= from) {
                    return Ok(Some(record.offset));
                }
            }
            from = fetched.next;
        }
        Ok(None)
    }

    fn committed(&mut self, group: &str, partition: &TopicPartition) -> Result<Option<Offset>, TransportError> {
        let stored = self.db.get(Family::Meta, &offset_key(group, partition))?;
        Ok(stored.and_then(|bytes| bytes.first_chunk().copied()).map(|bytes| Offset::new(i64::from_be_bytes(bytes))))
    }

    fn fetch(&mut self, partition: &TopicPartition, from: Offset, bytes_max: usize) -> Result<Fetch, TransportError> {
        let number = self.number(partition)?;
        if self.state().ends.get(partition).is_none_or(|end| from >= *end) {
            return Ok(Fetch::End(from));
        }
        let (lower, at) = (place(number, partition, Offset::new(0)), place(number, partition, from));
        let mut fetched = Fetched { batches: Vec::new(), next: from };
        // The batch that holds `from` may begin before it.
        self.db.walk_at(Family::Log, (&lower, &at, &last_place(number, partition)), |_, value| {
            let Some(summary) = batch::summary(value) else { return false };
            if summary.last >= from {
                if !fetched.batches.is_empty() && fetched.batches.len() + value.len() > bytes_max {
                    return false;
                }
                fetched.batches.extend_from_slice(value);
                fetched.next = summary.last.next();
            }
            fetched.batches.is_empty() || fetched.batches.len() < bytes_max
        })?;
        // Asked last: what was deleted while it was read is not taken for a gap of compaction.
        let start = self.start(partition);
        if from < start {
            return Err(TransportError::OutOfRange { partition: partition.clone(), asked: from, start });
        }
        Ok(if fetched.batches.is_empty() { Fetch::End(from) } else { Fetch::Batches(fetched) })
    }

    /// The number of commits so far that appended something.
    fn version(&mut self) -> u64 {
        self.state().appends
    }

    fn wait(&mut self, timeout: Duration) {
        let state = self.state();
        let seen = self.seen;
        let waited = self.shared.appended.wait_timeout_while(state, timeout, |state| state.appends == seen);
        let appends = waited.map_or(seen, |(state, _)| state.appends);
        self.seen = appends;
    }

    fn commit(&mut self, group: &str, transaction: &Transaction) -> Result<(), TransportError> {
        self.write(group, transaction)
    }

    fn delete_records(&mut self, before: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        for (partition, before) in before {
            let (start, end) = self.bounds(partition)?;
            if *before > end {
                let what = format!("{partition} ends at offset {end}: records up to {before} cannot be deleted");
                return Err(TransportError::Refused(what));
            }
            if *before > start {
                self.trim(partition, *before, &mut |_| false)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod clean_tests;
#[cfg(test)]
mod tests;
