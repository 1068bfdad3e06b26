//! Records as they come in.

use crate::bindings::imports::millstream::plugin::types::Columns;
use crate::field::NULL;

/// One record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Event time, milliseconds since the Unix epoch.
    pub timestamp: i64,
    pub(crate) headers: &'a [u8],
}

/// The key of a windowed result: the record's key and the window's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windowed<'a> {
    /// The record's key.
    pub key: &'a [u8],
    /// First millisecond of the window.
    pub start: i64,
    /// Its end: of time windows the millisecond after the last, of sliding windows and sessions the last.
    pub end: i64,
}

impl<'a> Record<'a> {
    /// A record without headers, for tests.
    pub fn new(key: Option<&'a [u8]>, value: Option<&'a [u8]>, timestamp: i64) -> Self {
        Self { key, value, timestamp, headers: &[] }
    }

    /// The headers in order: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        entries(self.headers).map(|(name, value, _)| (name, value))
    }

    /// The value of the last header of this name; none: there is no such header, or it is null.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(found, _)| *found == name).last().and_then(|(_, value)| value)
    }

    /// The key taken apart, if the record is the result of an aggregate over windows or sessions.
    pub fn windowed(&self) -> Option<Windowed<'a>> {
        let (rest, end) = self.key?.split_last_chunk::<8>()?;
        let (key, start) = rest.split_last_chunk::<8>()?;
        Some(Windowed { key, start: i64::from_be_bytes(*start), end: i64::from_be_bytes(*end) })
    }
}

/// The headers of a block: name, value, and the bytes that hold both.
pub(crate) fn entries(block: &[u8]) -> impl Iterator<Item = (&str, Option<&[u8]>, &[u8])> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let before = rest;
        let name = take(&mut rest)??;
        let value = take(&mut rest)?;
        let whole = before.get(..before.len() - rest.len())?;
        Some((std::str::from_utf8(name).unwrap_or_default(), value, whole))
    })
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    let length = u32::from_le_bytes(*length);
    if length == NULL {
        return Some(None);
    }
    let (field, after) = rest.split_at_checked(length as usize)?;
    *rest = after;
    Some(Some(field))
}

/// The records of a batch, in order.
pub(crate) struct Rows<'a> {
    batch: &'a Columns,
    row: usize,
    at: usize,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(batch: &'a Columns) -> Self {
        Self { batch, row: 0, at: 0 }
    }

    #[inline]
    fn field(&mut self, length: Option<&u32>) -> Option<&'a [u8]> {
        let length = *length?;
        if length == NULL {
            return None;
        }
        let start = self.at;
        self.at += length as usize;
        self.batch.bytes.get(start..self.at)
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        let batch = self.batch;
        let value_length = batch.value_lengths.get(self.row)?;
        let key = self.field(batch.key_lengths.get(self.row));
        let value = self.field(Some(value_length));
        let headers = self.field(batch.header_lengths.get(self.row)).unwrap_or_default();
        let timestamp = batch.timestamps.get(self.row).copied().unwrap_or_default();
        self.row += 1;
        Some(Record { key, value, timestamp, headers })
    }
}
