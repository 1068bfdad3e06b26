//! Range and prefix scans: the last commit and the open transaction on top, merged as they are visited.

use super::{Entry, KeyValueStore, Slot, unpack};
use crate::record::Timestamp;
use crate::store::{Family, StoreError};
use std::collections::BTreeMap;
use std::ops::Bound;

/// A stretch of keys, in byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys<'a> {
    from: &'a [u8],
    to: Bound<&'a [u8]>,
    /// Keys begin with this.
    prefix: &'a [u8],
}

impl<'a> Keys<'a> {
    /// All keys.
    pub const ALL: Self = Self { from: &[], to: Bound::Unbounded, prefix: &[] };

    /// Keys from `from` on, up to `to`.
    pub const fn between(from: &'a [u8], to: Bound<&'a [u8]>) -> Self {
        Self { from, to, prefix: &[] }
    }

    /// Keys that begin with `prefix`.
    pub const fn prefix(prefix: &'a [u8]) -> Self {
        Self { from: prefix, to: Bound::Unbounded, prefix }
    }

    /// The key right after the last one; none if there is no such key.
    fn end(&self) -> Option<Vec<u8>> {
        match self.to {
            Bound::Unbounded => successor(self.prefix),
            Bound::Excluded(to) => Some(to.to_vec()),
            Bound::Included(to) => Some([to, &[0]].concat()),
        }
    }
}

/// The smallest key that is greater than all that begin with `prefix`; none if all keys do, or only bytes of 0xff stand
/// in it.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut next = prefix.get(..=last)?.to_vec();
    *next.last_mut()? += 1;
    Some(next)
}

/// Hears of entries: key, timestamp, value; says whether to go on.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&[u8], Timestamp, &[u8]) -> bool;

impl KeyValueStore {
    /// Visits entries in byte order of their keys, or backwards, as long as `visit` says so; uncommitted changes are seen.
    /// No more is read than is visited.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn visit(&mut self, keys: Keys<'_>, backwards: bool, visit: Visit<'_>) -> Result<(), StoreError> {
        let ordered = self.ordered.take().unwrap_or_else(|| self.in_order());
        let result = self.merged(&ordered, keys, backwards, visit);
        self.ordered = Some(ordered);
        result
    }

    fn in_order(&self) -> BTreeMap<Box<[u8]>, Slot> {
        self.dirty.iter().map(|slot| (self.cell(*slot).key.as_slice().into(), *slot)).collect()
    }

    fn merged(
        &self,
        ordered: &BTreeMap<Box<[u8]>, Slot>,
        keys: Keys<'_>,
        backwards: bool,
        visit: Visit<'_>,
    ) -> Result<(), StoreError> {
        let end = keys.end();
        if end.as_deref().is_some_and(|end| end <= keys.from) {
            return Ok(());
        }
        let until = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let changed = ordered.range::<[u8], _>((Bound::Included(keys.from), until));
        let mut merge = Merge { store: self, changed, backwards, held: None, done: false };
        self.stored(keys.from, end.as_deref(), backwards, &mut |key, timestamp, value| {
            merge.arrive(key, timestamp, value, visit);
            !merge.done
        })?;
        merge.finish(visit);
        Ok(())
    }

    /// Entries from key `from` on, up to `to`, `limit` at most: [`KeyValueStore::visit`], collected.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn range(&self, from: &[u8], to: Bound<&[u8]>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut found = Vec::new();
        if limit > 0 {
            let ordered = self.in_order();
            self.merged(&ordered, Keys::between(from, to), false, &mut |key, timestamp, value| {
                found.push((key.to_vec(), timestamp, value.to_vec()));
                found.len() < limit
            })?;
        }
        Ok(found)
    }

    /// Visits committed entries from `from` on, up to but without `to`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn visit_committed(&self, from: &[u8], to: Option<&[u8]>, visit: Visit<'_>) -> Result<(), StoreError> {
        self.stored(from, to, false, visit)
    }

    pub(super) fn stored(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        backwards: bool,
        visit: Visit<'_>,
    ) -> Result<(), StoreError> {
        let from = self.full(from);
        let to = to.map_or_else(|| successor(&self.prefix), |to| Some(self.full(to)));
        self.db.walk(Family::KeyValue, &from, to.as_deref(), backwards, |key, value| {
            match (key.strip_prefix(&self.prefix), unpack(value)) {
                (Some(key), Some((timestamp, value))) => visit(key, timestamp, value),
                _ => true,
            }
        })
    }
}

/// The open transaction's entries on their way into those of the last commit.
struct Merge<'a, I> {
    store: &'a KeyValueStore,
    changed: I,
    backwards: bool,
    /// The next changed entry.
    held: Option<(&'a [u8], Slot)>,
    done: bool,
}

