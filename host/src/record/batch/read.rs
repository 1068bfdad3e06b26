//! From bytes to records.

use super::{BatchError, CRC_END, DELETE_HORIZON, HEADER_BYTES, LENGTH_END, MAGIC, UNCOMPRESSED_BYTES_MAX, field};
use crate::record::{Cell, Chunk, Offset, Timestamp, headers, varint};
use std::io::Read;
use std::sync::Arc;

/// The batches of a buffer, one after the other.
#[derive(Debug)]
pub struct Batches {
    buffer: Arc<Vec<u8>>,
    at: usize,
}

impl Batches {
    /// The batches of these bytes.
    pub fn new(buffer: Arc<Vec<u8>>) -> Self {
        Self { buffer, at: 0 }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.buffer.len() {
            return None;
        }
        let batch = Batch::read(&self.buffer, self.at);
        self.at = batch.as_ref().map_or(self.buffer.len(), |batch| batch.end);
        Some(batch)
    }
}

/// One batch whose checksum was found right.
#[derive(Clone, Debug)]
pub struct Batch {
    end: usize,
    base_offset: i64,
    last_offset_delta: i32,
    base_timestamp: i64,
    append_time: Option<Timestamp>,
    attributes: i16,
    count: usize,
    payload: Arc<Vec<u8>>,
    /// Where the records lie in the payload.
    records: std::ops::Range<usize>,
}

/// One record; its cells are relative to [`Batch::payload`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, or the batch's where the log gave it one.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Cell,
    /// Its value.
    pub value: Cell,
    /// Its headers as they lie there; empty: none.
    pub headers: Cell,
}

const CONTROL: i16 = 0x20;
const TRANSACTIONAL: i16 = 0x10;
const APPEND_TIME: i16 = 0x08;

impl Batch {
    fn read(buffer: &Arc<Vec<u8>>, at: usize) -> Result<Self, BatchError> {
        let cut = BatchError::Truncated { at };
        let bytes = buffer.get(at..).unwrap_or_default();
        let magic = *bytes.get(16).ok_or_else(|| cut.clone())?;
        if magic != MAGIC {
            return Err(BatchError::Magic { at, magic });
        }
        let length = field(bytes, 8).map(i32::from_be_bytes).and_then(|length| usize::try_from(length).ok());
        let size = length.map(|length| length + LENGTH_END).filter(|size| *size >= HEADER_BYTES);
        let bytes = size.and_then(|size| bytes.get(..size)).ok_or(cut)?;
        Self::parse(buffer, at, bytes).unwrap_or(Err(BatchError::Truncated { at }))
    }

    /// None if the header is cut off, which the caller has ruled out.
    fn parse(buffer: &Arc<Vec<u8>>, at: usize, bytes: &[u8]) -> Option<Result<Self, BatchError>> {
        let base_offset = i64::from_be_bytes(field(bytes, 0)?);
        let offset = Offset::new(base_offset);
        let found = u32::from_be_bytes(field(bytes, 17)?);
        let computed = crc32c::crc32c(bytes.get(CRC_END..)?);
        if found != computed {
            return Some(Err(BatchError::Checksum { offset, found, computed }));
        }
        let attributes = i16::from_be_bytes(field(bytes, 21)?);
        let last_offset_delta = i32::from_be_bytes(field(bytes, 23)?);
        let max_timestamp = i64::from_be_bytes(field(bytes, 35)?);
        let count = i32::from_be_bytes(field(bytes, 57)?);
        let damaged = |what| Some(Err(BatchError::Damaged { offset, what }));
        let Ok(count) = usize::try_from(count) else { return damaged("its record count is negative") };
        if last_offset_delta < 0
            || base_offset.checked_add(i64::from(last_offset_delta)).is_none_or(|end| end == i64::MAX)
        {
            return damaged("its last offset is out of range");
        }
        let (payload, records) = match payload(bytes, attributes, offset) {
            Err(error) => return Some(Err(error)),
            Ok(None) => (Arc::clone(buffer), at + HEADER_BYTES..at + bytes.len()),
            Ok(Some(unpacked)) => {
                let records = 0..unpacked.len();
                (Arc::new(unpacked), records)
            }
        };
        let batch = Self {
            end: at + bytes.len(),
            base_offset,
            last_offset_delta,
            base_timestamp: i64::from_be_bytes(field(bytes, 27)?),
            append_time: (attributes & APPEND_TIME != 0).then_some(max_timestamp),
            attributes,
            count,
            payload,
            records,
        };
        Some(Ok(batch))
    }

