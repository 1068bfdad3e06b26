//! Stores of shape `window`: values by key and start of a window.

use super::{Entry, NO_TIMESTAMP, Scan, checked, filled, range, written};
use crate::bindings::imports::millstream::plugin::state::KeyRange;
#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::window_store as host;
use crate::bindings::imports::millstream::plugin::window_store::Page;
#[cfg(not(target_family = "wasm"))]
use crate::native::window_store as host;
use crate::{Failed, Field};
use std::ops::{RangeBounds, RangeInclusive};

/// Values by key and start of a window, as long as they are retained.
#[derive(Clone, Debug)]
pub struct WindowStore(pub(crate) u32);

/// A row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowRow {
    /// Its key.
    pub key: Vec<u8>,
    /// Where its window starts.
    pub start: i64,
    /// Its value.
    pub value: Vec<u8>,
    /// The timestamp of the record that put it; none: the store keeps none.
    pub timestamp: Option<i64>,
}

impl WindowStore {
    /// The value of a key's window.
    pub fn get(&self, key: impl AsRef<[u8]>, start: i64) -> Option<Vec<u8>> {
        self.entry(key, start).map(|entry| entry.value)
    }

    /// The value of a key's window and its timestamp.
    pub fn entry(&self, key: impl AsRef<[u8]>, start: i64) -> Option<Entry> {
        host::get(self.0, key.as_ref(), start).map(|found| Entry { value: found.value, timestamp: found.timestamp })
    }

    /// Puts a value; null deletes it.
    ///
    /// # Errors
    /// If the store can only be read, or the plugin's share of state is used up.
    pub fn put(&mut self, key: impl AsRef<[u8]>, start: i64, value: impl Field) -> Result<(), Failed> {
        self.put_at(key, start, value, NO_TIMESTAMP)
    }

    /// Puts a value with its timestamp, into a store that keeps them.
    ///
    /// # Errors
    /// As for [`WindowStore::put`].
    pub fn put_at(
        &mut self,
        key: impl AsRef<[u8]>,
        start: i64,
        value: impl Field,
        timestamp: i64,
    ) -> Result<(), Failed> {
        checked(host::put(self.0, key.as_ref(), start, written(value)?.as_deref(), timestamp))
    }

    /// The key's windows that start within these times, by start.
    pub fn fetch(&self, key: impl AsRef<[u8]>, starts: RangeInclusive<i64>) -> Scan<WindowRow> {
        let (store, key) = (self.0, key.as_ref().to_vec());
        let (earliest, latest) = starts.into_inner();
        Scan::new(move |(backward, resume, limit)| {
            rows(host::fetch(store, &key, earliest, latest, backward, resume.as_deref(), limit))
        })
    }

    /// The same for a range of keys, by key and start.
    pub fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>, starts: RangeInclusive<i64>) -> Scan<WindowRow> {
        self.scan(range(&keys), starts)
    }

    /// All rows, by key and start.
    pub fn all(&self) -> Scan<WindowRow> {
        self.scan(KeyRange { start: Vec::new(), end: None }, i64::MIN..=i64::MAX)
    }

    fn scan(&self, keys: KeyRange, starts: RangeInclusive<i64>) -> Scan<WindowRow> {
        let store = self.0;
        let (earliest, latest) = starts.into_inner();
        Scan::new(move |(backward, resume, limit)| {
            rows(host::scan(store, &keys, earliest, latest, backward, resume.as_deref(), limit))
        })
    }
}

fn rows(page: Page) -> (Vec<WindowRow>, Option<Vec<u8>>) {
    let Page { keys, starts, values, timestamps, next } = page;
    let mut times = timestamps.into_iter();
    let rows = filled(keys).zip(starts).zip(filled(values));
    let rows = rows.map(|((key, start), value)| WindowRow { key, start, value, timestamp: times.next() });
    (rows.collect(), next)
}
