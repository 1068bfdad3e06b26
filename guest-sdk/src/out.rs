//! Rows as they go out.

use crate::bindings::imports::millstream::plugin::types::{Columns, Outcome};
use crate::field::{Field, NULL, SAME, append};
use crate::record::{Record, Rows, entries};
use crate::{Failed, Pair};

/// Timestamp of a row that has its input row's.
const SAME_TIMESTAMP: i64 = i64::MIN;
/// Route of a row that goes to each output.
const EVERY_OUTPUT: u16 = 0xffff;

/// Where a function puts the rows that it makes. What a row does not say is as in the input record.
#[derive(Debug)]
pub struct Out<'a> {
    outcome: Outcome,
    outputs: &'a [String],
    row: u32,
    input: Record<'a>,
    /// What went wrong in a method that returns nothing.
    error: Option<Failed>,
    scratch: Scratch,
}

/// Fields of a row that is being put together, in whatever order they are said.
#[derive(Debug, Default)]
struct Scratch {
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Vec<u8>,
}

/// Puts a field into a column that is shorter than the rows if the rows before did not say it.
#[inline]
fn set<T: Copy>(column: &mut Vec<T>, row: usize, same: T, field: T) {
    if column.len() != row {
        column.resize(row, same);
    }
    column.push(field);
}

impl<'a> Out<'a> {
    /// An outcome with room for `rows` rows and `bytes` bytes.
    pub(crate) fn new(rows: usize, bytes: usize, outputs: &'a [String]) -> Self {
        let outcome = Outcome {
            sources: Vec::with_capacity(rows),
            routes: Vec::new(),
            timestamps: Vec::new(),
            key_lengths: Vec::new(),
            value_lengths: Vec::new(),
            header_lengths: Vec::new(),
            bytes: Vec::with_capacity(bytes),
            failures: Vec::new(),
        };
        Self { outcome, outputs, row: 0, input: Record::default(), error: None, scratch: Scratch::default() }
    }

    /// The input record as it is.
    #[inline]
    pub fn keep(&mut self) {
        self.outcome.sources.push(self.row);
    }

    /// A row with the input's key and this value.
    #[inline]
    pub fn value(&mut self, value: impl Field) {
        let result = self.try_value(value);
        self.note(result);
    }

    /// A row with a key and a value of its own.
    #[inline]
    pub fn pair(&mut self, key: impl Field, value: impl Field) {
        let result = self.try_pair((key, value));
        self.note(result);
    }

