//! `count`, without a plugin.

use super::super::table::store_of;
use super::super::{Context, Stop};
use super::{Changes, advanced};
use crate::record::{Cell, Row, counted};
use crate::store::Slot;
use crate::topology::plan::{CountFormat, Emit, Payload};

/// Counts rows by key; a change of a grouped table counts its new value and takes its old one off, and what was counted
/// before counts for as many.
pub(super) fn count(
    rows: &[Row],
    format: CountFormat,
    payload: Payload,
    cx: &mut Context<'_>,
    changes: &mut Changes<'_>,
) -> Result<(), Stop> {
    let arena = &mut cx.turn.arena;
    let store = store_of(cx.stores, changes.store);
    // Look-ups of their own do not wait for one another: the places that they touch are far apart.
    let slots: Vec<Slot> = rows.iter().map(|row| store.slot(arena.bytes(row.key))).collect::<Result<_, _>>()?;
    for (row, slot) in rows.iter().zip(slots) {
        let before = store.state(slot).map(|(timestamp, value)| (timestamp, format.read(value)));
        let step = match payload {
            Payload::Plain => 1,
            Payload::Change => retracted(row, before.is_some()),
            Payload::Count => counted::number(arena.bytes(row.old)).unwrap_or(0),
        };
        let timestamp = advanced(before.map(|(timestamp, _)| timestamp), row.timestamp);
        let Some(number) = before.map(|(_, number)| number).or((step > 0).then_some(0)) else {
            // Nothing was counted, and an old value is to be taken off: Kafka Streams sends a tombstone.
            changes.push(row, timestamp, Cell::NULL, Cell::NULL);
            continue;
        };
        let (bytes, length) = format.write(number.saturating_add(step));
        let value = bytes.get(..length).unwrap_or_default();
        match changes.emit {
            Emit::OnCommit => store.set_pending(slot, timestamp, Some(value), arena.bytes(row.headers)),
            Emit::EveryUpdate => {
                store.set(slot, timestamp, Some(value));
                // Kafka Streams takes the initial value for the old one the first time.
                let (old, old_length) = format.write(number);
                let both = arena.write(|chunk| {
                    chunk.extend_from_slice(value);
                    chunk.extend_from_slice(old.get(..old_length).unwrap_or_default());
                });
                changes.push(row, timestamp, both.part(0, length), both.part(length, old_length));
            }
        }
    }
    Ok(())
}

/// By how much a change moves its group's number; an old value counts only where there is a number.
fn retracted(row: &Row, counted: bool) -> i64 {
    i64::from(!row.value.is_null()) - i64::from(!row.old.is_null() && counted)
}

/// Longest text of a 64-bit number: a sign and 19 digits.
const NUMBER_BYTES: usize = 20;

impl CountFormat {
    fn read(self, bytes: &[u8]) -> i64 {
        match self {
            Self::Long => bytes.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes)),
            Self::Text => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
        }
    }

    /// The number's bytes and how many of them count.
    fn write(self, number: i64) -> ([u8; NUMBER_BYTES], usize) {
        let mut bytes = [0; NUMBER_BYTES];
        let length = match self {
            Self::Long => {
                if let Some(first) = bytes.first_chunk_mut() {
                    *first = number.to_be_bytes();
                }
                8
            }
            Self::Text => {
                let mut rest = &mut bytes[..];
                // The buffer holds the longest number, so that this cannot fail.
                let _ = std::io::Write::write_fmt(&mut rest, format_args!("{number}"));
                NUMBER_BYTES - rest.len()
            }
        };
        (bytes, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for format in [CountFormat::Long, CountFormat::Text] {
            for number in [0, 1, 9, 10, i64::MAX, i64::MIN] {
                let (bytes, length) = format.write(number);
                assert_eq!(format.read(&bytes[..length]), number);
            }
        }
    }
}
