//! Restoring a store from its changelog, and the other way round: a state machine that is fed fetched batches and answers
//! with transactions. Every one of them leaves a state from which the next start goes on.
//!
//! ```text
//!   local state                                  what happens
//!   current up to the changelog's end            nothing
//!   current up to an offset before it            replay from there
//!   nothing there                                replay from the changelog's start
//!   older than the changelog's start             cleared first, then as above
//!   unknown to the changelog, where that is      the same
//!   the truth
//!   changed without a changelog, or the          snapshot: keys that only the changelog has are deleted in it, then all
//!   changelog is younger than the state          rows are written to it
//! ```

use super::BATCH_BYTES_MAX;
use crate::operator::Stop;
use crate::record::batch::{BatchBuilder, Compression};
use crate::record::{Offset, TopicPartition};
use crate::store::{KeyValueStore, Local, StoreError, Writes};
use crate::transport::{Checkpoint, Fetch, Records, Transaction, Truth};

/// Bytes of rows that one transaction of a snapshot writes, at most about.
const SNAPSHOT_BYTES: usize = 4 << 20;

/// One store of a task on its way to agree with its changelog.
#[derive(Debug)]
pub struct Restore {
    changelog: TopicPartition,
    course: Course,
    /// The next offset to read.
    position: Offset,
    /// Where the changelog ended when this began.
    end: Offset,
    /// Whether the end of what is committed was reached since something was read.
    whole: bool,
    done: Progress,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Course {
    /// The changelog is written into the state.
    Replay,
    /// Keys that only the changelog has are deleted in it.
    Sweep,
    /// Rows are written to the changelog, from this key on.
    Snapshot(Vec<u8>),
    Done,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records read from the changelog.
    pub read: u64,
    /// Records written to the changelog.
    pub written: u64,
    /// Bytes of both.
    pub bytes: u64,
    /// Offsets of the changelog that are still to be read.
    pub remaining: u64,
}

/// Takes a changelog's record: key, timestamp, value.
type Each<'a> = &'a mut dyn FnMut(&[u8], i64, Option<&[u8]>) -> Result<(), StoreError>;

/// What is needed to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// What the changelog holds from this offset on.
    Batches(Offset),
    /// Nothing but the next call.
    Nothing,
}

