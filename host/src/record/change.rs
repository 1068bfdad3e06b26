//! A table's change as a record value, for repartition topics.
//!
//! The first byte says which sides follow: bit 0 the new value, bit 1 the old one. If both do, the new value's length
//! stands before it, four bytes, big-endian.

use super::{Arena, Cell};

const NEW: u8 = 1;
const OLD: u8 = 2;

/// New and old value of a change.
pub type Sides<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// Appends a change.
///
/// ```
/// use millstream::record::change;
/// let mut bytes = Vec::new();
/// change::encode(Some(b"new"), None, &mut bytes);
/// assert_eq!(change::decode(&bytes), Some((Some(&b"new"[..]), None)));
/// ```
pub fn encode(new: Option<&[u8]>, old: Option<&[u8]>, bytes: &mut Vec<u8>) {
    bytes.push(if new.is_some() { NEW } else { 0 } | if old.is_some() { OLD } else { 0 });
    if let (Some(new), Some(_)) = (new, old) {
        #[expect(clippy::cast_possible_truncation, reason = "a value is shorter than 4 GiB")]
        bytes.extend_from_slice(&(new.len() as u32).to_be_bytes());
    }
    bytes.extend_from_slice(new.unwrap_or_default());
    bytes.extend_from_slice(old.unwrap_or_default());
}

/// Reads a change; none if the bytes are not one.
pub fn decode(bytes: &[u8]) -> Option<Sides<'_>> {
    let (sides, rest) = bytes.split_first()?;
    match *sides {
        0 if rest.is_empty() => Some((None, None)),
        NEW => Some((Some(rest), None)),
        OLD => Some((None, Some(rest))),
        3 => {
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let (new, old) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            Some((Some(new), Some(old)))
        }
        _ => None,
    }
}

/// The cells of a change that lies in an arena, new value first; none if the bytes are not a change.
pub fn cells(cell: Cell, arena: &Arena) -> Option<(Cell, Cell)> {
    let (new, old) = decode(arena.get(cell)?)?;
    let end = cell.len();
    let old_cell = old.map_or(Cell::NULL, |old| cell.part(end - old.len(), old.len()));
    let before = old.map_or(0, <[u8]>::len);
    let new_cell = new.map_or(Cell::NULL, |new| cell.part(end - before - new.len(), new.len()));
    Some((new_cell, old_cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_null_and_empty_apart() {
        let sides: [Option<&[u8]>; 3] = [None, Some(b""), Some(b"ab")];
        for new in sides {
            for old in sides {
                let mut bytes = Vec::new();
                encode(new, old, &mut bytes);
                assert_eq!(decode(&bytes), Some((new, old)));
                let mut arena = Arena::default();
                let cell = arena.copy(Some(&bytes));
                let (new_cell, old_cell) = cells(cell, &arena).expect("a change");
                assert_eq!((arena.get(new_cell), arena.get(old_cell)), (new, old));
            }
        }
        assert_eq!(decode(&[3, 0, 0, 0, 9, 1]), None);
        assert_eq!(decode(&[]), None);
    }
}
