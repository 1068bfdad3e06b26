//! `aggregate`: states of the author's type, read once a call.

use super::slots::Slots;
use super::{Machine, Stored, run};
use crate::bindings::fold_part::exports::millstream::plugin::fold::{Folded, Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns};
use crate::node::Node;
use crate::{Failed, Record, Schema};

/// An aggregate over typed states. The host keeps the states; the window or session that one belongs to is the host's
/// business too.
pub trait Aggregate {
    /// What it keeps for a key. An `Option` can say that there is nothing to keep.
    type State: Stored + Clone;

    /// Name and version of the states' layout, so that a new version of the plugin is not given states that it would
    /// misread.
    const SCHEMA: Option<Schema> = None;
    /// Whether [`Aggregate::subtract`] is there.
    const SUBTRACTS: bool = false;
    /// Whether [`Aggregate::merge`] is there.
    const MERGES: bool = false;

    /// The state of a key that has none.
    fn initial(&self) -> Self::State;

    /// Adds a record.
    ///
    /// # Errors
    /// The record fails, and the state stays.
    fn add(&self, state: &mut Self::State, record: Record<'_>) -> Result<(), Failed>;

    /// Takes a record off again: aggregates of tables.
    ///
    /// # Errors
    /// The record fails, and the state stays.
    fn subtract(&self, _state: &mut Self::State, _record: Record<'_>) -> Result<(), Failed> {
        Err("this aggregate cannot subtract".into())
    }

    /// Takes in the state of a later session of the same key.
    ///
    /// # Errors
    /// The record fails that made the sessions one, and the states stay.
    fn merge(&self, _key: Option<&[u8]>, _state: &mut Self::State, _later: Self::State) -> Result<(), Failed> {
        Err("this aggregate cannot merge".into())
    }
}

/// One use of an aggregate.
pub struct AggregateNode<A>(pub A);

impl<A: Aggregate> Node for AggregateNode<A> {
    fn fold(&mut self, batch: &Columns, states: &Cells, steps: &Steps, reply: Reply) -> Folded {
        let known = vec![None; states.lengths.len()];
        run(batch, states, steps, reply, &mut Typed { aggregate: &self.0, known })
    }
}

/// The states that were read already.
struct Typed<'a, A: Aggregate> {
    aggregate: &'a A,
    known: Vec<Option<A::State>>,
}

impl<A: Aggregate> Typed<'_, A> {
    /// A slot's state, taken out.
    fn take(&mut self, slots: &Slots<'_>, slot: usize) -> Result<A::State, Failed> {
        match (self.known[slot].take(), slots.get(slot)) {
            (Some(state), _) => Ok(state),
            (None, Some(bytes)) => A::State::load(bytes),
            (None, None) => Ok(self.aggregate.initial()),
        }
    }

    /// Changes a slot's state. If that fails, it can be read again from where it lies, or it is put back.
    fn change(
        &mut self,
        slots: &mut Slots<'_>,
        slot: usize,
        change: impl FnOnce(&mut Self, &mut A::State) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let kept = if slots.is_nowhere(slot) { self.known[slot].clone() } else { None };
        let mut state = self.take(slots, slot)?;
        if let Err(failed) = change(self, &mut state) {
            self.known[slot] = kept;
            return Err(failed);
        }
        self.put(slots, slot, state);
        Ok(())
    }

    fn put(&mut self, slots: &mut Slots<'_>, slot: usize, state: A::State) {
        if state.is_null() {
            slots.empty(slot);
            self.known[slot] = None;
        } else {
            slots.nowhere(slot);
            self.known[slot] = Some(state);
        }
    }
}

impl<A: Aggregate> Machine for Typed<'_, A> {
    fn add(&mut self, slots: &mut Slots<'_>, slot: usize, record: Record<'_>) -> Result<(), Failed> {
        self.change(slots, slot, |this, state| this.aggregate.add(state, record))
    }

    fn subtract(&mut self, slots: &mut Slots<'_>, slot: usize, record: Record<'_>) -> Result<(), Failed> {
        self.change(slots, slot, |this, state| this.aggregate.subtract(state, record))
    }

    fn merge(&mut self, slots: &mut Slots<'_>, slot: usize, later: usize, key: Option<&[u8]>) -> Result<(), Failed> {
        let taken = match &self.known[later] {
            Some(state) => state.clone(),
            None => self.take(slots, later)?,
        };
        self.change(slots, slot, |this, state| this.aggregate.merge(key, state, taken))
    }

    fn begin(&mut self, slots: &mut Slots<'_>, slot: usize) {
        let initial = self.aggregate.initial();
        self.put(slots, slot, initial);
    }

    fn copied(&mut self, slot: usize, from: usize) {
        self.known[slot] = self.known[from].clone();
    }

    fn forget(&mut self, slot: usize) {
        self.known[slot] = None;
    }

    fn write(&mut self, slots: &mut Slots<'_>, slot: usize) -> Result<(), Failed> {
        if let Some(state) = self.known[slot].as_ref().filter(|_| slots.is_nowhere(slot)) {
            let start = slots.buffer().len();
            state.store(slots.buffer())?;
            slots.written(slot, start);
        }
        Ok(())
    }
}
