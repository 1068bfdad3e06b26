//! The key-value shape: a timestamped value a key.

mod cells;
mod layout;
mod local;
mod range;

pub use local::Local;
pub use range::Keys;

use super::{Db, Family, StoreError, Writes};
use crate::record::Timestamp;
use cells::{Cell, Cells, Waiting};
use std::collections::BTreeMap;

/// Bytes of clean entries that a store keeps at hand; above it they are let go of at the next commit.
const CACHE_BYTES_MAX: usize = 16 << 20;
/// What an entry costs besides its key and value, roughly.
const ENTRY_BYTES: usize = 96;

/// An entry at hand. Good until [`KeyValueStore::committed`] or [`KeyValueStore::rollback`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);

/// A row of a store: key, timestamp, value.
pub type Entry = (Vec<u8>, Timestamp, Vec<u8>);

/// A change that waits for the commit to be handed on.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value now.
    pub value: Option<&'a [u8]>,
    /// The value when a change of this key was last handed on.
    pub old: Option<&'a [u8]>,
    /// The change's timestamp.
    pub timestamp: Timestamp,
    /// Headers of the record that made it.
    pub headers: &'a [u8],
}

/// Hears of every changed key, for the changelog: key, timestamp, value (none: deleted).
pub type Changelog<'a> = &'a mut dyn FnMut(&[u8], Timestamp, Option<&[u8]>);

/// One partition of a key-value store, owned by one task.
#[derive(Debug)]
pub struct KeyValueStore {
    db: Db,
    prefix: [u8; 8],
    cells: Cells,
    dirty: Vec<Slot>,
    /// How many of them are known to be in the order of their keys.
    sorted: usize,
    /// Of changes that wait for the commit.
    waiting: Vec<Waiting>,
    dirty_bytes: usize,
    bytes: usize,
    /// Changed entries by key, from the first scan of a transaction on: stores that are never scanned pay nothing.
    ordered: Option<BTreeMap<Box<[u8]>, Slot>>,
}