    /// Number of records.
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds no record, as after compaction.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it is a transaction's marker instead of data.
    pub const fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Whether it was written in a transaction.
    pub const fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// From when on its deletions may be forgotten; none if it was not compacted since it was written.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    /// Offset of its first record when it was written.
    pub fn base_offset(&self) -> Offset {
        Offset::new(self.base_offset)
    }

    /// Offset of the last record that it had when it was written.
    pub fn last_offset(&self) -> Offset {
        Offset::new(self.base_offset + i64::from(self.last_offset_delta))
    }

    /// The bytes that its records' cells are relative to.
    pub const fn payload(&self) -> &Arc<Vec<u8>> {
        &self.payload
    }

    /// Its records.
    pub fn records(&self) -> impl Iterator<Item = Result<Record, BatchError>> + '_ {
        let bytes = self.payload.get(..self.records.end).unwrap_or_default();
        let mut at = self.records.start;
        let mut left = self.count;
        let mut offset_before = -1;
        std::iter::from_fn(move || {
            if left == 0 {
                let rest = at != bytes.len();
                at = bytes.len();
                return rest.then(|| Err(self.damaged("bytes are left over after its records")));
            }
            let record = self.record(bytes, &mut at, &mut offset_before);
            left = if record.is_some() { left - 1 } else { 0 };
            at = if record.is_some() { at } else { bytes.len() };
            Some(record.ok_or_else(|| self.damaged("a record's lengths do not fit")))
        })
    }

    fn record(&self, bytes: &[u8], at: &mut usize, before: &mut i64) -> Option<Record> {
        let length = varint::take_length(bytes, at)??;
        let end = *at + length;
        let bytes = bytes.get(..end)?;
        *at += 1; // attributes of a record: none are defined
        let timestamp = self.base_timestamp.wrapping_add(varint::take(bytes, at)?);
        let delta = varint::take(bytes, at)?;
        if delta <= *before || delta > i64::from(self.last_offset_delta) {
            return None;
        }
        *before = delta;
        let key = cell(bytes, at)?;
        let value = cell(bytes, at)?;
        let headers = if bytes.get(*at) == Some(&0) {
            *at += 1;
            Cell::EMPTY
        } else {
            let size = headers::measure(bytes, *at)?;
            *at += size;
            stretch(*at - size, size)?
        };
        let offset = Offset::new(self.base_offset + delta);
        let timestamp = self.append_time.unwrap_or(timestamp);
        (*at == end).then_some(Record { offset, timestamp, key, value, headers })
    }

    fn damaged(&self, what: &'static str) -> BatchError {
        BatchError::Damaged { offset: Offset::new(self.base_offset), what }
    }
}

/// A field with its length.
fn cell(bytes: &[u8], at: &mut usize) -> Option<Cell> {
    let Some(length) = varint::take_length(bytes, at)? else { return Some(Cell::NULL) };
    let cell = stretch(*at, length);
    *at += length;
    cell
}

fn stretch(start: usize, length: usize) -> Option<Cell> {
    Some(Chunk::FIRST.cell(u32::try_from(start).ok()?, u32::try_from(length).ok()?))
}

/// The unpacked records of a compressed batch; none if it is not compressed.
fn payload(bytes: &[u8], attributes: i16, offset: Offset) -> Result<Option<Vec<u8>>, BatchError> {
    let packed = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let damaged = |what| BatchError::Damaged { offset, what };
    let mut unpacked = Vec::new();
    // One byte more than allowed, so that too much is told from just enough.
    let most = UNCOMPRESSED_BYTES_MAX as u64 + 1;
    let read = match attributes & 0x07 {
        0 => return Ok(None),
        1 => return Err(BatchError::Compression { offset, name: "gzip" }),
        2 => return Err(BatchError::Compression { offset, name: "snappy" }),
        3 => lz4_flex::frame::FrameDecoder::new(packed).take(most).read_to_end(&mut unpacked),
        4 => zstd::stream::read::Decoder::new(packed).and_then(|decoder| decoder.take(most).read_to_end(&mut unpacked)),
        _ => return Err(BatchError::Compression { offset, name: "an unknown codec" }),
    };
    read.map_err(|_| damaged("its compressed records cannot be unpacked"))?;
    if unpacked.len() > UNCOMPRESSED_BYTES_MAX {
        return Err(damaged("its records are larger than 64 MiB unpacked"));
    }
    Ok(Some(unpacked))
}
