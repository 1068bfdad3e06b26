//! From the records that compaction keeps to a batch in the place of those that held them.

use super::write::{Header, put_record};
use super::{DELETE_HORIZON, HEADER_BYTES};
use crate::record::{Offset, Timestamp};

/// Builds a batch over a stretch of offsets of which some are gone.
#[derive(Debug)]
pub struct Rewriter {
    bytes: Vec<u8>,
    base: Offset,
    last: Offset,
    /// When deletions in it may be forgotten; it stands where the base timestamp else stands, as in Kafka.
    horizon: Option<Timestamp>,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    count: i32,
}

impl Rewriter {
    /// A batch that begins at `base`.
    pub fn new(base: Offset, horizon: Option<Timestamp>) -> Self {
        Self {
            bytes: vec![0; HEADER_BYTES],
            base,
            last: base,
            horizon,
            base_timestamp: horizon.unwrap_or(0),
            max_timestamp: -1,
            count: 0,
        }
    }

    /// Where it begins.
    pub const fn base(&self) -> Offset {
        self.base
    }

    /// When its deletions may be forgotten.
    pub const fn horizon(&self) -> Option<Timestamp> {
        self.horizon
    }

    /// Number of records.
    pub const fn count(&self) -> i32 {
        self.count
    }

    /// Bytes so far.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it may go on up to `last`: offsets of a batch are 32-bit distances from its first.
    pub fn reaches(&self, last: Offset) -> bool {
        i32::try_from(last.get() - self.base.get()).is_ok()
    }

    /// Appends a record. Offsets must rise.
    pub fn append(
        &mut self,
        offset: Offset,
        timestamp: Timestamp,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        headers: &[u8],
    ) {
        if self.count == 0 && self.horizon.is_none() {
            self.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        put_record(&mut self.bytes, timestamp_delta, offset.get() - self.base.get(), key, value, headers);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
    }

    /// It stands for all offsets up to `last`, whatever was kept of them.
    pub fn cover(&mut self, last: Offset) {
        self.last = self.last.max(last);
    }

    /// The batch.
    pub fn finish(mut self) -> Vec<u8> {
        let header = Header {
            base_offset: self.base.get(),
            attributes: if self.horizon.is_some() { DELETE_HORIZON } else { 0 },
            last_offset_delta: i32::try_from(self.last.get() - self.base.get()).unwrap_or(i32::MAX),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            count: self.count,
        };
        header.put(&mut self.bytes);
        self.bytes
    }
}