impl KeyValueStore {
    /// Opens partition `partition` of the store `name` of an app.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn open(db: &Db, app: &str, name: &str, partition: i32) -> Result<Self, StoreError> {
        Ok(Self::at(db, db.number(&number_of(app, name))?, partition))
    }

    /// As [`KeyValueStore::open`], if there is such a store.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn existing(db: &Db, app: &str, name: &str, partition: i32) -> Result<Option<Self>, StoreError> {
        Ok(db.known_number(&number_of(app, name))?.map(|number| Self::at(db, number, partition)))
    }

    fn at(db: &Db, number: u32, partition: i32) -> Self {
        let mut prefix = [0; 8];
        let (store, rest) = prefix.split_at_mut(4);
        store.copy_from_slice(&number.to_be_bytes());
        rest.copy_from_slice(&partition.to_be_bytes());
        let (cells, dirty, waiting) = (Cells::default(), Vec::new(), Vec::new());
        Self { db: db.clone(), prefix, cells, dirty, sorted: 0, waiting, dirty_bytes: 0, bytes: 0, ordered: None }
    }

    /// Finds a key's entry, or loads it; a key that is not there gets an empty one.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn slot(&mut self, key: &[u8]) -> Result<Slot, StoreError> {
        match self.cells.find(key) {
            Some(slot) => Ok(slot),
            None => self.fetch(key),
        }
    }

    fn fetch(&mut self, key: &[u8]) -> Result<Slot, StoreError> {
        let stored = self.db.get(Family::KeyValue, &self.full(key))?;
        let mut cell = Cell { key: key.into(), ..Cell::default() };
        if let Some((timestamp, value)) = stored.as_deref().and_then(unpack) {
            (cell.timestamp, cell.exists) = (timestamp, true);
            cell.value = value.into();
        }
        self.bytes += key.len() + cell.value.len() + ENTRY_BYTES;
        Ok(self.cells.insert(cell))
    }

    fn cell(&self, slot: Slot) -> &Cell {
        self.cells.at(slot)
    }

    /// Timestamp and value of an entry; none if there is no value.
    pub fn state(&self, slot: Slot) -> Option<(Timestamp, &[u8])> {
        let cell = self.cell(slot);
        cell.exists.then_some((cell.timestamp, cell.value.as_slice()))
    }

    /// Sets or deletes an entry's value, at a time.
    pub fn set(&mut self, slot: Slot, timestamp: Timestamp, value: Option<&[u8]>) {
        let cell = self.cells.at_mut(slot);
        if !cell.dirty {
            cell.dirty = true;
            self.dirty.push(slot);
            self.dirty_bytes += cell.key.len() + ENTRY_BYTES;
            if let Some(ordered) = &mut self.ordered {
                ordered.insert(cell.key.as_slice().into(), slot);
            }
        } else {
            // Only the last value waits for the commit.
            self.dirty_bytes -= cell.value.len();
        }
        self.bytes = (self.bytes + value.map_or(0, <[u8]>::len)).saturating_sub(cell.value.len());
        self.dirty_bytes += value.map_or(0, <[u8]>::len);
        cell.value.clear();
        cell.value.extend_from_slice(value.unwrap_or_default());
        (cell.exists, cell.timestamp) = (value.is_some(), timestamp);
    }

    /// As [`KeyValueStore::set`], for a change that is handed on at the commit.
    pub fn set_pending(&mut self, slot: Slot, timestamp: Timestamp, value: Option<&[u8]>, headers: &[u8]) {
        let cell = self.cells.at_mut(slot);
        match cell.waiting.and_then(|place| self.waiting.get_mut(place as usize)) {
            Some(waiting) => {
                waiting.headers.clear();
                waiting.headers.extend_from_slice(headers);
            }
            None => {
                cell.waiting = Some(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX));
                self.waiting.push(Waiting { old: cell.exists.then(|| cell.value.clone()), headers: headers.into() });
            }
        }
        self.set(slot, timestamp, value);
    }

    /// Visits the changes that wait for the commit, in key order, and forgets that they wait.
    pub fn emit_pending(&mut self, visit: &mut dyn FnMut(Pending<'_>)) {
        self.sort();
        for slot in &self.dirty {
            let cell = self.cells.at_mut(*slot);
            let waiting = cell.waiting.take().and_then(|place| self.waiting.get(place as usize));
            let Some(waiting) = waiting else { continue };
            // Made and deleted since: nobody heard of it, as in Kafka Streams.
            if waiting.old.is_none() && !cell.exists {
                continue;
            }
            visit(Pending {
                key: &cell.key,
                value: cell.exists.then_some(&cell.value),
                old: waiting.old.as_deref(),
                timestamp: cell.timestamp,
                headers: &waiting.headers,
            });
        }
        self.waiting.clear();
    }

    /// Puts the changed entries into the order of their keys.
    fn sort(&mut self) {
        if self.sorted < self.dirty.len() {
            self.cells.sort(&mut self.dirty);
            self.sorted = self.dirty.len();
        }
    }

    /// One value.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<(Timestamp, Vec<u8>)>, StoreError> {
        let slot = self.slot(key)?;
        Ok(self.state(slot).map(|(timestamp, value)| (timestamp, value.to_vec())))
    }

    /// Bytes of the open transaction.
    pub const fn uncommitted_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// Writes each changed key once, in key order, and tells the changelog.
    pub fn prepare(&mut self, writes: &mut Writes, mut changelog: Option<Changelog<'_>>) {
        self.sort();
        for slot in &self.dirty {
            let cell = self.cell(*slot);
            let value = cell.exists.then_some(cell.value.as_slice());
            let key = [&self.prefix[..], &cell.key];
            match value {
                Some(value) => writes.put_parts(Family::KeyValue, &key, &[&cell.timestamp.to_be_bytes(), value]),
                None if crate::fault::is("deletes-are-lost") => {}
                None => writes.delete_parts(Family::KeyValue, &key),
            }
            let silent = value.is_none() && crate::fault::is("changelog-skips-deletes");
            if let Some(changelog) = changelog.as_mut().filter(|_| !silent) {
                changelog(&cell.key, cell.timestamp, value);
            }
        }
    }

    /// What was prepared is committed.
    pub fn committed(&mut self) {
        for slot in self.dirty.drain(..) {
            let cell = self.cells.at_mut(slot);
            (cell.dirty, cell.waiting) = (false, None);
        }
        (self.dirty_bytes, self.sorted) = (0, 0);
        self.waiting.clear();
        self.ordered = None;
        if self.bytes > CACHE_BYTES_MAX {
            self.forget();
        }
    }

    /// Drops the open transaction: reads see the last commit again.
    pub fn rollback(&mut self) {
        if crate::fault::is("rollback-keeps-cache") {
            return self.committed();
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.cells.clear();
        self.dirty.clear();
        self.waiting.clear();
        self.ordered = None;
        (self.dirty_bytes, self.bytes, self.sorted) = (0, 0, 0);
    }

    fn full(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }
}

/// What a store's number is given for.
fn number_of(app: &str, name: &str) -> String {
    format!("store/{app}/{name}")
}

fn unpack(stored: &[u8]) -> Option<(Timestamp, &[u8])> {
    stored.split_first_chunk().map(|(timestamp, value)| (Timestamp::from_be_bytes(*timestamp), value))
}

#[cfg(test)]
mod tests;
