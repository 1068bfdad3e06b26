//! Folds: aggregates and reducers over the states that the host keeps.

use crate::bindings::fold_part::exports::millstream::plugin::fold::{Folded, Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns, Failure};
use crate::field::{Field, NULL, SAME};
use crate::node::{Node, at_row};
use crate::record::{Record, Rows};

/// An aggregate over typed states.
pub trait Aggregate: Sized {
    /// What it keeps for a key.
    type State;

    /// The state of a key that has none.
    fn initial(&self) -> Self::State;

    /// Adds a record.
    ///
    /// # Errors
    /// The record fails, and the state stays.
    fn add(&self, state: &mut Self::State, record: Record<'_>) -> Result<(), String>;

    /// Takes a record off again, for tables.
    ///
    /// # Errors
    /// The record fails, and the state stays.
    fn subtract(&self, _state: &mut Self::State, _record: Record<'_>) -> Result<(), String> {
        Err("this aggregate cannot subtract".into())
    }

    /// Takes a later session's state in.
    ///
    /// # Errors
    /// The record fails, and the states stay.
    fn merge(&self, _state: &mut Self::State, _later: Self::State) -> Result<(), String> {
        Err("this aggregate cannot merge".into())
    }

    /// Reads a state.
    ///
    /// # Errors
    /// If the bytes are none.
    fn decode(&self, bytes: &[u8]) -> Result<Self::State, String>;

    /// Appends a state; says whether there is one: false deletes it.
    fn encode(&self, state: &Self::State, bytes: &mut Vec<u8>) -> bool;
}

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is added.
    Add,
    /// It is taken off.
    Subtract,
}

/// What a raw fold is asked: the state now, and what is done with which record.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The state; none: there is none yet.
    pub state: Option<&'a [u8]>,
    /// What is done.
    pub action: Action,
    /// The record.
    pub record: Record<'a>,
}

/// `aggregate` by a type that is an [`Aggregate`].
pub struct AggregateNode<A>(pub A);
/// `aggregate` by a function from a [`Change`] to the new state.
pub struct FoldNode<P, F>(pub P, pub F);
/// `reduce` by a function of the aggregate and the next value.
pub struct ReduceNode<P, F>(pub P, pub F);

/// A state while the steps are gone through; none: there is none.
type State = Option<Vec<u8>>;

fn split(cells: &Cells) -> Vec<State> {
    let mut at = 0;
    let cell = |length: &u32| {
        (*length != NULL).then(|| {
            let start = at;
            at += *length as usize;
            cells.bytes.get(start..at).unwrap_or_default().to_vec()
        })
    };
    cells.lengths.iter().map(cell).collect()
}

/// Goes through the steps. `step` changes a state in place and leaves it alone if it fails.
fn run(
    batch: &Columns,
    states: &Cells,
    steps: &Steps,
    reply: Reply,
    mut step: impl FnMut(&mut State, Action, Record<'_>) -> Result<(), String>,
    mut merge: impl FnMut(&mut State, State) -> Result<(), String>,
) -> Folded {
    let records: Vec<Record<'_>> = Rows::new(batch).collect();
    let mut states = split(states);
    let mut answer = Cells { lengths: Vec::with_capacity(steps.slots.len()), bytes: Vec::new() };
    let mut failures = Vec::new();
    for (index, slot) in (0u32..).zip(&steps.slots) {
        at_row(index);
        let place = index as usize;
        let argument = steps.arguments.get(place).copied().unwrap_or(index) as usize;
        let slot = *slot as usize;
        let done = match steps.actions.get(place).copied().unwrap_or(0) {
            2 => {
                let later = states[argument].take();
                merge(&mut states[slot], later)
            }
            1 if states[slot].is_none() => Ok(()),
            action => {
                step(&mut states[slot], if action == 1 { Action::Subtract } else { Action::Add }, records[argument])
            }
        };
        let failed = done.is_err();
        failures.extend(done.err().map(|reason| Failure { row: index, class: String::new(), reason }));
        if matches!(reply, Reply::Every) {
            push(&mut answer, if failed { None } else { Some(&states[slot]) });
        }
    }
    if matches!(reply, Reply::Last) {
        states.iter().for_each(|state| push(&mut answer, Some(state)));
    }
    Folded { states: answer, failures }
}

/// Appends a state; none: as before.
fn push(cells: &mut Cells, state: Option<&State>) {
    cells.lengths.push(match state {
        None => SAME,
        Some(None) => NULL,
        Some(Some(state)) => {
            cells.bytes.extend_from_slice(state);
            state.len() as u32
        }
    });
}

impl<A: Aggregate> Node for AggregateNode<A> {
    fn fold(&mut self, batch: &Columns, states: Cells, steps: &Steps, reply: Reply) -> Folded {
        let aggregate = &self.0;
        let read =
            |state: &State| state.as_deref().map_or_else(|| Ok(aggregate.initial()), |bytes| aggregate.decode(bytes));
        let write = |state: &mut State, new: &A::State| {
            let mut bytes = Vec::new();
            *state = aggregate.encode(new, &mut bytes).then_some(bytes);
        };
        let step = |state: &mut State, action: Action, record: Record<'_>| {
            let mut new = read(state)?;
            match action {
                Action::Add => aggregate.add(&mut new, record)?,
                Action::Subtract => aggregate.subtract(&mut new, record)?,
            }
            write(state, &new);
            Ok(())
        };
        let merge = |state: &mut State, later: State| {
            let mut new = read(state)?;
            aggregate.merge(&mut new, read(&later)?)?;
            write(state, &new);
            Ok(())
        };
        run(batch, &states, steps, reply, step, merge)
    }
}

/// Puts a returned field in a state's place.
fn replace(state: &mut State, field: impl Field) -> Result<(), String> {
    let mut bytes = Vec::new();
    let length = field.write(&mut bytes)?;
    *state = (length != NULL).then_some(bytes);
    Ok(())
}

impl<P, F, R: Field> Node for FoldNode<P, F>
where
    F: Fn(&P, Change<'_>) -> R,
{
    fn fold(&mut self, batch: &Columns, states: Cells, steps: &Steps, reply: Reply) -> Folded {
        let step = |state: &mut State, action: Action, record: Record<'_>| {
            let new = (self.1)(&self.0, Change { state: state.as_deref(), action, record });
            let mut bytes = Vec::new();
            let length = new.write(&mut bytes)?;
            *state = (length != NULL).then_some(bytes);
            Ok(())
        };
        run(batch, &states, steps, reply, step, |_, _| Err("this aggregate cannot merge".into()))
    }
}

impl<P, F, R: Field> Node for ReduceNode<P, F>
where
    F: Fn(&P, &[u8], Option<&[u8]>, Action) -> R,
{
    fn fold(&mut self, batch: &Columns, states: Cells, steps: &Steps, reply: Reply) -> Folded {
        let step = |state: &mut State, action: Action, record: Record<'_>| match state.take() {
            None => replace(state, record.value),
            Some(old) => {
                let result = replace(state, (self.1)(&self.0, &old, record.value, action));
                if result.is_err() {
                    *state = Some(old);
                }
                result
            }
        };
        let merge = |state: &mut State, later: State| match state.take() {
            None => replace(state, later),
            Some(old) => replace(state, (self.1)(&self.0, &old, later.as_deref(), Action::Add)),
        };
        run(batch, &states, steps, reply, step, merge)
    }
}
