//! `reduce` and `aggregate` through a plugin.

use super::super::call::{index, instance, isolate, pack};
use super::super::table::store_of;
use super::super::{Caller, Context, Stop, call};
use super::{Changes, advanced};
use crate::plugin::port::{CallError, Cells, Columns, Folded, NULL, Reply, SAME, Steps};
use crate::record::{Cell, Row, Timestamp};
use crate::store::Slot;
use crate::topology::plan::Emit;
use rustc_hash::FxHashMap;
use std::ops::Range;

const ADD: u8 = 0;
const SUBTRACT: u8 = 1;

/// Bytes of states that go into one call at most, unless one row's state is larger.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// Folds rows into the states of their keys, in calls of bounded size.
pub(super) fn fold(
    rows: &[Row],
    caller: &Caller,
    retract: bool,
    cx: &mut Context<'_>,
    changes: &mut Changes<'_>,
) -> Result<(), Stop> {
    let mut from = 0;
    while from < rows.len() {
        let until = from + call::fitting(rows.get(from..).unwrap_or_default());
        let mut part = from..until;
        while !part.is_empty() {
            let batch = Batch::gather(rows, part.clone(), retract, cx, changes.store)?;
            let taken = part.start..batch.end;
            attempt(rows, taken.clone(), batch, caller, retract, cx, changes)?;
            part.start = taken.end;
        }
        from = until;
    }
    Ok(())
}

/// One call; if the plugin breaks down, its rows are tried in parts until the culprit stands alone.
fn attempt(
    rows: &[Row],
    range: Range<usize>,
    mut batch: Batch,
    caller: &Caller,
    retract: bool,
    cx: &mut Context<'_>,
    changes: &mut Changes<'_>,
) -> Result<(), Stop> {
    match batch.call(caller, cx) {
        Ok(folded) if retract && !folded.failures.is_empty() => {
            // A change is taken back and put in as one; where half of it failed nothing of it may stay.
            let failed = batch.change_of(folded.failures.first().map_or(0, |failure| failure.row));
            let failure = folded.failures.into_iter().next();
            let (class, reason) = failure.map(|failure| (failure.class, failure.reason)).unwrap_or_default();
            let culprit = range.start + failed;
            retry(rows, range.start..culprit, caller, retract, cx, changes)?;
            if let Some(row) = rows.get(culprit) {
                caller.refuse(*row, class, reason, cx)?;
            }
            retry(rows, culprit + 1..range.end, caller, retract, cx, changes)
        }
        Ok(folded) => batch.apply(folded, rows, range.start, caller, cx, changes),
        Err(error) => {
            caller.recover(cx)?;
            caller.note_late(&error, range.len(), cx)?;
            match rows.get(range.clone()) {
                Some([row]) => caller.fail(*row, &error, cx),
                _ => {
                    let error = batch.about_changes(error);
                    for part in isolate(&range, &error) {
                        retry(rows, part, caller, retract, cx, changes)?;
                    }
                    Ok(())
                }
            }
        }
    }
}

fn retry(
    rows: &[Row],
    range: Range<usize>,
    caller: &Caller,
    retract: bool,
    cx: &mut Context<'_>,
    changes: &mut Changes<'_>,
) -> Result<(), Stop> {
    let mut range = range;
    while !range.is_empty() {
        let batch = Batch::gather(rows, range.clone(), retract, cx, changes.store)?;
        let taken = range.start..batch.end;
        range.start = taken.end;
        attempt(rows, taken, batch, caller, retract, cx, changes)?;
    }
    Ok(())
}

/// What goes into one call: the rows, the states of their keys, and the steps to take.
struct Batch {
    /// End of the rows that it covers.
    end: usize,
    /// The rows of the steps.
    rows: Vec<Row>,
    /// For each step which of the covered rows it belongs to.
    changes: Vec<usize>,
    steps: Steps,
    slots: Vec<Slot>,
    states: Cells,
}

impl Batch {
    fn gather(
        rows: &[Row],
        range: Range<usize>,
        retract: bool,
        cx: &mut Context<'_>,
        store: usize,
    ) -> Result<Self, Stop> {
        let store = store_of(cx.stores, store);
        let mut batch = Self {
            end: range.start,
            rows: Vec::with_capacity(range.len()),
            changes: Vec::with_capacity(range.len()),
            steps: Steps::default(),
            slots: Vec::new(),
            states: Cells::default(),
        };
        let mut known: FxHashMap<Slot, u32> = FxHashMap::default();
        for (place, row) in rows.get(range).unwrap_or_default().iter().enumerate() {
            if place > 0 && batch.states.bytes.len() > STATE_BYTES_MAX {
                break;
            }
            let slot = store.slot(cx.turn.arena.bytes(row.key))?;
            let number = *known.entry(slot).or_insert_with(|| {
                batch.slots.push(slot);
                batch.states.push(store.state(slot).map(|(_, value)| value));
                index(batch.slots.len() - 1)
            });
            if retract && !row.old.is_null() {
                batch.step(place, Row { value: row.old, ..*row }, SUBTRACT, number);
            }
            if !retract || !row.value.is_null() {
                batch.step(place, *row, ADD, number);
            }
            batch.end += 1;
        }
        if !retract {
            batch.steps.actions.clear();
        }
        Ok(batch)
    }