    /// A row field by field; [`OutRow::forward`] sends it on its way.
    pub fn row<'o>(&'o mut self) -> OutRow<'o, 'a> {
        OutRow { out: self, key: None, value: None, timestamp: SAME_TIMESTAMP, route: EVERY_OUTPUT, headers: false }
    }

    #[inline]
    pub(crate) fn try_value(&mut self, value: impl Field) -> Result<(), Failed> {
        let length = append(value, &mut self.outcome.bytes)?;
        set(&mut self.outcome.value_lengths, self.outcome.sources.len(), SAME, length);
        self.keep();
        Ok(())
    }

    #[inline]
    pub(crate) fn try_key(&mut self, key: impl Field) -> Result<(), Failed> {
        let length = append(key, &mut self.outcome.bytes)?;
        set(&mut self.outcome.key_lengths, self.outcome.sources.len(), SAME, length);
        self.keep();
        Ok(())
    }

    #[inline]
    pub(crate) fn try_pair(&mut self, pair: impl Pair) -> Result<(), Failed> {
        let (key, value) = pair.write(&mut self.outcome.bytes)?;
        let rows = self.outcome.sources.len();
        set(&mut self.outcome.key_lengths, rows, SAME, key);
        set(&mut self.outcome.value_lengths, rows, SAME, value);
        self.keep();
        Ok(())
    }

    pub(crate) fn timestamp(&mut self, timestamp: i64) {
        set(&mut self.outcome.timestamps, self.outcome.sources.len(), SAME_TIMESTAMP, timestamp);
        self.keep();
    }

    fn note(&mut self, result: Result<(), Failed>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }

    /// Goes through the next record. If it fails, the rows that it has made already are undone, unless they are to
    /// `stand`.
    #[inline]
    pub(crate) fn attempt(
        &mut self,
        row: u32,
        input: Record<'a>,
        stand: bool,
        make: impl FnOnce(&mut Self) -> Result<(), Failed>,
    ) {
        let (rows, bytes) = (self.outcome.sources.len(), self.outcome.bytes.len());
        (self.row, self.input) = (row, input);
        let made = make(self);
        if made.is_err() || self.error.is_some() {
            let first = self.error.take();
            if let Some(error) = first.or(made.err()) {
                self.outcome.failures.push(error.at(row));
            }
            if !stand {
                self.undo(rows, bytes);
            }
        }
    }

    #[cold]
    fn undo(&mut self, rows: usize, bytes: usize) {
        let outcome = &mut self.outcome;
        outcome.sources.truncate(rows);
        outcome.routes.truncate(rows);
        outcome.timestamps.truncate(rows);
        outcome.key_lengths.truncate(rows);
        outcome.value_lengths.truncate(rows);
        outcome.header_lengths.truncate(rows);
        outcome.bytes.truncate(bytes);
    }

    pub(crate) fn into_outcome(mut self) -> Outcome {
        let outcome = &mut self.outcome;
        let rows = outcome.sources.len();
        fill(&mut outcome.routes, rows, EVERY_OUTPUT);
        fill(&mut outcome.timestamps, rows, SAME_TIMESTAMP);
        fill(&mut outcome.key_lengths, rows, SAME);
        fill(&mut outcome.value_lengths, rows, SAME);
        fill(&mut outcome.header_lengths, rows, SAME);
        self.outcome
    }
}

/// A column that some row has said something in gets an entry for each.
fn fill<T: Copy>(column: &mut Vec<T>, rows: usize, same: T) {
    if !column.is_empty() {
        column.resize(rows, same);
    }
}

/// A row that is being put together.
#[derive(Debug)]
#[must_use = "the row is not sent before `forward`"]
pub struct OutRow<'o, 'a> {
    out: &'o mut Out<'a>,
    key: Option<u32>,
    value: Option<u32>,
    timestamp: i64,
    route: u16,
    headers: bool,
}

impl OutRow<'_, '_> {
    /// Its key.
    pub fn key(mut self, key: impl Field) -> Self {
        self.out.scratch.key.clear();
        let written = append(key, &mut self.out.scratch.key);
        self.key = self.length(written);
        self
    }

    /// Its value.
    pub fn value(mut self, value: impl Field) -> Self {
        self.out.scratch.value.clear();
        let written = append(value, &mut self.out.scratch.value);
        self.value = self.length(written);
        self
    }

    /// Its event time, milliseconds since the Unix epoch.
    pub fn timestamp(mut self, timestamp: i64) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// The output that it goes to, one of those that the operator names; without this, all of them.
    pub fn to(mut self, output: &str) -> Self {
        match self.out.outputs.iter().position(|found| found == output) {
            Some(route) => self.route = route as u16,
            None => self.out.note(Err(format!("there is no output {output:?}").into())),
        }
        self
    }

    /// Adds a header to those that it has: at first, the input's.
    pub fn header(mut self, name: &str, value: impl Field) -> Self {
        self.own_headers();
        let block = &mut self.out.scratch.headers;
        block.extend_from_slice(&(name.len() as u32).to_le_bytes());
        block.extend_from_slice(name.as_bytes());
        let at = block.len();
        block.extend_from_slice(&NULL.to_le_bytes());
        let written = append(value, block);
        if let Some(length) = self.length(written) {
            self.out.scratch.headers[at..at + 4].copy_from_slice(&length.to_le_bytes());
        }
        self
    }

    /// Takes all headers of this name away.
    pub fn without_header(mut self, name: &str) -> Self {
        self.own_headers();
        let before = std::mem::take(&mut self.out.scratch.headers);
        let kept = entries(&before).filter(|(found, ..)| *found != name);
        kept.for_each(|(.., bytes)| self.out.scratch.headers.extend_from_slice(bytes));
        self
    }

