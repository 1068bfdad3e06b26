//! What the contract offers to plugins, over memory.

use super::wit::millstream::plugin::{
    context, key_value_store, log, metrics, random, session_store, state, timers, types, versioned_store, window_store,
};
use std::collections::BTreeMap;

/// Rows of a page: small, so that scans go on.
const PAGE_ROWS: usize = 2;

/// The host's side, and what was asked of it.
#[derive(Default)]
pub(crate) struct Memory {
    /// Stores in the order of their numbers.
    pub(crate) stores: Vec<String>,
    pub(crate) key_value: BTreeMap<Vec<u8>, (Vec<u8>, i64)>,
    windows: BTreeMap<(Vec<u8>, i64), (Vec<u8>, i64)>,
    sessions: BTreeMap<(Vec<u8>, i64, i64), Vec<u8>>,
    versions: BTreeMap<(Vec<u8>, i64), Option<Vec<u8>>>,
    pub(crate) timers: Vec<String>,
    pub(crate) lines: Vec<String>,
    pub(crate) panics: Vec<(Option<u32>, String)>,
    pub(crate) metrics: Vec<String>,
}

const NULL: u32 = 0xffff_ffff;

pub(crate) fn cells(fields: &[Option<&[u8]>]) -> types::Cells {
    let length = |field: &Option<&[u8]>| field.map_or(NULL, |field| u32::try_from(field.len()).expect("short"));
    types::Cells {
        lengths: fields.iter().map(length).collect(),
        bytes: fields.iter().flatten().copied().flatten().copied().collect(),
    }
}

/// The rows of a page, and where the next one begins.
fn page<T>(mut rows: Vec<T>, reverse: bool, resume: Option<Vec<u8>>) -> (Vec<T>, Option<Vec<u8>>) {
    if reverse {
        rows.reverse();
    }
    let from = resume.map_or(0, |bytes| usize::from(bytes[0]));
    let next = from + PAGE_ROWS;
    let more = (next < rows.len()).then(|| vec![u8::try_from(next).expect("few rows")]);
    (rows.into_iter().skip(from).take(PAGE_ROWS).collect(), more)
}

impl Memory {
    fn check(&self, store: u32, name: &str) {
        assert_eq!(self.stores[store as usize], name);
    }
}

impl types::Host for Memory {}

impl state::Host for Memory {
    fn open(&mut self, _node: u32, store: String) -> Result<u32, state::Error> {
        self.stores.push(store);
        Ok(u32::try_from(self.stores.len() - 1).expect("few stores"))
    }
}

impl key_value_store::Host for Memory {
    fn get(&mut self, store: u32, key: Vec<u8>) -> Option<state::Entry> {
        self.check(store, "counts");
        let (value, timestamp) = self.key_value.get(&key)?.clone();
        Some(state::Entry { value, timestamp: Some(timestamp) })
    }

    fn get_many(&mut self, store: u32, keys: types::Cells) -> key_value_store::Page {
        self.check(store, "table");
        assert_eq!(keys.bytes, b"knobody");
        let values = cells(&[Some(b"row"), None]);
        key_value_store::Page { keys: cells(&[]), values, timestamps: vec![7, -1], next: None }
    }

    fn put(&mut self, store: u32, key: Vec<u8>, value: Option<Vec<u8>>, timestamp: i64) -> Result<(), state::Error> {
        if self.stores[store as usize] == "table" {
            return Err(state::Error::ReadOnly);
        }
        self.key_value.insert(key, (value.expect("a count"), timestamp));
        Ok(())
    }

    fn put_many(&mut self, _: u32, _: types::Cells, _: types::Cells, _: Vec<i64>) -> Result<(), state::Error> {
        Err(state::Error::Quota)
    }

