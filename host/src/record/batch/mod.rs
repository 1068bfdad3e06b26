//! Kafka's record batch, version 2: how records lie in a log and travel between tasks.
//!
//! Layout (big-endian): base offset 8, batch length 4 (what follows it), leader epoch 4, magic 1, CRC-32C 4 (of what
//! follows it), attributes 2, last offset delta 4, base timestamp 8, max timestamp 8, producer id 8, producer epoch 2,
//! base sequence 4, record count 4, records. See <https://kafka.apache.org/documentation/#recordbatch>.

mod read;
mod rewrite;
mod write;

pub use read::{Batch, Batches, Record};
pub use rewrite::Rewriter;
pub use write::BatchBuilder;

use super::{Offset, Timestamp};

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 61;
/// Bytes before those that the batch length counts.
const LENGTH_END: usize = 12;
/// The format's version.
const MAGIC: u8 = 2;
/// Where the bytes begin that the CRC covers.
const CRC_END: usize = 21;
/// Attribute: the base timestamp is the time from which deletions in the batch may be forgotten.
const DELETE_HORIZON: i16 = 0x40;
/// Largest batch after decompression, bytes: a compressed batch must not be able to fill the memory.
pub const UNCOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How a batch's records are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 frames.
    Lz4,
    /// Zstandard.
    Zstd,
}

/// Why bytes are no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The bytes end inside a batch.
    #[error("the batch at byte {at} is cut off")]
    Truncated {
        /// Where it begins.
        at: usize,
    },
    /// Another version of the format.
    #[error("the batch at byte {at} has format version {magic}, and only version 2 is read")]
    Magic {
        /// Where it begins.
        at: usize,
        /// Its version.
        magic: u8,
    },
    /// The checksum does not fit the bytes.
    #[error("the batch at offset {offset} has checksum {found:08x}, but its bytes say {computed:08x}")]
    Checksum {
        /// Its base offset.
        offset: Offset,
        /// The checksum in its header.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// A compression that is not read.
    #[error("the batch at offset {offset} is compressed by {name}, which is not supported (none, lz4 and zstd are)")]
    Compression {
        /// Its base offset.
        offset: Offset,
        /// The compression.
        name: &'static str,
    },
    /// What the header says and what follows do not agree.
    #[error("the batch at offset {offset} is damaged: {what}")]
    Damaged {
        /// Its base offset.
        offset: Offset,
        /// What does not fit.
        what: &'static str,
    },
}

/// Gives a batch its place in a partition. The base offset is outside the checksum.
pub fn set_base_offset(batch: &mut [u8], offset: Offset) {
    if let Some(bytes) = batch.first_chunk_mut::<8>() {
        *bytes = offset.get().to_be_bytes();
    }
}

/// What a log needs to know of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the whole batch.
    pub size: usize,
    /// Offset of its first record.
    pub base: Offset,
    /// Offset of its last record.
    pub last: Offset,
    /// Highest timestamp of its records.
    pub timestamp_max: Timestamp,
}

/// Reads a batch's header; none if the bytes are shorter than one or no batch at all.
pub fn summary(bytes: &[u8]) -> Option<Summary> {
    if *bytes.get(16)? != MAGIC {
        return None;
    }
    let base = i64::from_be_bytes(field(bytes, 0)?);
    let length = usize::try_from(i32::from_be_bytes(field(bytes, 8)?)).ok()?;
    let delta = i32::from_be_bytes(field(bytes, 23)?);
    let timestamp_max = i64::from_be_bytes(field(bytes, 35)?);
    let last = Offset::new(base.checked_add(i64::from(delta))?);
    Some(Summary { size: LENGTH_END + length, base: Offset::new(base), last, timestamp_max })
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests;
