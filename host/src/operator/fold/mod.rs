//! `count`, `reduce`, `aggregate`: rows become changes of a table.

mod ahead;
mod count;
mod guest;

pub use ahead::Ahead;

use super::table::store_of;
use super::{Caller, Context, Operator, Stop, only};
use crate::record::{Cell, Row, Timestamp};
use crate::topology::plan::{CountFormat, Emit, Payload};
use std::borrow::Cow;

/// What computes the states.
pub enum Function {
    /// Counts records in the host.
    Count(CountFormat),
    /// Asks the plugin.
    Guest(Caller),
}

/// An aggregate over a grouped stream or table.
///
/// Over a stream, records with a null key or value are dropped and counted. Over a table old values are subtracted and
/// new ones added. A state's timestamp is the later of the record's and the stored one's; where there was no state, the
/// record's.
pub struct Folder {
    function: Function,
    store: usize,
    emit: Emit,
    rows: Payload,
}

impl Folder {
    /// An aggregate that keeps its states in the task's store `store`; `rows` says what its rows are. Only counts take
    /// those of [`Payload::Count`].
    pub fn new(function: Function, store: usize, emit: Emit, rows: Payload) -> Self {
        Self { function, store, emit, rows }
    }
}

impl Operator for Folder {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let Self { function, store, emit, rows: payload } = self;
        let mut changes = Changes { store: *store, emit: *emit, out: only(outputs) };
        let retract = *payload == Payload::Change;
        let kept = if retract { Cow::Borrowed(rows) } else { wanted(rows, cx) };
        match function {
            Function::Count(format) => count::count(&kept, *format, *payload, cx, &mut changes),
            Function::Guest(caller) => guest::fold(&kept, caller, retract, cx, &mut changes),
        }
    }

    fn flush(&mut self, cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        if self.emit == Emit::EveryUpdate {
            return Ok(());
        }
        let out = only(outputs);
        let arena = &mut cx.turn.arena;
        let mut origin = 0;
        store_of(cx.stores, self.store).emit_pending(&mut |pending| {
            out.push(Row {
                timestamp: pending.timestamp,
                origin,
                path: crate::record::Path::ROOT,
                key: arena.copy(Some(pending.key)),
                value: arena.copy(pending.value),
                old: arena.copy(pending.old),
                headers: arena.copy(Some(pending.headers)),
            });
            origin += 1;
        });
        Ok(())
    }
}

/// The rows that an aggregate over a stream takes; counts the others.
fn wanted<'a>(rows: &'a [Row], cx: &mut Context<'_>) -> Cow<'a, [Row]> {
    let wanted = |row: &Row| !row.key.is_null() && !row.value.is_null();
    if rows.iter().all(wanted) {
        return Cow::Borrowed(rows);
    }
    let kept: Vec<Row> = rows.iter().filter(|row| wanted(row)).copied().collect();
    cx.effects.dropped += (rows.len() - kept.len()) as u64;
    Cow::Owned(kept)
}

/// Where an aggregate's changes go.
struct Changes<'a> {
    store: usize,
    emit: Emit,
    out: &'a mut Vec<Row>,
}

impl Changes<'_> {
    /// Hands on a change, or leaves it to the commit.
    fn push(&mut self, row: &Row, timestamp: Timestamp, value: Cell, old: Cell) {
        if self.emit == Emit::EveryUpdate {
            self.out.push(Row { timestamp, value, old, ..*row });
        }
    }
}

/// The timestamp of a state that a record changed.
fn advanced(before: Option<Timestamp>, record: Timestamp) -> Timestamp {
    before.map_or(record, |before| before.max(record))
}
