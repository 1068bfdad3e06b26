//! Stores over memory, of every shape. They keep what they are given for ever.

use super::host;
use crate::bindings::imports::millstream::plugin::state::{Entry, Error, KeyRange};
use crate::bindings::imports::millstream::plugin::types::Cells;
use crate::field::NULL;
use std::collections::BTreeMap;

/// A store that a node declared.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) writes: bool,
}

/// The contents of one store.
#[derive(Default)]
struct Store {
    key_value: BTreeMap<Vec<u8>, Entry>,
    /// By key and start.
    window: BTreeMap<(Vec<u8>, i64), Entry>,
    /// By key, end and start.
    session: BTreeMap<(Vec<u8>, i64, i64), Vec<u8>>,
    versioned: BTreeMap<Vec<u8>, BTreeMap<i64, Option<Vec<u8>>>>,
}

/// A number that was given out.
struct Handle {
    store: (u32, String),
    writes: bool,
}

/// All stores, by node and name.
pub(crate) struct Stores {
    declared: BTreeMap<u32, Vec<Declared>>,
    stores: BTreeMap<(u32, String), Store>,
    handles: Vec<Handle>,
}

impl Stores {
    pub(crate) const fn new() -> Self {
        Self { declared: BTreeMap::new(), stores: BTreeMap::new(), handles: Vec::new() }
    }

    fn open(&mut self, node: u32, name: &str, writes: bool) -> u32 {
        let store = (node, name.to_owned());
        self.stores.entry(store.clone()).or_default();
        self.handles.push(Handle { store, writes });
        (self.handles.len() - 1) as u32
    }

    fn handle(&self, number: u32) -> &Handle {
        self.handles.get(number as usize).expect("a number that was given out")
    }

    fn read(&self, number: u32) -> &Store {
        self.stores.get(&self.handle(number).store).expect("a store that was opened")
    }

    fn write(&mut self, number: u32) -> Result<&mut Store, Error> {
        let handle = self.handle(number);
        if !handle.writes {
            return Err(Error::ReadOnly);
        }
        let store = handle.store.clone();
        self.stores.get_mut(&store).ok_or(Error::UnknownStore)
    }
}

/// Reads a store.
fn read<R>(number: u32, look: impl FnOnce(&Store) -> R) -> R {
    host(|host| look(host.stores.read(number)))
}

/// Writes a store.
fn write<R>(number: u32, change: impl FnOnce(&mut Store) -> R) -> Result<R, Error> {
    host(|host| host.stores.write(number).map(change))
}

/// Says which stores a node may open.
pub(crate) fn declare(node: u32, declared: Vec<Declared>) {
    host(|host| host.stores.declared.insert(node, declared));
}

/// Opens a store of a node to fill it, whoever may write to it.
pub(crate) fn fill(node: u32, name: &str) -> u32 {
    host(|host| host.stores.open(node, name, true))
}

fn entry(value: &[u8], timestamp: i64) -> Entry {
    Entry { value: value.to_vec(), timestamp: (timestamp >= 0).then_some(timestamp) }
}

/// Puts a value into a map, or takes it away.
fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

fn within(range: &KeyRange, key: &[u8]) -> bool {
    range.start.as_slice() <= key && range.end.as_deref().is_none_or(|end| key < end)
}

/// One page of some rows: those after as many as `resume` says, and what the next page resumes from.
fn page<T>(mut rows: Vec<T>, reverse: bool, resume: Option<&[u8]>, limit: u32) -> (Vec<T>, Option<Vec<u8>>) {
    if reverse {
        rows.reverse();
    }
    let from = resume.and_then(|bytes| bytes.try_into().ok()).map_or(0, usize::from_be_bytes);
    let until = rows.len().min(from.saturating_add(limit as usize));
    let next = (until < rows.len()).then(|| until.to_be_bytes().to_vec());
    (rows.into_iter().skip(from).take(until.saturating_sub(from)).collect(), next)
}

fn cells<'a>(fields: impl Iterator<Item = Option<&'a [u8]>>) -> Cells {
    let mut cells = Cells { lengths: Vec::new(), bytes: Vec::new() };
    for field in fields {
        cells.lengths.push(field.map_or(NULL, |field| field.len() as u32));
        cells.bytes.extend_from_slice(field.unwrap_or_default());
    }
    cells
}

