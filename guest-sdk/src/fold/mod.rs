//! Folds: aggregates and reducers over the states that the host keeps.

mod aggregate;
mod reduce;
mod slots;
mod stored;
#[cfg(test)]
mod tests;

use crate::Failed;
use crate::bindings::fold_part::exports::millstream::plugin::fold::{Folded, Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns, Failure};
use crate::node::at_row;
use crate::record::{Record, Rows};
use slots::Slots;

pub use aggregate::{Aggregate, AggregateNode};
pub use reduce::NoSubtract;
pub use stored::Stored;

/// Steps of the contract.
mod action {
    pub(super) const ADD: u8 = 0;
    pub(super) const SUBTRACT: u8 = 1;
    pub(super) const MERGE: u8 = 2;
    pub(super) const COPY: u8 = 3;
    pub(super) const BEGIN: u8 = 4;
}

/// What a fold does to a slot. A step that fails leaves the slot as it was.
trait Machine {
    /// Adds a record.
    fn add(&mut self, slots: &mut Slots<'_>, slot: usize, record: Record<'_>) -> Result<(), Failed>;

    /// Takes a record off; the slot is not null.
    fn subtract(&mut self, slots: &mut Slots<'_>, slot: usize, record: Record<'_>) -> Result<(), Failed>;

    /// Takes a later slot's state in; it is not null.
    fn merge(&mut self, slots: &mut Slots<'_>, slot: usize, later: usize, key: Option<&[u8]>) -> Result<(), Failed>;

    /// Puts the initial value.
    fn begin(&mut self, slots: &mut Slots<'_>, slot: usize);

    /// The slot has become what another is.
    fn copied(&mut self, _slot: usize, _from: usize) {}

    /// What the machine has of a slot is void.
    fn forget(&mut self, _slot: usize) {}

    /// Writes the state of a slot that is nowhere yet.
    fn write(&mut self, _slots: &mut Slots<'_>, _slot: usize) -> Result<(), Failed> {
        Ok(())
    }
}

/// Goes through the steps.
fn run(batch: &Columns, states: &Cells, steps: &Steps, reply: Reply, machine: &mut impl Machine) -> Folded {
    let records: Vec<Record<'_>> = Rows::new(batch).collect();
    let every = matches!(reply, Reply::Every);
    let mut slots = Slots::new(states, every.then_some(steps.slots.len()));
    let mut failures = Vec::new();
    for (step, slot) in (0u32..).zip(&steps.slots) {
        at_row(step);
        let slot = *slot as usize;
        let before = slots.mark(slot);
        let mut done = take(step, slot, &records, steps, &mut slots, machine);
        if every
            && done.is_ok()
            && let Err(failed) = machine.write(&mut slots, slot)
        {
            machine.forget(slot);
            done = Err(failed);
        }
        match done {
            Ok(merged) => {
                if every {
                    slots.answer(slot, &before);
                }
                if let Some(merged) = merged {
                    slots.empty(merged);
                    machine.forget(merged);
                }
            }
            Err(failed) => {
                slots.restore(slot, before);
                failures.push(failed.at(step));
            }
        }
    }
    if every {
        return Folded { states: slots.into_steps(), failures };
    }
    last(slots, machine, steps, failures)
}

/// Takes one step; gives the slot that was merged, and is null from now on.
fn take(
    step: u32,
    slot: usize,
    records: &[Record<'_>],
    steps: &Steps,
    slots: &mut Slots<'_>,
    machine: &mut impl Machine,
) -> Result<Option<usize>, Failed> {
    let place = step as usize;
    let argument = steps.arguments.get(place).copied().unwrap_or(step) as usize;
    match steps.actions.get(place).copied().unwrap_or(action::ADD) {
        action::ADD => machine.add(slots, slot, records[argument])?,
        action::SUBTRACT if slots.is_null(slot) => {}
        action::SUBTRACT => machine.subtract(slots, slot, records[argument])?,
        action::MERGE if slots.is_null(argument) => {}
        action::MERGE => {
            machine.merge(slots, slot, argument, key_of_next(place, records, steps))?;
            return Ok(Some(argument));
        }
        action::COPY => {
            machine.write(slots, argument)?;
            slots.copy(slot, argument);
            machine.copied(slot, argument);
        }
        action::BEGIN => machine.begin(slots, slot),
        other => panic!("the host asks for action {other}, which this SDK does not know"),
    }
    Ok(None)
}

/// The key for which a merge is made: that of the next row that is added.
fn key_of_next<'a>(place: usize, records: &[Record<'a>], steps: &Steps) -> Option<&'a [u8]> {
    let rest = steps.actions.get(place..)?;
    let next = place + rest.iter().position(|action| *action == action::ADD)?;
    records.get(*steps.arguments.get(next)? as usize)?.key
}

/// The states after the last step. One that cannot be written stays as it was, and the last step on it fails.
fn last(mut slots: Slots<'_>, machine: &mut impl Machine, steps: &Steps, mut failures: Vec<Failure>) -> Folded {
    for slot in 0..slots.len() {
        let before = slots.mark(slot);
        if let Err(failed) = machine.write(&mut slots, slot) {
            slots.revert(slot, before);
            let step = steps.slots.iter().rposition(|found| *found as usize == slot).unwrap_or_default() as u32;
            if let Err(at) = failures.binary_search_by_key(&step, |failure| failure.row) {
                failures.insert(at, failed.at(step));
            }
        }
    }
    Folded { states: slots.into_slots(), failures }
}