    fn step(&mut self, change: usize, row: Row, action: u8, slot: u32) {
        self.rows.push(row);
        self.changes.push(change);
        self.steps.actions.push(action);
        self.steps.slots.push(slot);
    }

    fn call(&mut self, caller: &Caller, cx: &mut Context<'_>) -> Result<Folded, CallError> {
        let (plugin, node, reads) = caller.target();
        let mut columns = Columns::default();
        pack(&self.rows, reads, &mut cx.turn.arena, &mut columns);
        crate::killpoint::pass("before-fold-call");
        let instance = instance(cx.plugins, plugin);
        columns.arena = std::mem::take(&mut cx.turn.arena);
        let folded = instance.fold(node, &mut columns, &mut self.states, &mut self.steps, Reply::Every);
        cx.turn.arena = std::mem::take(&mut columns.arena);
        crate::killpoint::pass("after-fold-call");
        folded
    }

    /// Which covered row a step belongs to.
    fn change_of(&self, step: u32) -> usize {
        self.changes.get(step as usize).copied().unwrap_or_default()
    }

    /// The error with its row counted in covered rows instead of steps.
    fn about_changes(&self, error: CallError) -> CallError {
        match error {
            CallError::Trap { row: Some(row), message, backtrace } => {
                CallError::Trap { row: Some(index(self.change_of(row))), message, backtrace }
            }
            other => other,
        }
    }

    /// Puts the new states into the store and hands the changes on.
    fn apply(
        &self,
        folded: Folded,
        rows: &[Row],
        start: usize,
        caller: &Caller,
        cx: &mut Context<'_>,
        changes: &mut Changes<'_>,
    ) -> Result<(), Stop> {
        let mut running = self.before(cx, changes);
        let chunk = cx.turn.arena.push(folded.states.bytes);
        let mut failures = folded.failures.into_iter().peekable();
        let mut at = 0;
        for (step, length) in folded.states.lengths.iter().enumerate() {
            let cell = match *length {
                NULL => Some(Cell::NULL),
                SAME => None,
                length => Some(chunk.cell(at, length)),
            };
            at += cell.map_or(0, |cell| index(cell.len()));
            let change = self.changes.get(step).copied().unwrap_or_default();
            let Some(row) = rows.get(start + change) else { continue };
            if let Some(failure) = failures.next_if(|failure| failure.row as usize == step) {
                caller.refuse(*row, failure.class, failure.reason, cx)?;
                continue;
            }
            let slot = self.steps.slots.get(step).copied().unwrap_or_default() as usize;
            let Some(state) = running.get_mut(slot) else { continue };
            state.step(cell);
            let last = self.changes.get(step + 1) != Some(&change);
            if last {
                let (timestamp, value, old) = state.settle(row);
                self.store(slot, timestamp, value, row, cx, changes);
                changes.push(row, timestamp, value, old);
            }
        }
        Ok(())
    }

    /// The states before the first step.
    fn before(&self, cx: &mut Context<'_>, changes: &Changes<'_>) -> Vec<Running> {
        let store = store_of(cx.stores, changes.store);
        let arena = &mut cx.turn.arena;
        let running = |slot: &Slot| match store.state(*slot) {
            None => Running { timestamp: None, value: Cell::NULL, before: Cell::NULL },
            Some((timestamp, value)) => {
                let value = arena.copy(Some(value));
                Running { timestamp: Some(timestamp), value, before: value }
            }
        };
        self.slots.iter().map(running).collect()
    }

    fn store(
        &self,
        slot: usize,
        timestamp: Timestamp,
        value: Cell,
        row: &Row,
        cx: &mut Context<'_>,
        changes: &Changes<'_>,
    ) {
        let Some(slot) = self.slots.get(slot) else { return };
        let store = store_of(cx.stores, changes.store);
        let value = cx.turn.arena.get(value);
        match changes.emit {
            Emit::EveryUpdate => store.set(*slot, timestamp, value),
            Emit::OnCommit => store.set_pending(*slot, timestamp, value, cx.turn.arena.bytes(row.headers)),
        }
    }
}

/// A state while its steps are gone through.
struct Running {
    /// When it was last changed; none: there is no state.
    timestamp: Option<Timestamp>,
    value: Cell,
    /// The value before the row at hand.
    before: Cell,
}

impl Running {
    /// Takes what a step answered; none: as before.
    fn step(&mut self, cell: Option<Cell>) {
        self.value = cell.unwrap_or(self.value);
    }

    /// Ends a row: its timestamp, the value after it and the value before.
    fn settle(&mut self, row: &Row) -> (Timestamp, Cell, Cell) {
        let timestamp = advanced(self.timestamp, row.timestamp);
        self.timestamp = (!self.value.is_null()).then_some(timestamp);
        (timestamp, self.value, std::mem::replace(&mut self.before, self.value))
    }
}
