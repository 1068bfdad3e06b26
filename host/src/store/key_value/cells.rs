//! The entries at hand: hot ones and those of the open transaction, because both must be found by the same look-up.

use super::Slot;
use crate::record::Timestamp;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// A key or a value. Most keys, and all numbers, lie in the entry itself: finding one touches one place less.
pub(super) type Bytes = SmallVec<[u8; 16]>;

#[derive(Debug, Default)]
pub(super) struct Cell {
    pub(super) key: Bytes,
    pub(super) value: Bytes,
    pub(super) exists: bool,
    pub(super) timestamp: Timestamp,
    pub(super) dirty: bool,
    /// Its place among [`Waiting`], if a change of it waits for the commit.
    pub(super) waiting: Option<u32>,
}

/// What is to be known when a change that waits for the commit is handed on.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Value at the last hand-on.
    pub(super) old: Option<Bytes>,
    /// Headers of the last change.
    pub(super) headers: Bytes,
}

/// Entries by slot, and their slots by key.
#[derive(Debug, Default)]
pub(super) struct Cells {
    slots: HashTable<Slot>,
    cells: Vec<Cell>,
}

impl Cells {
    /// The slot of a key that is at hand.
    pub(super) fn find(&self, key: &[u8]) -> Option<Slot> {
        self.slots.find(hash(key), |slot| *self.at(*slot).key == *key).copied()
    }

    /// Adds an entry whose key is not at hand.
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the cache's bytes")]
    #[expect(clippy::indexing_slicing, reason = "the table holds slots of these cells")]
    pub(super) fn insert(&mut self, cell: Cell) -> Slot {
        let slot = Slot(self.cells.len() as u32);
        let hashed = hash(&cell.key);
        self.cells.push(cell);
        let cells = &self.cells;
        self.slots.insert_unique(hashed, slot, |slot| hash(&cells[slot.0 as usize].key));
        slot
    }

    #[expect(clippy::indexing_slicing, reason = "slots are made by this store, and void after a commit as documented")]
    pub(super) fn at(&self, slot: Slot) -> &Cell {
        &self.cells[slot.0 as usize]
    }

    #[expect(clippy::indexing_slicing, reason = "as in at")]
    pub(super) fn at_mut(&mut self, slot: Slot) -> &mut Cell {
        &mut self.cells[slot.0 as usize]
    }

    /// Sorts slots by their keys. Keys are compared by their first bytes, which lie beside the slots while they are
    /// sorted; the entries are looked at only where those are the same.
    pub(super) fn sort(&self, slots: &mut [Slot]) {
        let key = |slot: Slot| self.at(slot).key.as_slice();
        let mut keyed: Vec<(u64, Slot)> = slots.iter().map(|slot| (first_bytes(key(*slot)), *slot)).collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a.1).cmp(key(b.1))));
        slots.iter_mut().zip(keyed).for_each(|(place, (_, slot))| *place = slot);
    }

    /// Forgets all entries.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.cells.clear();
    }
}

fn hash(key: &[u8]) -> u64 {
    FxBuildHasher.hash_one(key)
}

/// The first eight bytes as a number that is ordered as they are; short keys are filled up with zeros.
fn first_bytes(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sorts_as_bytes_are_ordered(keys in proptest::collection::btree_set(proptest::collection::vec(0u8..3, 0..12), 0..40)) {
            let mut cells = Cells::default();
            // The set is in order: slots are made from its end.
            let mut slots: Vec<Slot> = keys.iter().rev().map(|key| {
                cells.insert(Cell { key: key.as_slice().into(), ..Cell::default() })
            }).collect();
            cells.sort(&mut slots);
            let sorted: Vec<Vec<u8>> = slots.iter().map(|slot| cells.at(*slot).key.to_vec()).collect();
            prop_assert_eq!(sorted, keys.iter().cloned().collect::<Vec<_>>());
            for key in &keys {
                let found = cells.find(key).map(|slot| cells.at(slot).key.to_vec());
                prop_assert_eq!(found.as_ref(), Some(key));
            }
        }
    }
}
