//! What a turn takes: the next records of the inputs, lowest timestamp first, and the rows that they become.

use super::origins::row_of;
use super::{Input, TURN_BYTES_MAX, Task};
use crate::operator::Stop;
use crate::record::{Cell, Offset, Row, TopicPartition, Turn, change, counted};
use crate::topology::plan::Payload;
use std::sync::Arc;

impl Task {
    /// Forgets the turn before.
    pub(super) fn begin(&mut self) {
        self.turn.clear();
        self.origins.clear();
        self.outputs.iter_mut().flatten().for_each(Vec::clear);
    }

    /// Chooses the records of a turn and makes rows of them.
    pub(super) fn gather(&mut self) -> Result<usize, Stop> {
        self.begin();
        let mut bytes = 0;
        while self.origins.len() < self.turn_rows_max && bytes < TURN_BYTES_MAX {
            let Some((index, until)) = self.choose() else { break };
            bytes += self.take(index, until, bytes)?;
        }
        Ok(bytes)
    }

    /// The input whose head record has the lowest timestamp, and the timestamp up to which it may go on before another
    /// input's turn comes. None while an input is behind: its next record may have a lower timestamp still.
    fn choose(&self) -> Option<(usize, i64)> {
        if self.inputs.iter().any(Input::is_behind) {
            return None;
        }
        let mut best: Option<(usize, i64)> = None;
        let mut until = i64::MAX;
        for (index, input) in self.inputs.iter().enumerate() {
            let Some(head) = input.head() else { continue };
            match best {
                Some((_, lowest)) if lowest <= head => until = until.min(head),
                _ => {
                    until = best.map_or(until, |(_, lowest)| until.min(lowest.saturating_sub(1)));
                    best = Some((index, head));
                }
            }
        }
        best.map(|(index, _)| (index, until))
    }

    /// Takes records of one batch of an input, as long as their timestamps allow.
    #[expect(clippy::indexing_slicing, reason = "choose gives an index of inputs, and outputs has an entry a step")]
    fn take(&mut self, index: usize, until: i64, taken: usize) -> Result<usize, Stop> {
        let input = &mut self.inputs[index];
        let Some(load) = input.load() else { return Ok(0) };
        let chunk = self.turn.arena.share(Arc::clone(&load.bytes));
        let rows = &mut self.outputs[input.step][0];
        let first = self.origins.len();
        let (mut count, mut bytes) = (0, 0);
        for record in load.waiting().iter().take(self.turn_rows_max - first) {
            if taken + bytes >= TURN_BYTES_MAX || record.timestamp > until {
                break;
            }
            if record.timestamp < 0 {
                let (partition, offset) = (input.partition.clone(), record.offset);
                return Err(Stop::Timestamp { partition, offset, timestamp: record.timestamp });
            }
            #[expect(clippy::cast_possible_truncation, reason = "bounded by TURN_ROWS_MAX")]
            let row = row_of(record, chunk, (first + count) as u32);
            bytes += row.key.len() + row.value.len() + row.headers.len();
            count += 1;
            rows.push(match input.payload {
                Payload::Plain => row,
                Payload::Change => changed(row, &self.turn)
                    .ok_or_else(|| damaged(&input.partition, record.offset, "change of a table"))?,
                Payload::Count => counted(row, &self.turn)
                    .ok_or_else(|| damaged(&input.partition, record.offset, "number of records"))?,
            });
        }
        self.origins.add(&input.partition, chunk, &load.records, load.taken, count);
        input.advance(count);
        Ok(bytes)
    }
}

/// A row whose value is a change, taken apart.
fn changed(row: Row, turn: &Turn) -> Option<Row> {
    let (new, old) = change::cells(row.value, &turn.arena)?;
    Some(Row { value: new, old, ..row })
}

/// A row that stands for several records: their number takes the place of an old value.
fn counted(row: Row, turn: &Turn) -> Option<Row> {
    counted::number(turn.arena.get(row.value)?)?;
    Some(Row { value: Cell::EMPTY, old: row.value, ..row })
}

fn damaged(partition: &TopicPartition, offset: Offset, wanted: &str) -> Stop {
    Stop::Damaged { partition: partition.clone(), reason: format!("the record at offset {offset} is no {wanted}") }
}