    fn scan(
        &mut self,
        store: u32,
        keys: state::KeyRange,
        reverse: bool,
        resume: Option<Vec<u8>>,
        _limit: u32,
    ) -> key_value_store::Page {
        self.check(store, "counts");
        assert_eq!((keys.start, keys.end), (Vec::new(), None));
        let (rows, next) = page(self.key_value.iter().collect(), reverse, resume);
        key_value_store::Page {
            keys: cells(&rows.iter().map(|(key, _)| Some(key.as_slice())).collect::<Vec<_>>()),
            values: cells(&rows.iter().map(|(_, (value, _))| Some(value.as_slice())).collect::<Vec<_>>()),
            timestamps: rows.iter().map(|(_, (_, timestamp))| *timestamp).collect(),
            next,
        }
    }
}

impl window_store::Host for Memory {
    fn get(&mut self, _store: u32, key: Vec<u8>, start: i64) -> Option<state::Entry> {
        let (value, timestamp) = self.windows.get(&(key, start))?.clone();
        Some(state::Entry { value, timestamp: Some(timestamp) })
    }

    fn put(
        &mut self,
        store: u32,
        key: Vec<u8>,
        start: i64,
        value: Option<Vec<u8>>,
        timestamp: i64,
    ) -> Result<(), state::Error> {
        self.check(store, "windows");
        self.windows.insert((key, start), (value.expect("a value"), timestamp));
        Ok(())
    }

    fn fetch(
        &mut self,
        _store: u32,
        key: Vec<u8>,
        earliest: i64,
        latest: i64,
        reverse: bool,
        resume: Option<Vec<u8>>,
        _limit: u32,
    ) -> window_store::Page {
        let rows = self.windows.range((key.clone(), earliest)..=(key, latest)).collect();
        let (rows, next): (Vec<_>, _) = page(rows, reverse, resume);
        window_store::Page {
            keys: cells(&rows.iter().map(|((key, _), _)| Some(key.as_slice())).collect::<Vec<_>>()),
            starts: rows.iter().map(|((_, start), _)| *start).collect(),
            values: cells(&rows.iter().map(|(_, (value, _))| Some(value.as_slice())).collect::<Vec<_>>()),
            timestamps: rows.iter().map(|(_, (_, timestamp))| *timestamp).collect(),
            next,
        }
    }

    fn scan(
        &mut self,
        _store: u32,
        _keys: state::KeyRange,
        _earliest: i64,
        _latest: i64,
        _reverse: bool,
        _resume: Option<Vec<u8>>,
        _limit: u32,
    ) -> window_store::Page {
        unreachable!("no guest scans windows")
    }
}

impl session_store::Host for Memory {
    fn get(&mut self, _store: u32, key: Vec<u8>, start: i64, end: i64) -> Option<Vec<u8>> {
        self.sessions.get(&(key, end, start)).cloned()
    }

    fn put(
        &mut self,
        store: u32,
        key: Vec<u8>,
        start: i64,
        end: i64,
        value: Option<Vec<u8>>,
    ) -> Result<(), state::Error> {
        self.check(store, "sessions");
        self.sessions.insert((key, end, start), value.expect("a value"));
        Ok(())
    }

    fn fetch(
        &mut self,
        _store: u32,
        key: Vec<u8>,
        earliest_end: i64,
        latest_start: i64,
        reverse: bool,
        resume: Option<Vec<u8>>,
        _limit: u32,
    ) -> session_store::Page {
        let asked =
            |(of, end, start): &(Vec<u8>, i64, i64)| *of == key && *end >= earliest_end && *start <= latest_start;
        let rows = self.sessions.iter().filter(|(place, _)| asked(place)).collect();
        let (rows, next): (Vec<_>, _) = page(rows, reverse, resume);
        session_store::Page {
            keys: cells(&rows.iter().map(|((key, ..), _)| Some(key.as_slice())).collect::<Vec<_>>()),
            starts: rows.iter().map(|((.., start), _)| *start).collect(),
            ends: rows.iter().map(|((_, end, _), _)| *end).collect(),
            values: cells(&rows.iter().map(|(_, value)| Some(value.as_slice())).collect::<Vec<_>>()),
            next,
        }
    }

