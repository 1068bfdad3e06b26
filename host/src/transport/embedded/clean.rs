//! What is let go of: by time, by size, and before an offset. A batch is what Kafka calls a segment: it goes whole.

use super::EmbeddedLog;
use super::keys::{last_place, place, start_key};
use crate::record::batch::{self, Summary};
use crate::record::{Offset, Timestamp, TopicPartition};
use crate::store::{Family, Writes};
use crate::transport::{Cleanup, TopicSpec, TransportError};
use std::sync::PoisonError;

/// Batches deleted by one write: enough to be quick, few enough not to hold up commits.
const BATCHES_AT_ONCE: usize = 1000;

/// What cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Batches deleted by retention.
    pub batches_deleted: u64,
    /// Records that compaction took away.
    pub records_compacted: u64,
}

impl EmbeddedLog {
    /// Lets retention and compaction do their work, in small writes of their own: commits come in between. Touches nothing
    /// that a commit touches. Ends early, between two writes, when `go_on` says no.
    ///
    /// # Errors
    /// See [`TransportError`]; what was done until then stays done.
    pub fn clean(&self, now: Timestamp, go_on: &dyn Fn() -> bool) -> Result<Cleaned, TransportError> {
        let _cleaning = self.shared.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        let specs: Vec<TopicSpec> = self.state().topics.values().map(|known| known.spec.clone()).collect();
        let mut cleaned = Cleaned::default();
        for spec in specs {
            for partition in spec.all_partitions() {
                if !go_on() {
                    return Ok(cleaned);
                }
                match spec.cleanup {
                    Cleanup::Delete => cleaned.batches_deleted += self.retain(&spec, &partition, now)?,
                    Cleanup::Compact => cleaned.records_compacted += self.compact(&partition, now, go_on)?,
                    // Topics of a cluster only.
                    Cleanup::Both | Cleanup::Unseen => {}
                }
            }
        }
        Ok(cleaned)
    }

    /// Deletes from the head as long as a batch is too old, or more is kept than is wanted.
    fn retain(&self, spec: &TopicSpec, partition: &TopicPartition, now: Timestamp) -> Result<u64, TransportError> {
        if spec.retention.is_none() && spec.retention_bytes.is_none() {
            return Ok(0);
        }
        let kept = spec.retention.and_then(|time| i64::try_from(time.as_millis()).ok());
        let oldest = kept.map(|kept| now.saturating_sub(kept));
        let mut spare = match spec.retention_bytes {
            Some(wanted) => self.size(partition)?.saturating_sub(wanted),
            None => 0,
        };
        self.trim(partition, Offset::new(0), &mut |batch| {
            let expired = oldest.is_some_and(|oldest| batch.timestamp_max < oldest);
            let size = batch.size as u64;
            if !expired && size > spare {
                return false;
            }
            spare = spare.saturating_sub(size);
            true
        })
    }

    /// Bytes of a partition: counted once, then kept up to date by commits.
    fn size(&self, partition: &TopicPartition) -> Result<u64, TransportError> {
        let number = self.number(partition)?;
        let end = {
            let mut state = self.state();
            if let Some(size) = state.sizes.get(partition) {
                return Ok(*size);
            }
            state.sizes.insert(partition.clone(), 0);
            state.ends.get(partition).copied().unwrap_or(Offset::new(0))
        };
        let (from, to) = (place(number, partition, Offset::new(0)), place(number, partition, end));
        let mut counted = 0;
        self.db.walk(Family::Log, &from, Some(&to), false, |_, value| {
            counted += value.len() as u64;
            true
        })?;
        let mut state = self.state();
        let size = state.sizes.entry(partition.clone()).or_default();
        *size += counted;
        Ok(*size)
    }

    /// Deletes batches that lie wholly before `start`, and from there on as long as they are `expired`. Says how many.
    pub(super) fn trim(
        &self,
        partition: &TopicPartition,
        start: Offset,
        expired: &mut dyn FnMut(&Summary) -> bool,
    ) -> Result<u64, TransportError> {
        // One at a time: of two that delete the later one must not move the start back.
        let _trimming = self.shared.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.number(partition)?;
        let (from, to) = (place(number, partition, Offset::new(0)), last_place(number, partition));
        let mut start = self.start(partition).max(start);
        let mut deleted = 0;
        loop {
            let mut writes = Writes::default();
            let (mut count, mut bytes) = (0, 0);
            self.db.walk(Family::Log, &from, Some(&to), false, |key, value| {
                let Some(batch) = batch::summary(value) else { return false };
                if batch.last >= start && !expired(&batch) {
                    return false;
                }
                start = start.max(batch.last.next());
                writes.delete(Family::Log, key);
                (count, bytes) = (count + 1, bytes + value.len() as u64);
                count < BATCHES_AT_ONCE
            })?;
            // A reader must find that the log begins later before it finds a gap. What a write before this one did not get
            // onto the disk is written again with the deletions.
            let moved = self.state().starts.insert(partition.clone(), start) != Some(start);
            if moved || !writes.is_empty() {
                writes.put(Family::Meta, start_key(partition), start.get().to_be_bytes());
            }
            if !writes.is_empty() {
                self.db.apply(&writes, false)?;
            }
            if let Some(size) = self.state().sizes.get_mut(partition) {
                *size = size.saturating_sub(bytes);
            }
            deleted += count as u64;
            if count < BATCHES_AT_ONCE {
                return Ok(deleted);
            }
        }
    }
}
