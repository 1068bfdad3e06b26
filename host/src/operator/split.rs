//! `split`: each row goes to the first branch whose predicate says yes.

use super::{Caller, Context, Operator, Stop};
use crate::record::Row;

/// One predicate a branch; rows that no branch wants go to the default branch, if there is one.
pub struct Split {
    predicates: Vec<Caller>,
    default: bool,
}

impl Split {
    /// A split with these predicates, in this order.
    pub fn new(predicates: Vec<Caller>, default: bool) -> Self {
        Self { predicates, default }
    }
}

impl Operator for Split {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let mut rest = rows.to_vec();
        let (branches, default) = outputs.split_at_mut(self.predicates.len().min(outputs.len()));
        for (predicate, output) in self.predicates.iter_mut().zip(branches) {
            let answer = predicate.transform(&rest, cx)?;
            let mut chosen = answer.sources.iter().copied().peekable();
            let mut left = Vec::with_capacity(rest.len());
            for (index, row) in (0u32..).zip(&rest) {
                if chosen.next_if_eq(&index).is_some() {
                    output.push(*row);
                } else if !answer.has_failed(index) {
                    left.push(*row);
                }
            }
            rest = left;
        }
        if self.default
            && let Some(output) = default.first_mut()
        {
            output.append(&mut rest);
        }
        Ok(())
    }
}