fn timestamps<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<i64> {
    entries.filter_map(|entry| entry.timestamp).collect()
}

pub(crate) mod state {
    use super::{Error, host};

    pub(crate) fn open(node: u32, name: &str) -> Result<u32, Error> {
        host(|host| {
            let declared = host.stores.declared.get(&node);
            let found = declared.and_then(|stores| stores.iter().find(|store| store.name == name));
            let writes = found.ok_or(Error::UnknownStore)?.writes;
            Ok(host.stores.open(node, name, writes))
        })
    }
}

pub(crate) mod key_value_store {
    use super::*;
    use crate::bindings::imports::millstream::plugin::key_value_store::Page;

    pub(crate) fn get(store: u32, key: &[u8]) -> Option<Entry> {
        read(store, |store| store.key_value.get(key).cloned())
    }

    pub(crate) fn get_many(store: u32, keys: &Cells) -> Page {
        let found: Vec<Option<Entry>> = super::split(keys).map(|key| get(store, key.unwrap_or_default())).collect();
        let values = cells(found.iter().map(|entry| entry.as_ref().map(|entry| entry.value.as_slice())));
        let timed = found.iter().flatten().any(|entry| entry.timestamp.is_some());
        let time = |entry: &Option<Entry>| entry.as_ref().and_then(|entry| entry.timestamp).unwrap_or(-1);
        let timestamps = if timed { found.iter().map(time).collect() } else { Vec::new() };
        Page { keys: cells([].into_iter()), values, timestamps, next: None }
    }

    pub(crate) fn put(store: u32, key: &[u8], value: Option<&[u8]>, timestamp: i64) -> Result<(), Error> {
        let value = value.map(|value| entry(value, timestamp));
        write(store, |store| super::put(&mut store.key_value, key.to_vec(), value))
    }

    pub(crate) fn put_many(store: u32, keys: &Cells, values: &Cells, timestamps: &[i64]) -> Result<(), Error> {
        let times = timestamps.iter().copied().chain(std::iter::repeat(-1));
        for ((key, value), timestamp) in super::split(keys).zip(super::split(values)).zip(times) {
            put(store, key.unwrap_or_default(), value, timestamp)?;
        }
        Ok(())
    }

    pub(crate) fn scan(store: u32, keys: &KeyRange, reverse: bool, resume: Option<&[u8]>, limit: u32) -> Page {
        read(store, |store| {
            let rows = store.key_value.iter().filter(|(key, _)| within(keys, key)).collect();
            let (rows, next): (Vec<(&Vec<u8>, &Entry)>, _) = page(rows, reverse, resume, limit);
            Page {
                keys: cells(rows.iter().map(|(key, _)| Some(key.as_slice()))),
                values: cells(rows.iter().map(|(_, entry)| Some(entry.value.as_slice()))),
                timestamps: timestamps(rows.iter().map(|(_, entry)| *entry)),
                next,
            }
        })
    }
}

pub(crate) mod window_store {
    use super::*;
    use crate::bindings::imports::millstream::plugin::window_store::Page;

    /// Key and start.
    type WindowKey = (Vec<u8>, i64);

    pub(crate) fn get(store: u32, key: &[u8], start: i64) -> Option<Entry> {
        read(store, |store| store.window.get(&(key.to_vec(), start)).cloned())
    }

    pub(crate) fn put(store: u32, key: &[u8], start: i64, value: Option<&[u8]>, timestamp: i64) -> Result<(), Error> {
        let value = value.map(|value| entry(value, timestamp));
        write(store, |store| super::put(&mut store.window, (key.to_vec(), start), value))
    }

    pub(crate) fn fetch(
        store: u32,
        key: &[u8],
        earliest: i64,
        latest: i64,
        reverse: bool,
        resume: Option<&[u8]>,
        limit: u32,
    ) -> Page {
        let keys = KeyRange { start: key.to_vec(), end: Some([key, &[0]].concat()) };
        scan(store, &keys, earliest, latest, reverse, resume, limit)
    }

