//! Compaction: of the records of a key the last one stays. A deletion stays for a day, so that whoever reads meanwhile
//! learns of it. Offsets stay, with gaps.
//!
//! A pass learns the last offset of every key of the part that was not compacted yet, then goes through all before that
//! part's end and rewrites what holds records that a later one replaced. The last batch is left alone: it says where the
//! partition ends.

use super::EmbeddedLog;
use super::keys::{clean_key, last_place, place};
use crate::record::batch::{self, Batch, Batches, Rewriter};
use crate::record::{Offset, Timestamp, TopicPartition};
use crate::store::{Family, Writes};
use crate::transport::TransportError;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// How long a deletion is kept after the first pass over it, milliseconds: Kafka's default of `delete.retention.ms`.
pub(super) const DELETE_RETENTION: Timestamp = 24 * 3600 * 1000;
// Unit tests have small limits, so that a short tape meets them all.

/// Records that must have come since the last pass, at least, before another is worth it.
const DIRTY_RECORDS_MIN: u64 = if cfg!(test) { 8 } else { 1000 };
/// Keys that one pass learns, at most: about 10 MB. What comes after them waits for the next pass.
const KEYS_MAX: usize = if cfg!(test) { 7 } else { 1 << 18 };
/// Bytes read before what was rewritten is applied: small enough not to hold up a commit.
const SLICE_BYTES: usize = if cfg!(test) { 1000 } else { 1 << 20 };
/// Bytes after which a rewritten batch is closed, as tasks close theirs.
const BATCH_BYTES: usize = if cfg!(test) { 600 } else { 256 * 1024 };

/// Sixteen bytes of a key's SHA-256: no two keys that anyone can find have the same.
type Digested = [u8; 16];

/// What a pass goes by.
struct Pass<'a> {
    partition: &'a TopicPartition,
    /// Last offset of every key that came since the last pass.
    last: FxHashMap<Digested, Offset>,
    /// Where the pass ends.
    until: Offset,
    now: Timestamp,
}

/// What one slice of a pass did.
#[derive(Default)]
struct Slice {
    writes: Writes,
    read: usize,
    dropped: u64,
    kept: u64,
    group: Option<Group>,
    /// Where the next slice begins.
    next: Option<Offset>,
}

/// Batches on their way into one.
struct Group {
    batch: Rewriter,
    /// Keys of the batches that it stands for.
    keys: Vec<Vec<u8>>,
    /// Whether it is the one batch that it stands for, as it was.
    unchanged: bool,
}

impl EmbeddedLog {
    /// One pass, if enough came since the last one. Says how many records are gone.
    pub(super) fn compact(
        &self,
        partition: &TopicPartition,
        now: Timestamp,
        go_on: &dyn Fn() -> bool,
    ) -> Result<u64, TransportError> {
        let (done, kept) = self.compacted(partition)?;
        let end = self.state().ends.get(partition).copied().unwrap_or(Offset::new(0));
        let dirty = u64::try_from(end.get() - done.get()).unwrap_or(0);
        // Kafka's `min.cleanable.dirty.ratio` of one half, in records.
        if dirty < DIRTY_RECORDS_MIN.max(kept) {
            return Ok(0);
        }
        let pass = self.learn(partition, done, now)?;
        // Should retention look at it again one day, it counts anew.
        self.state().sizes.remove(partition);
        let (mut from, mut dropped, mut kept) = (self.start(partition), 0, 0);
        while from < pass.until {
            if !go_on() {
                return Ok(dropped);
            }
            let slice = self.slice(&pass, from)?;
            self.db.apply(&slice.writes, false)?;
            dropped += slice.dropped;
            kept += slice.kept;
            from = slice.next.unwrap_or(pass.until);
        }
        let mut writes = Writes::default();
        let state = [pass.until.get().to_be_bytes(), kept.to_be_bytes()].concat();
        writes.put(Family::Meta, clean_key(partition), state);
        self.db.apply(&writes, false)?;
        Ok(dropped)
    }

    /// Up to where compaction came, and how many records it left there.
    fn compacted(&self, partition: &TopicPartition) -> Result<(Offset, u64), TransportError> {
        let stored = self.db.get(Family::Meta, &clean_key(partition))?.unwrap_or_default();
        let done = stored.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        Ok((Offset::new(done), stored.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))))
    }

    /// Learns the last offsets of the keys from `done` on, up to the last batch or as far as there is room.
    fn learn<'a>(
        &self,
        partition: &'a TopicPartition,
        done: Offset,
        now: Timestamp,
    ) -> Result<Pass<'a>, TransportError> {
        let mut pass = Pass { partition, last: FxHashMap::default(), until: done, now };
        let Some(head) = self.head(partition)? else { return Ok(pass) };
        let number = self.number(partition)?;
        let (from, to) = (place(number, partition, Offset::new(0)), place(number, partition, head));
        let mut result = Ok(());
        self.db.walk_at(Family::Log, (&from, &place(number, partition, done), &to), |_, value| {
            result = pass.note(value);
            result.is_ok() && pass.last.len() < KEYS_MAX
        })?;
        result.map(|()| pass)
    }

    /// Where the last batch begins.
    fn head(&self, partition: &TopicPartition) -> Result<Option<Offset>, TransportError> {
        let number = self.number(partition)?;
        let (from, to) = (place(number, partition, Offset::new(0)), last_place(number, partition));
        let mut head = None;
        self.db.walk(Family::Log, &from, Some(&to), true, |key, _| {
            head = key.last_chunk().map(|bytes| Offset::new(i64::from_be_bytes(*bytes)));
            false
        })?;
        Ok(head)
    }

    fn slice(&self, pass: &Pass<'_>, from: Offset) -> Result<Slice, TransportError> {
        let partition = pass.partition;
        let number = self.number(partition)?;
        let bounds = (place(number, partition, Offset::new(0)), place(number, partition, pass.until));
        let mut slice = Slice::default();
        let mut result = Ok(());
        self.db.walk_at(Family::Log, (&bounds.0, &place(number, partition, from), &bounds.1), |key, value| {
            // The first may be one that lies before: where a batch is gone, the one before it is found.
            if batch::summary(value).is_none_or(|batch| batch.last >= from) {
                result = slice.take(pass, key, value, number);
            }
            result.is_ok() && slice.read < SLICE_BYTES
        })?;
        result?;
        slice.close(partition, number);
        Ok(slice)
    }
}