    /// Takes all headers away.
    pub fn without_headers(mut self) -> Self {
        self.out.scratch.headers.clear();
        self.headers = true;
        self
    }

    /// Sends it on its way.
    pub fn forward(self) {
        let Self { out, key, value, timestamp, route, headers } = self;
        let Out { outcome, scratch, .. } = out;
        let rows = outcome.sources.len();
        if let Some(length) = key {
            outcome.bytes.extend_from_slice(&scratch.key);
            set(&mut outcome.key_lengths, rows, SAME, length);
        }
        if let Some(length) = value {
            outcome.bytes.extend_from_slice(&scratch.value);
            set(&mut outcome.value_lengths, rows, SAME, length);
        }
        if headers {
            outcome.bytes.extend_from_slice(&scratch.headers);
            set(&mut outcome.header_lengths, rows, SAME, scratch.headers.len() as u32);
        }
        if timestamp != SAME_TIMESTAMP {
            set(&mut outcome.timestamps, rows, SAME_TIMESTAMP, timestamp);
        }
        if route != EVERY_OUTPUT {
            set(&mut outcome.routes, rows, EVERY_OUTPUT, route);
        }
        out.keep();
    }

    fn own_headers(&mut self) {
        if !self.headers {
            let Out { scratch, input, .. } = &mut *self.out;
            scratch.headers.clear();
            scratch.headers.extend_from_slice(input.headers);
            self.headers = true;
        }
    }

    /// The length that a field was written with; an error fails the record.
    fn length(&mut self, written: Result<u32, Failed>) -> Option<u32> {
        match written {
            Ok(length) => Some(length),
            Err(error) => {
                self.out.note(Err(error));
                None
            }
        }
    }
}

