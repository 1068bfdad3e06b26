//! `group-by` over a table: a change moves between groups.

use super::table::Sides;
use super::{Caller, Context, Operator, Stop, only};
use crate::record::{Cell, Row, Turn};

/// Maps both sides of each change to their groups. If both are in one group it stays one change, else the old group
/// hears of it first (KIP-904). A side whose mapped key or value is null is left out, silently.
pub struct GroupTable {
    caller: Option<Caller>,
}

impl GroupTable {
    /// With the mapper of key and value; none: every row is its own group.
    pub fn new(caller: Option<Caller>) -> Self {
        Self { caller }
    }
}

/// A mapped side: group and value.
type Mapped = Option<(Cell, Cell)>;

impl Operator for GroupTable {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let sides = Sides::of(rows, true);
        let mut mapped: Vec<Mapped> = vec![None; sides.rows.len()];
        let mut failed = Vec::new();
        match &mut self.caller {
            None => mapped = sides.rows.iter().map(|row| Some((row.key, row.value))).collect(),
            Some(caller) => {
                let answer = caller.transform(&sides.rows, cx)?;
                for (source, row) in answer.sources.iter().zip(&answer.rows) {
                    if let Some(place) = mapped.get_mut(*source as usize) {
                        *place = Some((row.key, row.value)).filter(|(key, value)| !key.is_null() && !value.is_null());
                    }
                }
                failed = answer.failed;
            }
        }
        let out = only(outputs);
        for (row, side) in rows.iter().zip(&sides.places) {
            if !side.failed(&failed) {
                let find = |place: Option<u32>| place.and_then(|place| mapped.get(place as usize).copied().flatten());
                regroup(row, find(side.new), find(side.old), cx.turn, out);
            }
        }
        Ok(())
    }
}

fn regroup(row: &Row, new: Mapped, old: Mapped, turn: &Turn, out: &mut Vec<Row>) {
    let change = |key, value, old| Row { key, value, old, ..*row };
    match (new, old) {
        (Some((group, value)), Some((before, old))) if turn.arena.get(group) == turn.arena.get(before) => {
            out.push(change(group, value, old));
        }
        (new, old) => {
            out.extend(old.map(|(group, old)| change(group, Cell::NULL, old)));
            out.extend(new.map(|(group, value)| change(group, value, Cell::NULL)));
        }
    }
}