impl Restore {
    /// What must happen before a store may be used; none if nothing. `bounds` are those of its changelog's partition.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn begin(
        store: &mut KeyValueStore,
        changelog: TopicPartition,
        (start, end): (Offset, Offset),
        truth: Truth,
    ) -> Result<Option<Self>, StoreError> {
        let (course, position) = match store.local()? {
            Local::Current(at) if at == end => return Ok(None),
            Local::Current(at) if (start..end).contains(&at) => (Course::Replay, at),
            Local::Current(at) if at < start => {
                store.reset()?;
                (Course::Replay, start)
            }
            Local::Unknown if store.is_empty()? && start == end => return Ok(None),
            Local::Unknown if store.is_empty()? => (Course::Replay, start),
            // A copy that the changelog does not know of is none.
            Local::Current(_) | Local::Unknown if truth == Truth::Changelog => {
                store.reset()?;
                (Course::Replay, start)
            }
            Local::Current(_) | Local::Unlogged | Local::Unknown => (Course::Sweep, start),
        };
        Ok(Some(Self { changelog, course, position, end, whole: false, done: Progress::default() }))
    }

    /// What keeps a copy of a store up to date, without an end; none if the store is no copy.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn follow(
        store: &mut KeyValueStore,
        changelog: TopicPartition,
        bounds: (Offset, Offset),
    ) -> Result<Option<Self>, StoreError> {
        let end = Offset::new(i64::MAX);
        match Self::begin(store, changelog.clone(), bounds, Truth::Changelog)? {
            Some(begun) if begun.is_replay() => Ok(Some(Self { end, ..begun })),
            Some(_) => Ok(None),
            None => {
                let (course, position, done) = (Course::Replay, bounds.1, Progress::default());
                Ok(Some(Self { changelog, course, position, end, whole: false, done }))
            }
        }
    }

    /// Whether a store says that it knows more than its changelog, which ends at `end`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn is_ahead(store: &KeyValueStore, end: Offset) -> Result<bool, StoreError> {
        Ok(matches!(store.local()?, Local::Current(at) if at > end))
    }

    /// Whether what was fetched brings it no further.
    pub fn is_waiting(&self, fetched: &Fetch) -> bool {
        let reads = self.need() != Some(Need::Nothing) && self.position < self.end;
        // That there is no more is worth noting, once.
        let news = matches!(fetched, Fetch::End(_)) && self.is_replay() && !self.whole;
        reads && !news && fetched.next().is_none_or(|next| next <= self.position)
    }

    /// The changelog's partition.
    pub const fn changelog(&self) -> &TopicPartition {
        &self.changelog
    }

    /// The next offset of the changelog that is read.
    pub const fn position(&self) -> Offset {
        self.position
    }

    /// Whether the state is written, instead of the changelog.
    pub fn is_replay(&self) -> bool {
        self.course == Course::Replay
    }

    /// What was done so far.
    pub fn progress(&self) -> Progress {
        let remaining = u64::try_from(self.end.get() - self.position.get()).unwrap_or(0);
        Progress { remaining, ..self.done }
    }

    /// What is needed to go on; none if all is done.
    pub const fn need(&self) -> Option<Need> {
        match self.course {
            Course::Replay | Course::Sweep => Some(Need::Batches(self.position)),
            Course::Snapshot(_) => Some(Need::Nothing),
            Course::Done => None,
        }
    }

    /// Goes on with what was fetched, if something was needed, and says what is to be committed before the next call.
    ///
    /// # Errors
    /// If a batch is damaged, or the store cannot be read.
    pub fn step(&mut self, store: &KeyValueStore, fetched: Fetch) -> Result<Transaction, Stop> {
        let mut transaction = Transaction::default();
        match std::mem::replace(&mut self.course, Course::Done) {
            Course::Replay => self.replay(store, fetched, &mut transaction)?,
            Course::Sweep => self.sweep(store, fetched, &mut transaction)?,
            Course::Snapshot(from) => self.snapshot(store, &from, &mut transaction)?,
            Course::Done => {}
        }
        Ok(transaction)
    }

    fn replay(&mut self, store: &KeyValueStore, fetched: Fetch, transaction: &mut Transaction) -> Result<(), Stop> {
        let state = &mut transaction.state;
        let all = matches!(fetched, Fetch::End(_));
        let ended = self.read(fetched, &mut |key, timestamp, value| {
            store.load(state, key, timestamp, value);
            Ok(())
        })?;
        if crate::fault::is("restore-skips-rows") {
            transaction.state = Writes::default();
        }
        self.whole = all || ended;
        transaction.checkpoints.push(self.checkpoint(store, Some(self.position)));
        self.course = if ended { Course::Done } else { Course::Replay };
        Ok(())
    }

    fn sweep(&mut self, store: &KeyValueStore, fetched: Fetch, transaction: &mut Transaction) -> Result<(), Stop> {
        let mut out = Out::new(&self.changelog);
        let ended = self.read(fetched, &mut |key, timestamp, value| {
            if value.is_some() && !store.holds(key)? {
                out.push(timestamp, key, None);
            }
            Ok(())
        })?;
        self.write(out, transaction);
        self.course = if ended { Course::Snapshot(Vec::new()) } else { Course::Sweep };
        Ok(())
    }

    fn snapshot(&mut self, store: &KeyValueStore, from: &[u8], transaction: &mut Transaction) -> Result<(), Stop> {
        let mut out = Out::new(&self.changelog);
        let mut next = None;
        store.visit_committed(from, None, &mut |key, timestamp, value| {
            if out.bytes >= SNAPSHOT_BYTES {
                next = Some(key.to_vec());
                return false;
            }
            out.push(timestamp, key, Some(value));
            true
        })?;
        self.write(out, transaction);
        if next.is_none() {
            self.whole = true;
            transaction.checkpoints.push(self.checkpoint(store, None));
        }
        self.course = next.map_or(Course::Done, Course::Snapshot);
        Ok(())
    }

    fn checkpoint(&self, store: &KeyValueStore, at: Option<Offset>) -> Checkpoint {
        Checkpoint { changelog: self.changelog.clone(), key: store.checkpoint_key(), at, whole: self.whole }
    }

    /// Reads batches up to the end that there was at the beginning. Says whether it was reached.
    fn read(&mut self, fetched: Fetch, each: Each<'_>) -> Result<bool, Stop> {
        let next = fetched.next().unwrap_or(self.position);
        for records in fetched.records() {
            let Records { bytes, records, .. } = records.map_err(|error| self.damaged(&error))?;
            for record in records.into_iter().filter(|record| (self.position..self.end).contains(&record.offset)) {
                // A changelog's records have keys; what has none was not written by a store.
                let Some(key) = record.key.of(&bytes) else { continue };
                let value = record.value.of(&bytes);
                self.done.bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
                each(key, record.timestamp, value)?;
                self.done.read += 1;
            }
        }
        self.position = next.clamp(self.position, self.end);
        Ok(self.position == self.end)
    }

    fn write(&mut self, out: Out, transaction: &mut Transaction) {
        self.done.written += out.records;
        self.done.bytes += out.bytes as u64;
        transaction.outputs = out.finish();
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> Stop {
        Stop::Damaged { partition: self.changelog.clone(), reason: error.to_string() }
    }
}

/// Records for a changelog.
struct Out {
    partition: TopicPartition,
    open: BatchBuilder,
    finished: Vec<(TopicPartition, Vec<u8>)>,
    bytes: usize,
    records: u64,
}

impl Out {
    fn new(partition: &TopicPartition) -> Self {
        Self {
            partition: partition.clone(),
            open: BatchBuilder::new(Compression::None),
            finished: Vec::new(),
            bytes: 0,
            records: 0,
        }
    }

    fn push(&mut self, timestamp: i64, key: &[u8], value: Option<&[u8]>) {
        let before = self.open.size();
        self.open.append(timestamp, Some(key), value, &[]);
        self.bytes += self.open.size() - before;
        self.records += 1;
        if self.open.size() >= BATCH_BYTES_MAX {
            self.finished.push((self.partition.clone(), self.open.finish()));
        }
    }

    fn finish(mut self) -> Vec<(TopicPartition, Vec<u8>)> {
        if self.open.count() > 0 {
            self.finished.push((self.partition.clone(), self.open.finish()));
        }
        self.finished
    }
}