    fn scan(
        &mut self,
        _store: u32,
        _keys: state::KeyRange,
        _earliest_end: i64,
        _latest_start: i64,
        _reverse: bool,
        _resume: Option<Vec<u8>>,
        _limit: u32,
    ) -> session_store::Page {
        unreachable!("no guest scans sessions")
    }
}

impl versioned_store::Host for Memory {
    fn get(&mut self, _store: u32, key: Vec<u8>, as_of: Option<i64>) -> Option<versioned_store::Version> {
        let until = as_of.unwrap_or(i64::MAX);
        let ((_, timestamp), value) =
            self.versions.range((key.clone(), i64::MIN)..=(key.clone(), until)).next_back()?;
        let next = self.versions.range((key.clone(), timestamp + 1)..=(key, i64::MAX)).next();
        let valid_to = next.map(|((_, next), _)| *next);
        Some(versioned_store::Version { value: value.clone()?, timestamp: *timestamp, valid_to })
    }

    fn put(
        &mut self,
        store: u32,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        timestamp: i64,
    ) -> Result<versioned_store::Placed, state::Error> {
        self.check(store, "versions");
        if timestamp < 0 {
            return Ok(versioned_store::Placed::Rejected);
        }
        self.versions.insert((key.clone(), timestamp), value);
        let next = self.versions.range((key.clone(), timestamp + 1)..=(key, i64::MAX)).next();
        Ok(next.map_or(versioned_store::Placed::Latest, |((_, next), _)| versioned_store::Placed::Until(*next)))
    }
}

impl timers::Host for Memory {
    fn declare(
        &mut self,
        _node: u32,
        name: String,
        clock: timers::Clock,
        rhythm: timers::Rhythm,
        payload: Option<Vec<u8>>,
    ) -> Result<(), timers::Error> {
        self.timers.push(format!("declare {name} {clock:?} {rhythm:?} {payload:?}"));
        Ok(())
    }

    fn set(
        &mut self,
        _node: u32,
        name: String,
        clock: timers::Clock,
        rhythm: timers::Rhythm,
        payload: Option<Vec<u8>>,
    ) -> Result<(), timers::Error> {
        if name == "full" {
            return Err(timers::Error::Quota);
        }
        self.timers.push(format!("set {name} {clock:?} {rhythm:?} {payload:?}"));
        Ok(())
    }

    fn cancel(&mut self, _node: u32, name: String) -> bool {
        self.timers.push(format!("cancel {name}"));
        true
    }
}

impl context::Host for Memory {
    fn locate(&mut self, row: u32) -> Option<context::Position> {
        Some(context::Position { topic: "in".into(), partition: 0, offset: 40 + i64::from(row) })
    }

    fn stream_time(&mut self, row: u32) -> i64 {
        90 + i64::from(row)
    }

    fn wall_clock(&mut self) -> i64 {
        1000
    }

    fn partition_time(&mut self) -> i64 {
        -1
    }
}

impl random::Host for Memory {
    fn seed(&mut self, node: u32, row: u32) -> (u64, u64) {
        (u64::from(node), u64::from(row))
    }
}

impl log::Host for Memory {
    fn enabled(&mut self, _level: log::Level) -> bool {
        true
    }

    fn write(&mut self, level: log::Level, message: String) {
        self.lines.push(format!("{level:?} {message}"));
    }

    fn panicked(&mut self, row: Option<u32>, message: String) {
        self.panics.push((row, message));
    }
}

impl metrics::Host for Memory {
    fn counter(&mut self, name: String, labels: Vec<(String, String)>) -> Option<u32> {
        self.metrics.push(format!("counter {name} {labels:?}"));
        Some(3)
    }

    fn histogram(&mut self, name: String, labels: Vec<(String, String)>, bounds: Vec<f64>) -> Option<u32> {
        self.metrics.push(format!("histogram {name} {labels:?} {bounds:?}"));
        Some(4)
    }

    fn add(&mut self, counter: u32, amount: u64) {
        self.metrics.push(format!("add {counter} {amount}"));
    }

    fn observe(&mut self, histogram: u32, values: Vec<f64>) {
        self.metrics.push(format!("observe {histogram} {values:?}"));
    }
}
