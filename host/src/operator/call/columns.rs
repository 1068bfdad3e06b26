//! Rows as the columns of a call, and what it answers as rows.

use super::{Answer, index};
use crate::plugin::port::{Columns, Failure, Fields, NULL, Outcome, SAME, SAME_TIMESTAMP};
use crate::record::{Arena, Cell, Chunk, Row, headers};

/// Packs rows into columns; only the fields that the operator reads.
pub(in crate::operator) fn pack(rows: &[Row], reads: Fields, arena: &mut Arena, columns: &mut Columns) {
    columns.clear();
    if reads.timestamp {
        columns.timestamps.extend(rows.iter().map(|row| row.timestamp));
    }
    columns.value_lengths.reserve(rows.len());
    columns.fields.reserve(2 * rows.len());
    let mut block = Vec::new();
    let headers = reads.headers && rows.iter().any(|row| !row.headers.is_empty());
    for row in rows {
        if reads.key {
            let length = columns.push(row.key);
            columns.key_lengths.push(length);
        }
        let length = columns.push(if reads.value { row.value } else { Cell::EMPTY });
        columns.value_lengths.push(length);
        if headers {
            block.clear();
            headers::to_block(arena.bytes(row.headers), &mut block);
            let length = columns.push(arena.copy(Some(&block)));
            columns.header_lengths.push(length);
        }
    }
}

/// Turns a checked outcome into rows, each derived from its input row; returns the failures.
pub(super) fn unpack(
    outcome: Outcome,
    batch: &[Row],
    start: usize,
    arena: &mut Arena,
    answer: &mut Answer,
) -> Vec<Failure> {
    let Outcome { sources, routes: _, timestamps, key_lengths, value_lengths, header_lengths, bytes, failures } =
        outcome;
    let chunk = arena.push(bytes);
    let mut at = 0;
    answer.rekeyed |= !key_lengths.is_empty();
    answer.rows.reserve(sources.len());
    answer.sources.reserve(sources.len());
    let lengths = [&key_lengths, &value_lengths, &header_lengths];
    if timestamps.is_empty() && lengths.iter().all(|lengths| lengths.is_empty()) {
        // As of a filter: rows as they were.
        answer.rows.extend(sources.iter().filter_map(|source| batch.get(*source as usize)));
        answer.sources.extend(sources.iter().map(|source| index(start) + source));
        return failures;
    }
    for (place, source) in sources.iter().enumerate() {
        let Some(mut row) = batch.get(*source as usize).copied() else { continue };
        if let Some(timestamp) = timestamps.get(place).filter(|timestamp| **timestamp != SAME_TIMESTAMP) {
            row.timestamp = *timestamp;
        }
        replace(&mut row.key, key_lengths.get(place), chunk, &mut at);
        replace(&mut row.value, value_lengths.get(place), chunk, &mut at);
        let mut block = Cell::EMPTY;
        if replace(&mut block, header_lengths.get(place), chunk, &mut at) {
            row.headers = own_headers(block, arena);
        }
        answer.rows.push(row);
        answer.sources.push(index(start) + source);
    }
    failures
}

/// A header block from the guest as a record's headers. The adapter checked the block, so that a fault here can only
/// leave the row without headers.
fn own_headers(block: Cell, arena: &mut Arena) -> Cell {
    let section = headers::from_block(arena.bytes(block)).unwrap_or_default();
    arena.copy(Some(&section))
}

/// Puts the next field of the chunk into the cell, unless it is the same as before. Says whether it was replaced.
fn replace(cell: &mut Cell, length: Option<&u32>, chunk: Chunk, at: &mut u32) -> bool {
    match length {
        None | Some(&SAME) => return false,
        Some(&NULL) => *cell = Cell::NULL,
        Some(&length) => {
            *cell = chunk.cell(*at, length);
            *at += length;
        }
    }
    true
}
