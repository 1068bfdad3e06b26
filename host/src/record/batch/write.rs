//! From records to bytes.

use super::{CRC_END, Compression, HEADER_BYTES, LENGTH_END, MAGIC};
use crate::record::{Timestamp, varint};
use std::io::Write;

/// Builds one batch after the other; keeps its memory.
#[derive(Debug)]
pub struct BatchBuilder {
    compression: Compression,
    /// Header (filled in at the end) and records.
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    /// A builder of batches compressed like this.
    pub fn new(compression: Compression) -> Self {
        Self { compression, bytes: vec![0; HEADER_BYTES], count: 0, base_timestamp: 0, max_timestamp: i64::MIN }
    }

    /// Number of records.
    pub const fn count(&self) -> i32 {
        self.count
    }

    /// Bytes so far, before compression.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record. `headers` is a section as it lies in a batch; empty: none.
    pub fn append(&mut self, timestamp: Timestamp, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        put_record(&mut self.bytes, timestamp_delta, i64::from(self.count), key, value, headers);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
    }

    /// The batch, with base offset 0 and no producer; the builder is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        let records = || self.bytes.get(HEADER_BYTES..).unwrap_or_default();
        let (codec, packed) = match self.compression {
            Compression::None => (0, Vec::new()),
            Compression::Lz4 => (3, compressed(lz4(records()))),
            Compression::Zstd => (4, compressed(zstd::bulk::compress(records(), 0))),
        };
        // A writer into memory does not fail; should compression fail all the same, the records go as they are.
        let (codec, mut batch) = if packed.is_empty() {
            let room = Vec::with_capacity(self.bytes.len());
            (0, std::mem::replace(&mut self.bytes, room))
        } else {
            (codec, packed)
        };
        self.fill(&mut batch, codec);
        self.clear();
        batch
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.resize(HEADER_BYTES, 0);
        self.count = 0;
        self.max_timestamp = i64::MIN;
    }

    /// Fills the header in.
    fn fill(&self, batch: &mut [u8], codec: i16) {
        let header = Header {
            base_offset: 0,
            attributes: codec,
            last_offset_delta: (self.count - 1).max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            count: self.count,
        };
        header.put(batch);
    }
}

/// What a batch's header says, but for length and checksum; there is no producer.
pub(super) struct Header {
    pub(super) base_offset: i64,
    pub(super) attributes: i16,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: Timestamp,
    pub(super) max_timestamp: Timestamp,
    pub(super) count: i32,
}

impl Header {
    /// Writes it over the first bytes of a batch, checksum last.
    pub(super) fn put(&self, batch: &mut [u8]) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "batches are far below 2 GiB")]
        let length = (batch.len() - LENGTH_END) as i32;
        let fields: [(usize, &[u8]); 12] = [
            (0, &self.base_offset.to_be_bytes()),
            (8, &length.to_be_bytes()),
            (12, &(-1i32).to_be_bytes()),
            (16, &[MAGIC]),
            (21, &self.attributes.to_be_bytes()),
            (23, &self.last_offset_delta.to_be_bytes()),
            (27, &self.base_timestamp.to_be_bytes()),
            (35, &self.max_timestamp.to_be_bytes()),
            (43, &(-1i64).to_be_bytes()),
            (51, &(-1i16).to_be_bytes()),
            (53, &(-1i32).to_be_bytes()),
            (57, &self.count.to_be_bytes()),
        ];
        for (at, bytes) in fields {
            put_at(batch, at, bytes);
        }
        let checksum = crc32c::crc32c(batch.get(CRC_END..).unwrap_or_default());
        put_at(batch, 17, &checksum.to_be_bytes());
    }
}

/// Appends one record; `headers` is a section as it lies in a batch; empty: none.
pub(super) fn put_record(
    bytes: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: &[u8],
) {
    let headers = if headers.is_empty() { &[0][..] } else { headers };
    let length = 1
        + varint::size(timestamp_delta)
        + varint::size(offset_delta)
        + field_size(key)
        + field_size(value)
        + headers.len();
    varint::put(length.cast_signed() as i64, bytes);
    bytes.push(0);
    varint::put(timestamp_delta, bytes);
    varint::put(offset_delta, bytes);
    put_field(key, bytes);
    put_field(value, bytes);
    bytes.extend_from_slice(headers);
}

fn put_at(batch: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = batch.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

fn lz4(records: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder.write_all(records)?;
    Ok(encoder.finish()?)
}

/// A batch with room for the header and these records; empty if compression failed.
fn compressed(records: std::io::Result<Vec<u8>>) -> Vec<u8> {
    records.map_or_else(|_| Vec::new(), |records| [&[0; HEADER_BYTES][..], &records].concat())
}

fn field_size(field: Option<&[u8]>) -> usize {
    field.map_or(1, |field| varint::size(field.len().cast_signed() as i64) + field.len())
}

fn put_field(field: Option<&[u8]>, bytes: &mut Vec<u8>) {
    match field {
        None => bytes.push(1),
        Some(field) => {
            varint::put(field.len().cast_signed() as i64, bytes);
            bytes.extend_from_slice(field);
        }
    }
}
