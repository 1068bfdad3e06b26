//! The stores of a processor. Outside the host (in unit tests) they are ordered maps in memory.

mod key_value;
mod scan;
mod session;
mod versioned;
mod window;

use crate::Failed;
#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::state as host;
use crate::bindings::imports::millstream::plugin::state::{self, KeyRange};
use crate::bindings::imports::millstream::plugin::types::Cells;
use crate::field::{Field, NULL, append};
#[cfg(not(target_family = "wasm"))]
use crate::native::state as host;
use std::ops::{Bound, RangeBounds};

pub use key_value::{KeyValueStore, Row};
pub use scan::Scan;
pub use session::{SessionRow, SessionStore};
pub use versioned::{Placed, Version, VersionedStore};
pub use window::{WindowRow, WindowStore};

/// What is kept for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// The timestamp of the record that put it; none: the store keeps none.
    pub timestamp: Option<i64>,
}

/// Timestamp of a write that says none.
const NO_TIMESTAMP: i64 = -1;

pub(crate) fn open(node: u32, name: &str) -> Result<u32, Failed> {
    host::open(node, name).map_err(|error| failed(&error, name))
}

fn failed(error: &state::Error, store: &str) -> Failed {
    match error {
        state::Error::UnknownStore => format!("store {store:?} is not declared"),
        state::Error::ReadOnly => "the store can only be read".into(),
        state::Error::Quota => "the plugin's share of state is used up".into(),
        state::Error::Other(reason) => reason.clone(),
    }
    .into()
}

fn checked<T>(result: Result<T, state::Error>) -> Result<T, Failed> {
    result.map_err(|error| failed(&error, ""))
}

/// A field as bytes.
fn written(field: impl Field) -> Result<Option<Vec<u8>>, Failed> {
    let mut bytes = Vec::new();
    Ok((append(field, &mut bytes)? != NULL).then_some(bytes))
}

/// A range of keys as the host takes it. Keys are byte strings, so that the next one after a key is the key and a zero.
fn range<K: AsRef<[u8]>>(keys: &impl RangeBounds<K>) -> KeyRange {
    let after = |key: &K| [key.as_ref(), &[0]].concat();
    let start = match keys.start_bound() {
        Bound::Unbounded => Vec::new(),
        Bound::Included(key) => key.as_ref().to_vec(),
        Bound::Excluded(key) => after(key),
    };
    let end = match keys.end_bound() {
        Bound::Unbounded => None,
        Bound::Included(key) => Some(after(key)),
        Bound::Excluded(key) => Some(key.as_ref().to_vec()),
    };
    KeyRange { start, end }
}

/// The keys that begin with a prefix.
fn prefixed(prefix: &[u8]) -> KeyRange {
    let end = prefix.iter().rposition(|byte| *byte < 0xff).map(|last| {
        let mut end = prefix[..=last].to_vec();
        end[last] += 1;
        end
    });
    KeyRange { start: prefix.to_vec(), end }
}

/// Cells one by one.
fn cells(cells: Cells) -> impl Iterator<Item = Option<Vec<u8>>> {
    let mut at = 0;
    cells.lengths.into_iter().map(move |length| {
        (length != NULL).then(|| {
            let start = at;
            at += length as usize;
            cells.bytes.get(start..at).unwrap_or_default().to_vec()
        })
    })
}

/// Cells of which none is null, one by one.
fn filled(all: Cells) -> impl Iterator<Item = Vec<u8>> {
    cells(all).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        let of = |range: KeyRange| (range.start, range.end);
        assert_eq!(of(range::<&[u8]>(&..)), (vec![], None));
        assert_eq!(of(range(&("a".."c"))), (b"a".to_vec(), Some(b"c".to_vec())));
        assert_eq!(of(range(&("a"..="c"))), (b"a".to_vec(), Some(b"c\0".to_vec())));
        assert_eq!(of(range::<&str>(&(Bound::Excluded("a"), Bound::Unbounded))), (b"a\0".to_vec(), None));
        assert_eq!(of(prefixed(b"ab")), (b"ab".to_vec(), Some(b"ac".to_vec())));
        assert_eq!(of(prefixed(b"a\xff\xff")), (b"a\xff\xff".to_vec(), Some(b"b".to_vec())));
        assert_eq!(of(prefixed(b"\xff")), (b"\xff".to_vec(), None));
    }
}