impl Pass<'_> {
    fn note(&mut self, value: &[u8]) -> Result<(), TransportError> {
        let batch = decode(self.partition, value)?;
        for record in batch.records() {
            let record = record.map_err(|error| damaged(self.partition, &error))?;
            if let Some(key) = record.key.of(batch.payload()) {
                self.last.insert(digest(key), record.offset);
            }
        }
        self.until = self.until.max(batch.last_offset().next());
        Ok(())
    }

    /// Whether a record stays: it is the last of its key, and no deletion that is long known.
    fn stays(&self, offset: Offset, key: Option<&[u8]>, deletes: bool, horizon: Option<Timestamp>) -> bool {
        let Some(key) = key else { return true };
        let replaced = self.last.get(&digest(key)).is_some_and(|last| *last > offset);
        let forgotten = deletes && horizon.is_some_and(|horizon| horizon < self.now);
        !replaced && !forgotten
    }
}

impl Slice {
    /// Takes one stored batch in.
    fn take(&mut self, pass: &Pass<'_>, key: &[u8], value: &[u8], number: u32) -> Result<(), TransportError> {
        let partition = pass.partition;
        let batch = decode(partition, value)?;
        self.read += value.len();
        self.next = Some(batch.last_offset().next());
        let payload = batch.payload();
        let mut stay = Vec::with_capacity(batch.len());
        let mut deletes = false;
        for record in batch.records() {
            let record = record.map_err(|error| damaged(partition, &error))?;
            let deletion = record.value.of(payload).is_none();
            if pass.stays(record.offset, record.key.of(payload), deletion, batch.delete_horizon()) {
                deletes |= deletion;
                stay.push(record);
            }
        }
        self.dropped += (batch.len() - stay.len()) as u64;
        self.kept += stay.len() as u64;
        let horizon = deletes.then(|| batch.delete_horizon().unwrap_or(pass.now + DELETE_RETENTION));
        let unchanged = stay.len() == batch.len() && horizon == batch.delete_horizon();
        let base = key.last_chunk().map_or(batch.base_offset(), |bytes| Offset::new(i64::from_be_bytes(*bytes)));
        let fits = self.group.as_ref().is_some_and(|group| {
            let same = stay.is_empty() || group.batch.horizon() == horizon;
            same && group.batch.reaches(batch.last_offset()) && group.batch.size() + value.len() <= BATCH_BYTES
        });
        if !fits {
            self.close(partition, number);
            self.group = Some(Group { batch: Rewriter::new(base, horizon), keys: Vec::new(), unchanged });
        }
        let Some(group) = &mut self.group else { return Ok(()) };
        group.unchanged &= unchanged && group.keys.is_empty();
        group.keys.push(key.to_vec());
        group.batch.cover(batch.last_offset());
        for record in stay {
            let fields = (record.key.of(payload), record.value.of(payload));
            group.batch.append(record.offset, record.timestamp, fields, record.headers.of(payload).unwrap_or_default());
        }
        Ok(())
    }

    /// Writes the group at hand, if it is something new.
    fn close(&mut self, partition: &TopicPartition, number: u32) {
        let Some(group) = self.group.take().filter(|group| !group.unchanged) else { return };
        let base = place(number, partition, group.batch.base());
        for key in group.keys.into_iter().filter(|key| *key != base) {
            self.writes.delete(Family::Log, key);
        }
        if group.batch.count() == 0 {
            self.writes.delete(Family::Log, base);
        } else {
            self.writes.put(Family::Log, base, group.batch.finish());
        }
    }
}

fn decode(partition: &TopicPartition, value: &[u8]) -> Result<Batch, TransportError> {
    let batch = Batches::new(Arc::new(value.to_vec())).next();
    let batch = batch.ok_or_else(|| damaged(partition, &"an entry of the log is empty"))?;
    batch.map_err(|error| damaged(partition, &error))
}

fn damaged(partition: &TopicPartition, error: &dyn std::fmt::Display) -> TransportError {
    TransportError::Corrupt(format!("{partition}: {error}"))
}

fn digest(key: &[u8]) -> Digested {
    Sha256::digest(key).first_chunk().copied().unwrap_or_default()
}
