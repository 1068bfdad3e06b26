//! Tables: rows become changes, and stateless operators over changes.

use super::call::index;
use super::{Caller, Context, Operator, Stop, only};
use crate::record::{Cell, Row};
use crate::store::{KeyValueStore, StoreError};

/// `table`, `to-table`: keeps the latest value of every key, in the order of arrival whatever the timestamps say.
pub struct Table {
    /// Index of the store; none: nothing is kept and old values are not known.
    pub store: Option<usize>,
}

impl Operator for Table {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let out = only(outputs);
        for row in rows {
            if row.key.is_null() {
                cx.effects.dropped += 1;
                continue;
            }
            let old = match self.store {
                Some(store) => keep(row, store, cx)?,
                None => Cell::NULL,
            };
            out.push(Row { old, ..*row });
        }
        Ok(())
    }
}

/// Puts a change into a store and returns the value before.
fn keep(row: &Row, store: usize, cx: &mut Context<'_>) -> Result<Cell, StoreError> {
    let store = store_of(cx.stores, store);
    let slot = store.slot(cx.turn.arena.bytes(row.key))?;
    let old = cx.turn.arena.copy(store.state(slot).map(|(_, value)| value));
    store.set(slot, row.timestamp, cx.turn.arena.get(row.value));
    Ok(old)
}

/// A task's store by its index.
#[expect(clippy::indexing_slicing, reason = "the plan's indices are into the plan's stores")]
pub(super) fn store_of(stores: &mut [KeyValueStore], store: usize) -> &mut KeyValueStore {
    &mut stores[store]
}

/// `filter`, `filter-not` over a table: a row that does not match becomes a tombstone, unless it is known that the one
/// before did not match either.
pub struct TableFilter {
    /// The predicate.
    pub caller: Caller,
    /// Its answer for rows to keep.
    pub keep: bool,
    /// Store of the result.
    pub store: Option<usize>,
    /// Whether the input's old values are known.
    pub olds: bool,
}

impl Operator for TableFilter {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let sides = Sides::of(rows, self.olds);
        let answer = self.caller.transform(&sides.rows, cx)?;
        let mut matches = vec![false; sides.rows.len()];
        for source in &answer.sources {
            if let Some(matched) = matches.get_mut(*source as usize) {
                *matched = true;
            }
        }
        let out = only(outputs);
        for (row, side) in rows.iter().zip(&sides.places) {
            if side.failed(&answer.failed) {
                continue;
            }
            let kept = |place: Option<u32>, cell: Cell| match place {
                Some(place) if matches.get(place as usize) == Some(&self.keep) => cell,
                _ => Cell::NULL,
            };
            let mut change = Row { value: kept(side.new, row.value), old: kept(side.old, row.old), ..*row };
            if self.olds && change.value.is_null() && change.old.is_null() {
                continue;
            }
            if let Some(store) = self.store {
                change.old = keep(&change, store, cx)?;
            }
            out.push(change);
        }
        Ok(())
    }
}

/// `map-values` over a table; tombstones stay tombstones.
pub struct TableMapValues {
    /// The mapper.
    pub caller: Caller,
    /// Store of the result.
    pub store: Option<usize>,
    /// Whether a later step wants old values.
    pub olds: bool,
}

impl Operator for TableMapValues {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let sides = Sides::of(rows, self.olds && self.store.is_none());
        let answer = self.caller.transform(&sides.rows, cx)?;
        let mut mapped = vec![Cell::NULL; sides.rows.len()];
        for (source, row) in answer.sources.iter().zip(&answer.rows) {
            if let Some(cell) = mapped.get_mut(*source as usize) {
                *cell = row.value;
            }
        }
        let out = only(outputs);
        for (row, side) in rows.iter().zip(&sides.places) {
            if side.failed(&answer.failed) {
                continue;
            }
            let value = |place: Option<u32>| place.and_then(|place| mapped.get(place as usize)).copied();
            let new = value(side.new).unwrap_or(Cell::NULL);
            let mut change = Row { value: new, old: value(side.old).unwrap_or(Cell::NULL), ..*row };
            if let Some(store) = self.store {
                change.old = keep(&change, store, cx)?;
            }
            out.push(change);
        }
        Ok(())
    }
}

/// The new and old values of changes as rows for a user's function, which is never asked about a null.
pub(super) struct Sides {
    /// New and old values, in the order of the changes, old first.
    pub(super) rows: Vec<Row>,
    /// For each change where its sides are among the rows.
    pub(super) places: Vec<Side>,
}

/// Where a change's sides are.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub(super) new: Option<u32>,
    pub(super) old: Option<u32>,
}

impl Side {
    /// Whether the function failed on either side.
    pub(super) fn failed(self, failed: &[u32]) -> bool {
        [self.new, self.old].into_iter().flatten().any(|place| failed.binary_search(&place).is_ok())
    }
}

impl Sides {
    pub(super) fn of(changes: &[Row], olds: bool) -> Self {
        let mut sides = Self { rows: Vec::with_capacity(changes.len()), places: Vec::with_capacity(changes.len()) };
        for change in changes {
            let old = if olds { sides.add(change, change.old) } else { None };
            let new = sides.add(change, change.value);
            sides.places.push(Side { new, old });
        }
        sides
    }

    fn add(&mut self, change: &Row, value: Cell) -> Option<u32> {
        if value.is_null() {
            return None;
        }
        self.rows.push(Row { value, old: Cell::NULL, ..*change });
        Some(index(self.rows.len() - 1))
    }
}
