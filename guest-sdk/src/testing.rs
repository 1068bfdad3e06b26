//! Operators under test: the plugin's own, on memory in place of the host, without WebAssembly.
//!
//! ```
//! use millstream::testing::{Operator, Sent};
//! use millstream::Record;
//!
//! fn long(record: Record<'_>) -> bool {
//!     record.value.is_some_and(|value| value.len() > 3)
//! }
//!
//! millstream::plugin! {
//!     filter "long" = long;
//! }
//!
//! # fn main() {
//! let mut long = Operator::open::<Operators>("long", "{}").expect("it opens");
//! let kept = long.process(&[Sent::new("k", "abc", 0), Sent::new("k", "abcd", 1)]);
//! assert_eq!(kept.values(), ["abcd"]);
//! # }
//! ```
//!
//! Stores, timers and clocks belong to the test's thread.

use crate::bindings::fold_part::exports::millstream::plugin::fold::{Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns, Outcome, Schema};
use crate::bindings::join_part::exports::millstream::plugin::join::Pairs;
use crate::field::{NULL, SAME};
use crate::native;
use crate::record::{Record, Rows};
use crate::{KeyValueStore, Opening, Plugin, Position, node};
use std::cell::Cell;
use std::collections::BTreeMap;

/// A record that is sent to an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    timestamp: i64,
    headers: Vec<u8>,
    position: Option<Position>,
}

/// A row that an operator made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its event time.
    pub timestamp: i64,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The output that it goes to; none: each of them.
    pub output: Option<String>,
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The rows that were made.
    pub rows: Vec<Got>,
    /// The records that failed: their place in the batch and the reason.
    pub failures: Vec<(usize, String)>,
}

impl Sent {
    /// A record with key and value.
    pub fn new(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, timestamp: i64) -> Self {
        let own = |bytes: &[u8]| Some(bytes.to_vec());
        Self { key: own(key.as_ref()), value: own(value.as_ref()), timestamp, ..Self::default() }
    }

    /// The same without a key.
    #[must_use]
    pub fn without_key(self) -> Self {
        Self { key: None, ..self }
    }

    /// The same without a value.
    #[must_use]
    pub fn without_value(self) -> Self {
        Self { value: None, ..self }
    }

    /// The same with a further header.
    #[must_use]
    pub fn header(mut self, name: &str, value: Option<&[u8]>) -> Self {
        for field in [Some(name.as_bytes()), value] {
            self.headers.extend_from_slice(&length(field).to_le_bytes());
            self.headers.extend_from_slice(field.unwrap_or_default());
        }
        self
    }

    /// The same as read from a place.
    #[must_use]
    pub fn at(self, topic: &str, partition: i32, offset: i64) -> Self {
        Self { position: Some(Position { topic: topic.into(), partition, offset }), ..self }
    }
}

impl Answer {
    /// The rows' values as text; null is empty.
    pub fn values(&self) -> Vec<String> {
        self.rows.iter().map(|row| text(row.value.as_deref())).collect()
    }

    /// The rows' keys as text; null is empty.
    pub fn keys(&self) -> Vec<String> {
        self.rows.iter().map(|row| text(row.key.as_deref())).collect()
    }
}

/// An operator of a plugin, opened.
#[derive(Debug)]
pub struct Operator {
    node: u32,
    kind: String,
    outputs: Vec<String>,
    states: BTreeMap<Option<Vec<u8>>, Vec<u8>>,
}

thread_local! {
    static NEXT_NODE: Cell<u32> = const { Cell::new(0) };
}

impl Operator {
    /// Opens an operator of a plugin with parameters, a JSON object.
    ///
    /// # Errors
    /// What the plugin says against it.
    pub fn open<P: Plugin>(operator: &str, params: &str) -> Result<Self, String> {
        Self::open_with::<P>(operator, params, &[])
    }

    /// The same for an operator whose outputs the manifest names.
    ///
    /// # Errors
    /// What the plugin says against it.
    pub fn open_with<P: Plugin>(operator: &str, params: &str, outputs: &[&str]) -> Result<Self, String> {
        let number = NEXT_NODE.replace(NEXT_NODE.get() + 1);
        let described = node::describe::<P>().operators.into_iter().find(|found| found.name == operator);
        let described = described.ok_or_else(|| format!("there is no operator {operator:?}"))?;
        let declared = described.stores.iter();
        let declared = declared.map(|store| native::Declared { name: store.name.clone(), writes: store.writes });
        native::declare(number, declared.collect());
        let mut names: Vec<String> = outputs.iter().map(|output| (*output).into()).collect();
        if names.is_empty() {
            names = described.outputs;
        }
        if names.is_empty() {
            names = vec!["out".into()];
        }
        let this = Self { node: number, kind: described.kind, outputs: names, states: BTreeMap::new() };
        this.reopen::<P>(operator, params)?;
        Ok(this)
    }

