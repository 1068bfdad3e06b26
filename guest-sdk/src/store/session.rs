//! Stores of shape `session`: values by key and session.

use super::{Scan, checked, filled, range, written};
#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::session_store as host;
use crate::bindings::imports::millstream::plugin::session_store::Page;
use crate::bindings::imports::millstream::plugin::state::KeyRange;
#[cfg(not(target_family = "wasm"))]
use crate::native::session_store as host;
use crate::{Failed, Field};
use std::ops::RangeBounds;

/// Values by key and session, whose start and end are its first and last record's times.
#[derive(Clone, Debug)]
pub struct SessionStore(pub(crate) u32);

/// A row of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Its key.
    pub key: Vec<u8>,
    /// Time of its first record.
    pub start: i64,
    /// Time of its last record.
    pub end: i64,
    /// Its value.
    pub value: Vec<u8>,
}

impl SessionStore {
    /// The value of a session.
    pub fn get(&self, key: impl AsRef<[u8]>, start: i64, end: i64) -> Option<Vec<u8>> {
        host::get(self.0, key.as_ref(), start, end)
    }

    /// Puts a value; null deletes it.
    ///
    /// # Errors
    /// If the store can only be read, or the plugin's share of state is used up.
    pub fn put(&mut self, key: impl AsRef<[u8]>, start: i64, end: i64, value: impl Field) -> Result<(), Failed> {
        checked(host::put(self.0, key.as_ref(), start, end, written(value)?.as_deref()))
    }

    /// The key's sessions that end at `earliest_end` or later and start at `latest_start` or earlier, by end and start.
    pub fn fetch(&self, key: impl AsRef<[u8]>, earliest_end: i64, latest_start: i64) -> Scan<SessionRow> {
        let (store, key) = (self.0, key.as_ref().to_vec());
        Scan::new(move |(backward, resume, limit)| {
            rows(host::fetch(store, &key, earliest_end, latest_start, backward, resume.as_deref(), limit))
        })
    }

    /// The same for a range of keys, by key, end and start.
    pub fn range<K: AsRef<[u8]>>(
        &self,
        keys: impl RangeBounds<K>,
        earliest_end: i64,
        latest_start: i64,
    ) -> Scan<SessionRow> {
        let store = self.0;
        let keys: KeyRange = range(&keys);
        Scan::new(move |(backward, resume, limit)| {
            rows(host::scan(store, &keys, earliest_end, latest_start, backward, resume.as_deref(), limit))
        })
    }
}

fn rows(page: Page) -> (Vec<SessionRow>, Option<Vec<u8>>) {
    let Page { keys, starts, ends, values, next } = page;
    let rows = filled(keys).zip(starts).zip(ends).zip(filled(values));
    (rows.map(|(((key, start), end), value)| SessionRow { key, start, end, value }).collect(), next)
}
