//! Joiners: one value from the two sides of a match.

use crate::bindings::imports::millstream::plugin::types::{Columns, Outcome};
use crate::bindings::join_part::exports::millstream::plugin::join::Pairs;
use crate::field::Field;
use crate::function::Function;
use crate::node::{Call, Node, at_row, kind};
use crate::out::Out;
use crate::record::{Record, Rows};

/// Index of a side that has no match.
const NO_MATCH: u32 = 0xffff_ffff;

fn side<'a>(rows: &[Record<'a>], row: u32) -> Option<Record<'a>> {
    (row != NO_MATCH).then(|| rows[row as usize])
}

impl<P, F> Node for Call<kind::Join, P, F>
where
    F: for<'a> Function<'a, P, (Option<Record<'a>>, Option<Record<'a>>), Returned: Field>,
{
    fn join(&mut self, left: &Columns, right: &Columns, pairs: &Pairs) -> Outcome {
        let lefts: Vec<Record<'_>> = Rows::new(left).collect();
        let rights: Vec<Record<'_>> = Rows::new(right).collect();
        let mut out = Out::new(pairs.left.len(), left.bytes.len() + right.bytes.len(), &[]);
        for (pair, (left, right)) in (0u32..).zip(pairs.left.iter().zip(&pairs.right)) {
            at_row(pair);
            let sides = (side(&lefts, *left), side(&rights, *right));
            out.attempt(pair, Record::default(), false, |out| out.try_value(self.function.call(&self.params, sides)));
        }
        out.into_outcome()
    }
}