    /// Opens it anew, as the host does when an instance is lost: its memory is gone, stores and timers are not.
    ///
    /// # Errors
    /// What the plugin says against it.
    pub fn reopen<P: Plugin>(&self, operator: &str, params: &str) -> Result<(), String> {
        node::open::<P>(&Opening::new(self.node, operator, params, &self.outputs, &[]))
    }

    /// Sends a batch through a stateless operator. A processor gets its records one by one, each moves the stream time,
    /// and timers that are due fire after it.
    pub fn process(&mut self, records: &[Sent]) -> Answer {
        if !self.kind.starts_with("process") {
            let batch = columns(records);
            place(records);
            let outcome = node::answer(self.node, |node| node.transform(&batch));
            return self.answer(&outcome, &batch);
        }
        let mut answer = Answer::default();
        for (index, record) in records.iter().enumerate() {
            let one = std::slice::from_ref(record);
            let batch = columns(one);
            place(one);
            native::host(|host| host.stream_time = host.stream_time.max(record.timestamp));
            let outcome = node::answer(self.node, |node| node.process(&batch));
            let one = self.answer(&outcome, &batch);
            answer.rows.extend(one.rows);
            answer.failures.extend(one.failures.into_iter().map(|(_, reason)| (index, reason)));
            self.fire(&mut answer);
        }
        answer
    }

    /// Moves the host's clock, and fires the timers that are due.
    pub fn advance_wall_clock(&mut self, milliseconds: i64) -> Answer {
        native::host(|host| host.wall_clock += milliseconds);
        let mut answer = Answer::default();
        self.fire(&mut answer);
        answer
    }

    fn fire(&self, answer: &mut Answer) {
        while let Some((name, payload, timestamp)) = native::due(self.node) {
            let key = Some(name.into_bytes());
            let due = [Sent { key, value: payload, timestamp, ..Sent::default() }];
            let batch = columns(&due);
            place(&due);
            let outcome = node::answer(self.node, |node| node.punctuate(&batch));
            let one = self.answer(&outcome, &batch);
            answer.rows.extend(one.rows);
            answer.failures.extend(one.failures);
        }
    }

    /// Folds records into the states of their keys; every state after a record is a row.
    pub fn fold(&mut self, records: &[Sent]) -> Answer {
        let mut answer = Answer::default();
        for (index, record) in records.iter().enumerate() {
            let batch = columns(std::slice::from_ref(record));
            let mut states = Cells { lengths: Vec::new(), bytes: Vec::new() };
            let state = self.states.get(&record.key);
            states.lengths.push(length(state.map(Vec::as_slice)));
            states.bytes.extend_from_slice(state.map(Vec::as_slice).unwrap_or_default());
            let steps = Steps { actions: Vec::new(), slots: vec![0], arguments: Vec::new() };
            let folded = node::answer(self.node, |node| node.fold(&batch, &states, &steps, Reply::Every));
            let failures = folded.failures.into_iter();
            answer.failures.extend(failures.map(|failure| (index, failure.reason)));
            let value = match folded.states.lengths.first() {
                None | Some(&SAME) => continue,
                Some(&NULL) => None,
                Some(_) => Some(folded.states.bytes),
            };
            match value.clone() {
                Some(state) => self.states.insert(record.key.clone(), state),
                None => self.states.remove(&record.key),
            };
            let (key, timestamp) = (record.key.clone(), record.timestamp);
            answer.rows.push(Got { key, value, timestamp, headers: Vec::new(), output: None });
        }
        answer
    }

    /// Joins two records, or one with nothing.
    pub fn join(&mut self, left: Option<&Sent>, right: Option<&Sent>) -> Answer {
        let side = |record: Option<&Sent>| columns(record.map(std::slice::from_ref).unwrap_or_default());
        let index = |record: Option<&Sent>| vec![record.map_or(NULL, |_| 0)];
        let (lefts, rights) = (side(left), side(right));
        let pairs = Pairs { left: index(left), right: index(right) };
        let outcome = node::answer(self.node, |node| node.join(&lefts, &rights, &pairs));
        self.answer(&outcome, if left.is_some() { &lefts } else { &rights })
    }

