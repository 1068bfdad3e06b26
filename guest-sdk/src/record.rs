//! Records in, rows out.

use crate::bindings::imports::millstream::plugin::types::{Columns, Failure, Outcome};
use crate::field::{Field, NULL};

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Event time, milliseconds since the Unix epoch.
    pub timestamp: i64,
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// A record without headers, for tests.
    pub fn new(key: Option<&'a [u8]>, value: Option<&'a [u8]>, timestamp: i64) -> Self {
        Self { key, value, timestamp, headers: &[] }
    }

    /// The value as text: empty for null, and up to the first byte that is no UTF-8.
    pub fn text(&self) -> &'a str {
        let bytes = self.value.unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_else(|error| {
            std::str::from_utf8(bytes.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        })
    }

    /// The headers, name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.headers;
        std::iter::from_fn(move || {
            let name = take(&mut rest)??;
            let value = take(&mut rest)?;
            Some((std::str::from_utf8(name).unwrap_or_default(), value))
        })
    }
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

/// Where a function that makes any number of rows puts them. All carry the input record's timestamp and headers.
#[derive(Debug)]
pub struct Out {
    outcome: Outcome,
    keyed: bool,
    row: u32,
}

impl Out {
    pub(crate) fn new(keyed: bool, rows: usize, bytes: usize) -> Self {
        let outcome = Outcome {
            sources: Vec::with_capacity(rows),
            routes: Vec::new(),
            timestamps: Vec::new(),
            key_lengths: Vec::new(),
            value_lengths: Vec::with_capacity(rows),
            header_lengths: Vec::new(),
            bytes: Vec::with_capacity(bytes),
            failures: Vec::new(),
        };
        Self { outcome, keyed, row: 0 }
    }

    /// A row with the input's key and this value.
    ///
    /// # Panics
    /// In `flat_map`, where every row says its key: use [`Out::pair`].
    pub fn value(&mut self, value: impl Field) {
        assert!(!self.keyed, "flat_map rows need a key: use Out::pair");
        let length = value.write(&mut self.outcome.bytes).unwrap_or(NULL);
        self.outcome.value_lengths.push(length);
        self.outcome.sources.push(self.row);
    }

    /// A row with a key and a value of its own.
    ///
    /// # Panics
    /// In `flat_map_values`, which keeps the key: use [`Out::value`].
    pub fn pair(&mut self, key: impl Field, value: impl Field) {
        assert!(self.keyed, "flat_map_values keeps the key: use Out::value");
        let key = key.write(&mut self.outcome.bytes).unwrap_or(NULL);
        let value = value.write(&mut self.outcome.bytes).unwrap_or(NULL);
        self.outcome.key_lengths.push(key);
        self.outcome.value_lengths.push(value);
        self.outcome.sources.push(self.row);
    }

    /// The input row as it is.
    pub(crate) fn keep(&mut self) {
        self.outcome.sources.push(self.row);
    }

    /// A row whose one new field `write` appends.
    pub(crate) fn row(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<u32, String>) -> Result<(), String> {
        let length = write(&mut self.outcome.bytes)?;
        self.outcome.value_lengths.push(length);
        self.keep();
        Ok(())
    }

    /// A row whose key and value `write` appends.
    pub(crate) fn keyed_row(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(u32, u32), String>,
    ) -> Result<(), String> {
        let (key, value) = write(&mut self.outcome.bytes)?;
        self.outcome.key_lengths.push(key);
        self.outcome.value_lengths.push(value);
        self.keep();
        Ok(())
    }

    /// Goes through the next record; if it fails, the rows that it has made already are undone.
    pub(crate) fn attempt(&mut self, row: u32, make: impl FnOnce(&mut Self) -> Result<(), String>) {
        let (rows, bytes) = (self.outcome.sources.len(), self.outcome.bytes.len());
        self.row = row;
        if let Err(reason) = make(self) {
            self.outcome.sources.truncate(rows);
            self.outcome.key_lengths.truncate(rows);
            self.outcome.value_lengths.truncate(rows);
            self.outcome.bytes.truncate(bytes);
            self.outcome.failures.push(Failure { row, class: String::new(), reason });
        }
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        self.outcome
    }
}
