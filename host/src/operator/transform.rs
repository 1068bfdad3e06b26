//! Stateless operators over streams.

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
        let answer = self.caller.transform(rows, cx)?;
        let out = only(outputs);
        match self.kind {
            TransformKind::FilterNot => {
                let mut kept = answer.rows.iter().map(|(source, _)| *source).peekable();
                for (index, row) in (0u32..).zip(rows) {
                    while kept.next_if(|source| *source < index).is_some() {}
                    if kept.peek() != Some(&index) && !answer.has_failed(index) {
                        out.push(*row);
                    }
                }
            }
            TransformKind::Peek => {
                out.extend((0u32..).zip(rows).filter(|(index, _)| !answer.has_failed(*index)).map(|(_, row)| *row));
            }
            TransformKind::MapValues | TransformKind::FlatMapValues => {
                out.extend(answer.rows.iter().map(|(source, row)| keyed_as(row, rows.get(*source as usize))));
            }
            TransformKind::Filter | TransformKind::Map | TransformKind::FlatMap | TransformKind::SelectKey => {
                out.extend(answer.rows.iter().map(|(_, row)| *row));
            }
        }
        Ok(())
    }
}

/// The row with its input's key: what an operator on values returns for keys does not count, or records would end up
/// in a partition that is not theirs.
fn keyed_as(row: &Row, input: Option<&Row>) -> Row {
    Row { key: input.map_or(row.key, |input| input.key), ..*row }
}