    /// Turns states of an older schema; a failure is told with its place.
    pub fn migrate(&mut self, store: Option<&str>, old: (&str, u32), rows: &[Sent]) -> Answer {
        let schema = Schema { name: old.0.into(), version: old.1 };
        let batch = columns(rows);
        let migrated = node::migrate(self.node, store, &schema, &batch);
        let mut at = 0;
        let values = migrated.values.lengths.iter().map(|length| field(*length, &migrated.values.bytes, &mut at, None));
        let rows = values.zip(rows).map(|(value, row)| {
            let (key, timestamp) = (row.key.clone(), row.timestamp);
            Got { key, value, timestamp, headers: Vec::new(), output: None }
        });
        let failures = migrated.failures.into_iter().map(|failure| (failure.row as usize, failure.reason));
        Answer { rows: rows.collect(), failures: failures.collect() }
    }

    /// A store of the processor, to fill it before a test and to look into it after.
    pub fn key_value_store(&self, name: &str) -> KeyValueStore {
        KeyValueStore(native::fill(self.node, name))
    }

    fn answer(&self, outcome: &Outcome, batch: &Columns) -> Answer {
        let inputs: Vec<Record<'_>> = Rows::new(batch).collect();
        let mut at = 0;
        let mut rows = Vec::new();
        for (row, source) in outcome.sources.iter().enumerate() {
            let input = inputs.get(*source as usize).copied().unwrap_or_default();
            let mut next = |column: &[u32], same: Option<&[u8]>| {
                field(column.get(row).copied().unwrap_or(SAME), &outcome.bytes, &mut at, same)
            };
            let (key, value) = (next(&outcome.key_lengths, input.key), next(&outcome.value_lengths, input.value));
            let headers = next(&outcome.header_lengths, Some(input.headers)).unwrap_or_default();
            let headers = Record { headers: &headers, ..Record::default() };
            let time = outcome.timestamps.get(row).copied().filter(|time| *time != i64::MIN);
            let route = outcome.routes.get(row).and_then(|route| self.outputs.get(usize::from(*route)));
            rows.push(Got {
                key,
                value,
                timestamp: time.unwrap_or(input.timestamp),
                headers: headers.headers().map(|(name, value)| (name.into(), value.map(<[u8]>::to_vec))).collect(),
                output: route.cloned(),
            });
        }
        let failures = outcome.failures.iter().map(|failure| (failure.row as usize, failure.reason.clone()));
        Answer { rows, failures: failures.collect() }
    }
}

/// The lines that were logged on this thread.
pub fn logged() -> Vec<String> {
    native::log::lines()
}

/// Logs lines of this level and above; without this, from `info` on.
pub fn log_from(level: crate::log::Level) {
    native::log::listen(level);
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn length(field: Option<&[u8]>) -> u32 {
    field.map_or(NULL, |field| field.len() as u32)
}

fn field(length: u32, bytes: &[u8], at: &mut usize, same: Option<&[u8]>) -> Option<Vec<u8>> {
    match length {
        SAME => same.map(<[u8]>::to_vec),
        NULL => None,
        length => {
            let start = *at;
            *at += length as usize;
            bytes.get(start..*at).map(<[u8]>::to_vec)
        }
    }
}

/// Where the rows of the next call were read.
fn place(records: &[Sent]) {
    native::host(|host| host.positions = records.iter().map(|record| record.position.clone()).collect());
}

pub(crate) fn columns(records: &[Sent]) -> Columns {
    let mut columns = Columns {
        timestamps: Vec::new(),
        key_lengths: Vec::new(),
        value_lengths: Vec::new(),
        header_lengths: Vec::new(),
        bytes: Vec::new(),
    };
    for Sent { key, value, timestamp, headers, .. } in records {
        columns.timestamps.push(*timestamp);
        columns.key_lengths.push(length(key.as_deref()));
        columns.value_lengths.push(length(value.as_deref()));
        columns.header_lengths.push(headers.len() as u32);
        for field in [key.as_deref(), value.as_deref(), Some(headers.as_slice())] {
            columns.bytes.extend_from_slice(field.unwrap_or_default());
        }
    }
    columns
}