    pub(crate) fn scan(
        store: u32,
        keys: &KeyRange,
        earliest: i64,
        latest: i64,
        reverse: bool,
        resume: Option<&[u8]>,
        limit: u32,
    ) -> Page {
        read(store, |store| {
            let asked = |(key, start): &WindowKey| within(keys, key) && (earliest..=latest).contains(start);
            let rows = store.window.iter().filter(|(key, _)| asked(key)).collect();
            let (rows, next): (Vec<(&WindowKey, &Entry)>, _) = page(rows, reverse, resume, limit);
            Page {
                keys: cells(rows.iter().map(|((key, _), _)| Some(key.as_slice()))),
                starts: rows.iter().map(|((_, start), _)| *start).collect(),
                values: cells(rows.iter().map(|(_, entry)| Some(entry.value.as_slice()))),
                timestamps: timestamps(rows.iter().map(|(_, entry)| *entry)),
                next,
            }
        })
    }
}

pub(crate) mod session_store {
    use super::*;
    use crate::bindings::imports::millstream::plugin::session_store::Page;

    pub(crate) fn get(store: u32, key: &[u8], start: i64, end: i64) -> Option<Vec<u8>> {
        read(store, |store| store.session.get(&(key.to_vec(), end, start)).cloned())
    }

    pub(crate) fn put(store: u32, key: &[u8], start: i64, end: i64, value: Option<&[u8]>) -> Result<(), Error> {
        let value = value.map(<[u8]>::to_vec);
        write(store, |store| super::put(&mut store.session, (key.to_vec(), end, start), value))
    }

    pub(crate) fn fetch(
        store: u32,
        key: &[u8],
        earliest_end: i64,
        latest_start: i64,
        reverse: bool,
        resume: Option<&[u8]>,
        limit: u32,
    ) -> Page {
        let keys = KeyRange { start: key.to_vec(), end: Some([key, &[0]].concat()) };
        scan(store, &keys, earliest_end, latest_start, reverse, resume, limit)
    }

    pub(crate) fn scan(
        store: u32,
        keys: &KeyRange,
        earliest_end: i64,
        latest_start: i64,
        reverse: bool,
        resume: Option<&[u8]>,
        limit: u32,
    ) -> Page {
        type SessionKey = (Vec<u8>, i64, i64);
        read(store, |store| {
            let asked =
                |(key, end, start): &SessionKey| within(keys, key) && *end >= earliest_end && *start <= latest_start;
            let rows = store.session.iter().filter(|(key, _)| asked(key)).collect();
            let (rows, next): (Vec<(&SessionKey, &Vec<u8>)>, _) = page(rows, reverse, resume, limit);
            Page {
                keys: cells(rows.iter().map(|((key, ..), _)| Some(key.as_slice()))),
                starts: rows.iter().map(|((.., start), _)| *start).collect(),
                ends: rows.iter().map(|((_, end, _), _)| *end).collect(),
                values: cells(rows.iter().map(|(_, value)| Some(value.as_slice()))),
                next,
            }
        })
    }
}

pub(crate) mod version {
    use super::*;
    use crate::bindings::imports::millstream::plugin::versioned_store::{Placed, Version};

    pub(crate) fn get(store: u32, key: &[u8], as_of: Option<i64>) -> Option<Version> {
        read(store, |store| {
            let versions = store.versioned.get(key)?;
            let (timestamp, value) = versions.range(..=as_of.unwrap_or(i64::MAX)).next_back()?;
            let valid_to = versions.range(timestamp + 1..).next().map(|(next, _)| *next);
            Some(Version { value: value.clone()?, timestamp: *timestamp, valid_to })
        })
    }

    pub(crate) fn put(store: u32, key: &[u8], value: Option<&[u8]>, timestamp: i64) -> Result<Placed, Error> {
        write(store, |store| {
            let versions = store.versioned.entry(key.to_vec()).or_default();
            versions.insert(timestamp, value.map(<[u8]>::to_vec));
            versions.range(timestamp + 1..).next().map_or(Placed::Latest, |(next, _)| Placed::Until(*next))
        })
    }
}

/// Cells one by one.
fn split(cells: &Cells) -> impl Iterator<Item = Option<&[u8]>> {
    let mut at = 0;
    cells.lengths.iter().map(move |length| {
        (*length != NULL).then(|| {
            let start = at;
            at += *length as usize;
            cells.bytes.get(start..at).unwrap_or_default()
        })
    })
}