/// Goes through a batch row by row.
#[inline]
pub(crate) fn each<'a>(
    batch: &'a Columns,
    mut out: Out<'a>,
    stand: bool,
    mut make: impl FnMut(&mut Out<'a>, Record<'a>) -> Result<(), Failed>,
) -> Outcome {
    for (row, record) in (0u32..).zip(Rows::new(batch)) {
        crate::node::at_row(row);
        out.attempt(row, record, stand, |out| make(out, record));
    }
    out.into_outcome()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Sent, columns};

    fn outputs() -> Vec<String> {
        vec!["even".into(), "odd".into()]
    }

    #[test]
    fn columns_are_filled_where_only_some_rows_say_something() {
        let batch = columns(&[Sent::new("k", "v", 7), Sent::new("l", "w", 8), Sent::new("m", "x", 9)]);
        let outputs = outputs();
        let outcome = each(&batch, Out::new(0, 0, &outputs), false, |out, record| {
            match record.timestamp {
                7 => out.value("only a value"),
                8 => out.row().timestamp(80).to("odd").header("h", b"1").key(1_i32).forward(),
                _ => out.keep(),
            }
            Ok(())
        });
        assert_eq!(outcome.sources, [0, 1, 2]);
        assert_eq!(outcome.timestamps, [SAME_TIMESTAMP, 80, SAME_TIMESTAMP]);
        assert_eq!(outcome.routes, [EVERY_OUTPUT, 1, EVERY_OUTPUT]);
        assert_eq!(outcome.key_lengths, [SAME, 4, SAME]);
        assert_eq!(outcome.value_lengths, [12, SAME, SAME]);
        assert_eq!(outcome.header_lengths, [SAME, 4 + 1 + 4 + 1, SAME]);
        assert_eq!(outcome.bytes, b"only a value\0\0\0\x01\x01\0\0\0h\x01\0\0\x001");
    }

    #[test]
    fn nothing_is_said_of_columns_that_no_row_says_something_in() {
        let batch = columns(&[Sent::new("k", "v", 7)]);
        let outcome = each(&batch, Out::new(1, 0, &[]), false, |out, _| {
            out.keep();
            Ok(())
        });
        assert_eq!(outcome.sources, [0]);
        let lengths = [&outcome.key_lengths, &outcome.value_lengths, &outcome.header_lengths];
        assert!(lengths.iter().all(|column| column.is_empty()));
        assert!(outcome.timestamps.is_empty() && outcome.routes.is_empty() && outcome.bytes.is_empty());
    }

    #[test]
    fn rows_of_a_record_that_fails_are_undone() {
        let batch = columns(&[Sent::new("k", "v", 7), Sent::new("l", "w", 8), Sent::new("m", "x", 9)]);
        let outputs = outputs();
        let make = |out: &mut Out<'_>, record: Record<'_>| {
            out.value("first");
            if record.timestamp == 8 {
                out.row().key("K").value("V").timestamp(1).to("even").header("h", "v").forward();
                return Err("boom".into());
            }
            Ok(())
        };
        let outcome = each(&batch, Out::new(0, 0, &outputs), false, make);
        assert_eq!(outcome.sources, [0, 2]);
        assert_eq!(outcome.value_lengths, [5, 5]);
        assert_eq!(outcome.bytes, b"firstfirst");
        assert_eq!((outcome.key_lengths, outcome.header_lengths), (vec![SAME; 2], vec![SAME; 2]));
        assert_eq!((outcome.timestamps, outcome.routes), (vec![SAME_TIMESTAMP; 2], vec![EVERY_OUTPUT; 2]));
        let failures: Vec<(u32, &str)> =
            outcome.failures.iter().map(|failure| (failure.row, failure.reason.as_str())).collect();
        assert_eq!(failures, [(1, "boom")]);

        let standing = each(&batch, Out::new(0, 0, &outputs), true, make);
        assert_eq!(standing.sources, [0, 1, 1, 2]);
        assert_eq!(standing.failures.len(), 1);
    }

    #[test]
    fn a_field_that_cannot_be_written_fails_the_record() {
        let batch = columns(&[Sent::new("k", "v", 7), Sent::new("l", "w", 8), Sent::new("m", "x", 9)]);
        let outputs = outputs();
        let outcome = each(&batch, Out::new(0, 0, &outputs), false, |out, record| {
            match record.timestamp {
                7 => out.value(Err::<&str, _>("no value")),
                8 => out.row().to("nowhere").value("v").forward(),
                _ => out.row().header("h", Err::<&str, _>("no header")).forward(),
            }
            Ok(())
        });
        assert!(outcome.sources.is_empty() && outcome.bytes.is_empty());
        let reasons: Vec<&str> = outcome.failures.iter().map(|failure| failure.reason.as_str()).collect();
        assert_eq!(reasons, ["no value", "there is no output \"nowhere\"", "no header"]);
    }

    #[test]
    fn headers_are_added_to_the_inputs_and_taken_away() {
        let record = Sent::new("k", "v", 7).header("a", Some(b"1")).header("b", None).header("a", Some(b"2"));
        let batch = columns(&[record]);
        let outcome = each(&batch, Out::new(0, 0, &[]), false, |out, record| {
            assert_eq!(record.header("a"), Some(b"2".as_slice()));
            assert_eq!(record.header("b"), None);
            out.row().without_header("a").header("c", None::<&str>).forward();
            out.row().header("a", "3").forward();
            out.row().header("gone", "1").without_headers().header("only", "1").forward();
            out.row().without_headers().forward();
            Ok(())
        });
        let mut at = 0;
        let blocks = outcome.header_lengths.iter().map(|length| {
            let start = at;
            at += *length as usize;
            entries(&outcome.bytes[start..at]).map(|(name, value, _)| (name, value)).collect::<Vec<_>>()
        });
        let headers: Vec<Vec<_>> = blocks.collect();
        let (one, two, three): (&[u8], &[u8], &[u8]) = (b"1", b"2", b"3");
        assert_eq!(headers[0], [("b", None), ("c", None)]);
        assert_eq!(headers[1], [("a", Some(one)), ("b", None), ("a", Some(two)), ("a", Some(three))]);
        assert_eq!(headers[2], [("only", Some(one))]);
        assert_eq!(headers[3], []);
    }
}
