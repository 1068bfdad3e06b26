//! `reduce`: states are values, and no state is ever null.

use super::slots::Slots;
use super::{Machine, run};
use crate::bindings::fold_part::exports::millstream::plugin::fold::{Folded, Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns};
use crate::function::Function;
use crate::node::{Call, Node, kind};
use crate::{Failed, Field, Record};

/// Stands for the function that takes a value off again, where there is none.
pub struct NoSubtract;

impl<'a, P> Function<'a, P, (&'a [u8], Option<&'a [u8]>)> for NoSubtract {
    type Returned = Result<&'a [u8], Failed>;

    fn call(&self, _params: &'a P, _arguments: (&'a [u8], Option<&'a [u8]>)) -> Self::Returned {
        Err("this reducer cannot subtract".into())
    }
}

impl<P, F, S> Node for Call<kind::Reduce, P, (F, S)>
where
    F: for<'a> Function<'a, P, (&'a [u8], Option<&'a [u8]>), Returned: Field>,
    S: for<'a> Function<'a, P, (&'a [u8], Option<&'a [u8]>), Returned: Field>,
{
    fn fold(&mut self, batch: &Columns, states: &Cells, steps: &Steps, reply: Reply) -> Folded {
        let (params, (add, subtract)) = (&self.params, &self.function);
        run(batch, states, steps, reply, &mut Values { params, add, subtract, scratch: Vec::new() })
    }
}

struct Values<'a, P, F, S> {
    params: &'a P,
    add: &'a F,
    subtract: &'a S,
    /// Where a new value is put together, for the old one may be part of it.
    scratch: Vec<u8>,
}

/// Writes what a function makes of a state and a value; says whether it is there: false is null.
fn compute<P, G>(
    params: &P,
    state: Option<&[u8]>,
    value: Option<&[u8]>,
    function: &G,
    bytes: &mut Vec<u8>,
) -> Result<bool, Failed>
where
    G: for<'a> Function<'a, P, (&'a [u8], Option<&'a [u8]>), Returned: Field>,
{
    bytes.clear();
    function.call(params, (state.unwrap_or_default(), value)).write(bytes)
}

impl<P, F, S> Values<'_, P, F, S> {
    /// What lies in the scratch is the slot's state.
    fn put(&mut self, slots: &mut Slots<'_>, slot: usize, there: bool) {
        if !there {
            return slots.empty(slot);
        }
        let start = slots.buffer().len();
        slots.buffer().extend_from_slice(&self.scratch);
        slots.written(slot, start);
    }
}

impl<P, F, S> Machine for Values<'_, P, F, S>
where
    F: for<'a> Function<'a, P, (&'a [u8], Option<&'a [u8]>), Returned: Field>,
    S: for<'a> Function<'a, P, (&'a [u8], Option<&'a [u8]>), Returned: Field>,
{
    fn add(&mut self, slots: &mut Slots<'_>, slot: usize, record: Record<'_>) -> Result<(), Failed> {
        let there = if slots.is_null(slot) {
            self.scratch.clear();
            self.scratch.extend_from_slice(record.value.unwrap_or_default());
            record.value.is_some()
        } else {
            compute(self.params, slots.get(slot), record.value, self.add, &mut self.scratch)?
        };
        self.put(slots, slot, there);
        Ok(())
    }

    fn subtract(&mut self, slots: &mut Slots<'_>, slot: usize, record: Record<'_>) -> Result<(), Failed> {
        let there = compute(self.params, slots.get(slot), record.value, self.subtract, &mut self.scratch)?;
        self.put(slots, slot, there);
        Ok(())
    }

    fn merge(&mut self, slots: &mut Slots<'_>, slot: usize, later: usize, _key: Option<&[u8]>) -> Result<(), Failed> {
        if slots.is_null(slot) {
            slots.copy(slot, later);
            return Ok(());
        }
        let there = compute(self.params, slots.get(slot), slots.get(later), self.add, &mut self.scratch)?;
        self.put(slots, slot, there);
        Ok(())
    }

    fn begin(&mut self, slots: &mut Slots<'_>, slot: usize) {
        slots.empty(slot);
    }
}
