//! A step of a task, and the rows that reach it.

use crate::operator::Operator;
use crate::record::{Row, Turn};
use crate::topology::plan::Input as From;
use std::borrow::Cow;

/// A step at its place.
pub(super) struct Step {
    pub(super) operator: Box<dyn Operator>,
    pub(super) inputs: Vec<From>,
    /// For each output how many steps read it, so that rows that go several ways learn which one they went.
    pub(super) readers: Vec<u32>,
    /// Whether its rows go to one of several outputs, so that their places must be noted before.
    pub(super) splits: bool,
}

/// The rows that reach step `index`, in the order in which one record at a time would have brought them. Where an
/// output has several readers, and where rows are spread over several outputs, each row notes which way it goes; where
/// there is nothing to note and nothing to merge, the rows are read where they lie.
#[expect(clippy::indexing_slicing, reason = "the plan's inputs name earlier steps and their outputs")]
pub(super) fn arriving<'a>(
    steps: &[Step],
    index: usize,
    before: &'a [Vec<Vec<Row>>],
    meets: bool,
    turn: &mut Turn,
) -> Cow<'a, [Row]> {
    let step = &steps[index];
    let spreads = |input: &From| meets && steps[input.step].readers[input.output] > 1;
    if let [input] = step.inputs.as_slice()
        && !spreads(input)
        && !(meets && step.splits)
    {
        return Cow::Borrowed(&before[input.step][input.output]);
    }
    let mut rows = Vec::new();
    for input in &step.inputs {
        let from = rows.len();
        rows.extend_from_slice(&before[input.step][input.output]);
        if spreads(input) {
            note_way(&mut rows[from..], index, turn);
        }
    }
    if step.inputs.len() > 1 {
        turn.sort(&mut rows);
    }
    if meets && step.splits {
        note_way(&mut rows, index, turn);
    }
    Cow::Owned(rows)
}

/// Notes that these rows, the whole output of a step, go to step `reader`.
#[expect(clippy::cast_possible_truncation, reason = "a turn has far fewer than 2^32 rows, a plan fewer steps")]
fn note_way(rows: &mut [Row], reader: usize, turn: &mut Turn) {
    for (place, row) in rows.iter_mut().enumerate() {
        row.path = turn.paths.step(row.path, place as u32, reader as u32);
    }
}
