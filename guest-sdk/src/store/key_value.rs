//! Stores of shape `key-value`: ordered maps, and tables to read.

use super::{Entry, NO_TIMESTAMP, Scan, cells, checked, filled, prefixed, range, written};
#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::key_value_store as host;
use crate::bindings::imports::millstream::plugin::key_value_store::Page;
use crate::bindings::imports::millstream::plugin::state::KeyRange;
use crate::bindings::imports::millstream::plugin::types::Cells;
#[cfg(not(target_family = "wasm"))]
use crate::native::key_value_store as host;
use crate::{Failed, Field};
use std::ops::RangeBounds;

/// An ordered map from keys to values, or a table to read.
#[derive(Clone, Debug)]
pub struct KeyValueStore(pub(crate) u32);

/// A row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// The timestamp of the record that put it; none: the store keeps none.
    pub timestamp: Option<i64>,
}

impl KeyValueStore {
    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.entry(key).map(|entry| entry.value)
    }

    /// The value of a key and its timestamp.
    pub fn entry(&self, key: impl AsRef<[u8]>) -> Option<Entry> {
        host::get(self.0, key.as_ref()).map(|found| Entry { value: found.value, timestamp: found.timestamp })
    }

    /// Many values for the price of one call, in the order of the keys.
    pub fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) -> Vec<Option<Entry>> {
        let mut asked = Cells { lengths: Vec::new(), bytes: Vec::new() };
        for key in keys {
            asked.lengths.push(key.len() as u32);
            asked.bytes.extend_from_slice(key);
        }
        let Page { values, timestamps, .. } = host::get_many(self.0, &asked);
        let mut times = timestamps.into_iter();
        let entry = |value: Option<Vec<u8>>| {
            let timestamp = times.next();
            value.map(|value| Entry { value, timestamp })
        };
        cells(values).map(entry).collect()
    }

    /// Puts a value; null deletes it.
    ///
    /// # Errors
    /// If the store can only be read, or the plugin's share of state is used up.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl Field) -> Result<(), Failed> {
        self.put_at(key, value, NO_TIMESTAMP)
    }

    /// Puts a value with its timestamp, into a store that keeps them.
    ///
    /// # Errors
    /// As for [`KeyValueStore::put`].
    pub fn put_at(&mut self, key: impl AsRef<[u8]>, value: impl Field, timestamp: i64) -> Result<(), Failed> {
        checked(host::put(self.0, key.as_ref(), written(value)?.as_deref(), timestamp))
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// As for [`KeyValueStore::put`].
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<(), Failed> {
        checked(host::put(self.0, key.as_ref(), None, NO_TIMESTAMP))
    }

    /// Many writes for the price of one call, in order.
    ///
    /// # Errors
    /// As for [`KeyValueStore::put`].
    pub fn put_many<K: AsRef<[u8]>, V: Field>(&mut self, rows: impl IntoIterator<Item = (K, V)>) -> Result<(), Failed> {
        let empty = || Cells { lengths: Vec::new(), bytes: Vec::new() };
        let (mut keys, mut values) = (empty(), empty());
        for (key, value) in rows {
            keys.lengths.push(key.as_ref().len() as u32);
            keys.bytes.extend_from_slice(key.as_ref());
            values.lengths.push(crate::field::append(value, &mut values.bytes)?);
        }
        checked(host::put_many(self.0, &keys, &values, &[]))
    }

    /// The rows of a range of keys, in byte order.
    pub fn range<K: AsRef<[u8]>>(&self, keys: impl RangeBounds<K>) -> Scan<Row> {
        self.scan(range(&keys))
    }

    /// The rows whose keys begin with a prefix, in byte order.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Scan<Row> {
        self.scan(prefixed(prefix.as_ref()))
    }

    /// All rows, in byte order of their keys.
    pub fn all(&self) -> Scan<Row> {
        self.scan(KeyRange { start: Vec::new(), end: None })
    }

    fn scan(&self, keys: KeyRange) -> Scan<Row> {
        let store = self.0;
        Scan::new(move |(backward, resume, limit)| {
            let Page { keys, values, timestamps, next } = host::scan(store, &keys, backward, resume.as_deref(), limit);
            let mut times = timestamps.into_iter();
            let rows = filled(keys).zip(filled(values));
            (rows.map(|(key, value)| Row { key, value, timestamp: times.next() }).collect(), next)
        })
    }
}