impl<'a, I> Merge<'a, I>
where
    I: DoubleEndedIterator<Item = (&'a Box<[u8]>, &'a Slot)>,
{
    fn next(&mut self) -> Option<(&'a [u8], Slot)> {
        self.held.take().or_else(|| {
            let next = if self.backwards { self.changed.next_back() } else { self.changed.next() };
            next.map(|(key, slot)| (&**key, *slot))
        })
    }

    /// A committed entry comes: changed ones before it go first, and one of the same key goes instead.
    fn arrive(&mut self, key: &[u8], timestamp: Timestamp, value: &[u8], visit: Visit<'_>) {
        while let Some((changed, slot)) = self.next() {
            let comes_later = if self.backwards { changed < key } else { changed > key };
            if comes_later {
                self.held = Some((changed, slot));
                break;
            }
            self.tell(changed, slot, visit);
            if self.done || changed == key {
                return;
            }
        }
        self.done = !visit(key, timestamp, value);
    }

    fn finish(&mut self, visit: Visit<'_>) {
        while !self.done
            && let Some((changed, slot)) = self.next()
        {
            self.tell(changed, slot, visit);
        }
    }

    fn tell(&mut self, key: &[u8], slot: Slot, visit: Visit<'_>) {
        if let Some((timestamp, value)) = self.store.state(slot) {
            self.done = !visit(key, timestamp, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Db, Settings, Writes};
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0u8), Just(255), Just(254), Just(7)], 0..4)
    }

    fn commit(store: &mut KeyValueStore, db: &Db) {
        let mut writes = Writes::default();
        store.prepare(&mut writes, None);
        db.apply(&writes, false).unwrap();
        store.committed();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Any stretch, either way, cut off anywhere, over a commit and an open transaction, is what a sorted map says:
        /// empty keys, keys of 0xff and neighbouring stores included.
        #[test]
        fn scans_agree_with_a_sorted_map(
            rows in proptest::collection::vec((key(), proptest::option::of(any::<u8>()), any::<bool>()), 0..60),
            scans in proptest::collection::vec((key(), key(), 0..4u8, any::<bool>(), 1..9usize), 1..20),
        ) {
            let directory = tempfile::tempdir().unwrap();
            let db = Db::open(directory.path(), Settings::default()).unwrap();
            for partition in [0, 2] {
                let mut neighbour = KeyValueStore::open(&db, "app", "store", partition).unwrap();
                for key in [&b""[..], &[255, 255, 255, 255]] {
                    let slot = neighbour.slot(key).unwrap();
                    neighbour.set(slot, 1, Some(b"not mine"));
                }
                commit(&mut neighbour, &db);
            }
            let mut store = KeyValueStore::open(&db, "app", "store", 1).unwrap();
            let mut model = BTreeMap::new();
            for (time, (key, value, end)) in (0i64..).zip(rows) {
                let slot = store.slot(&key).unwrap();
                store.set(slot, time, value.as_ref().map(std::slice::from_ref));
                match value {
                    Some(value) => model.insert(key, (time, vec![value])),
                    None => model.remove(&key),
                };
                if end {
                    commit(&mut store, &db);
                }
                // The first scan of a transaction may come before or after a change.
                store.visit(Keys::ALL, false, &mut |_, _, _| time % 3 == 0).unwrap();
            }
            for (a, b, kind, backwards, limit) in scans {
                let keys = match kind {
                    0 => Keys::prefix(&a),
                    1 => Keys::between(&a, Bound::Excluded(&b)),
                    2 => Keys::between(&a, Bound::Included(&b)),
                    _ => Keys::between(&a, Bound::Unbounded),
                };
                let inside = |key: &Vec<u8>| match kind {
                    0 => key.starts_with(&a),
                    1 => (&a..&b).contains(&key),
                    2 => (&a..=&b).contains(&key),
                    _ => key >= &a,
                };
                let mut expected: Vec<Entry> =
                    model.iter().filter(|(k, _)| inside(k)).map(|(k, (t, v))| (k.clone(), *t, v.clone())).collect();
                if backwards {
                    expected.reverse();
                }
                expected.truncate(limit);
                let mut found = Vec::new();
                store.visit(keys, backwards, &mut |key, timestamp, value| {
                    found.push((key.to_vec(), timestamp, value.to_vec()));
                    found.len() < limit
                }).unwrap();
                prop_assert_eq!(found, expected, "{:?} backwards {}", keys, backwards);
            }
        }
    }

    #[test]
    fn a_scan_reads_no_more_than_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let mut store = KeyValueStore::open(&db, "app", "store", 0).unwrap();
        for number in 0..1000u32 {
            let slot = store.slot(&number.to_be_bytes()).unwrap();
            store.set(slot, 0, Some(b"x"));
        }
        commit(&mut store, &db);
        let mut read = 0;
        store
            .stored(&[], None, false, &mut |_, _, _| {
                read += 1;
                read < 3
            })
            .unwrap();
        assert_eq!((read, store.range(&[], Bound::Unbounded, 3).unwrap().len()), (3, 3));
        assert_eq!(store.range(&[], Bound::Unbounded, 0).unwrap(), []);
    }

    #[test]
    fn successors() {
        assert_eq!(successor(&[]), None);
        assert_eq!(successor(&[255, 255]), None);
        assert_eq!(successor(&[1, 255]), Some(vec![2]));
        assert_eq!(successor(&[1, 2]), Some(vec![1, 3]));
    }
}
