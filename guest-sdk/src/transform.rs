//! Stateless nodes: one a kind, over the user's function `F` and its parameters `P`.

use crate::bindings::imports::millstream::plugin::types::{Columns, Outcome};
use crate::field::{Done, Field, Pair, Verdict};
use crate::node::{Node, at_row};
use crate::record::{Out, Record, Rows};

/// `filter`.
pub struct FilterNode<P, F>(pub P, pub F);
/// `map-values`, `extract-topic`.
pub struct ValueNode<P, F>(pub P, pub F);
/// `select-key`.
pub struct KeyNode<P, F>(pub P, pub F);
/// `map`.
pub struct MapNode<P, F>(pub P, pub F);
/// `flat-map-values`; `flat-map` if the rows say their keys.
pub struct FlatNode<P, F>(pub P, pub F, pub bool);
/// `peek`.
pub struct EachNode<P, F>(pub P, pub F);

/// Room for the bytes of an outcome that is about as large as its input.
fn outcome(batch: &Columns, keyed: bool) -> Out {
    Out::new(keyed, batch.value_lengths.len(), batch.bytes.len())
}

/// Goes through a batch row by row.
fn each(batch: &Columns, mut out: Out, mut make: impl FnMut(&mut Out, Record<'_>) -> Result<(), String>) -> Outcome {
    for (row, record) in (0u32..).zip(Rows::new(batch)) {
        at_row(row);
        out.attempt(row, |out| make(out, record));
    }
    out.into_outcome()
}

impl<P, F, R: Verdict> Node for FilterNode<P, F>
where
    F: Fn(&P, Record<'_>) -> R,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, Out::new(false, batch.value_lengths.len(), 0), |out, record| {
            if (self.1)(&self.0, record).verdict()? {
                out.keep();
            }
            Ok(())
        })
    }
}

impl<P, F, R: Field> Node for ValueNode<P, F>
where
    F: Fn(&P, Record<'_>) -> R,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, outcome(batch, false), |out, record| out.row(|bytes| (self.1)(&self.0, record).write(bytes)))
    }
}

impl<P, F, R: Field> Node for KeyNode<P, F>
where
    F: Fn(&P, Record<'_>) -> R,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        let mut outcome =
            each(batch, outcome(batch, false), |out, record| out.row(|bytes| (self.1)(&self.0, record).write(bytes)));
        std::mem::swap(&mut outcome.key_lengths, &mut outcome.value_lengths);
        outcome
    }
}

impl<P, F, R: Pair> Node for MapNode<P, F>
where
    F: Fn(&P, Record<'_>) -> R,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, outcome(batch, true), |out, record| out.keyed_row(|bytes| (self.1)(&self.0, record).write(bytes)))
    }
}

impl<P, F, R: Done> Node for FlatNode<P, F>
where
    F: Fn(&P, Record<'_>, &mut Out) -> R,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, outcome(batch, self.2), |out, record| (self.1)(&self.0, record, out).done())
    }
}

impl<P, F, R: Done> Node for EachNode<P, F>
where
    F: Fn(&P, Record<'_>) -> R,
{
    fn transform(&mut self, batch: &Columns) -> Outcome {
        each(batch, Out::new(false, batch.value_lengths.len(), 0), |out, record| {
            (self.1)(&self.0, record).done()?;
            out.keep();
            Ok(())
        })
    }
}
