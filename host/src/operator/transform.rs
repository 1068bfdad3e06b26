//! Stateless operators over streams.

use super::call::Answer;
use super::{Caller, Context, Operator, Stop, only};
use crate::record::Row;
use crate::topology::plan::TransformKind;

/// `filter`, `map-values` and their kin.
pub struct Transform {
    kind: TransformKind,
    caller: Caller,
}

impl Transform {
    /// An operator of this kind that calls the user's function.
    pub fn new(kind: TransformKind, caller: Caller) -> Self {
        Self { kind, caller }
    }
}

impl Operator for Transform {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let mut answer = self.caller.transform(rows, cx)?;
        let out = only(outputs);
        match self.kind {
            TransformKind::FilterNot => {
                let mut kept = answer.sources.iter().peekable();
                for (index, row) in (0u32..).zip(rows) {
                    while kept.next_if(|source| **source < index).is_some() {}
                    if kept.peek() != Some(&&index) && !answer.has_failed(index) {
                        out.push(*row);
                    }
                }
            }
            TransformKind::Peek => {
                out.extend((0u32..).zip(rows).filter(|(index, _)| !answer.has_failed(*index)).map(|(_, row)| *row));
            }
            TransformKind::MapValues | TransformKind::FlatMapValues => {
                if answer.rekeyed {
                    keep_keys(&mut answer, rows);
                }
                hand_on(answer.rows, out);
            }
            TransformKind::Filter | TransformKind::Map | TransformKind::FlatMap | TransformKind::SelectKey => {
                hand_on(answer.rows, out);
            }
        }
        Ok(())
    }
}

/// Hands all rows on; moved if they are the first.
fn hand_on(rows: Vec<Row>, out: &mut Vec<Row>) {
    if out.is_empty() {
        *out = rows;
    } else {
        out.extend(rows);
    }
}

/// Gives the rows their inputs' keys: what an operator on values returns for keys does not count, or records would end
/// up in a partition that is not theirs.
fn keep_keys(answer: &mut Answer, inputs: &[Row]) {
    for (source, row) in answer.sources.iter().zip(&mut answer.rows) {
        if let Some(input) = inputs.get(*source as usize) {
            row.key = input.key;
        }
    }
}
