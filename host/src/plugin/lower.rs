//! How batches reach a guest: the contract's columns, whose bytes are written into the guest's memory straight from where
//! the records lie, with no copy in between.

use super::port::Columns;
use crate::record::{Arena, Cell};
use std::mem::MaybeUninit;
use std::sync::Arc;
use wasmtime::ValRaw;
use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext};
use wasmtime::component::{ComponentType, Lower};

/// `columns` of the contract.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct Batch {
    timestamps: Vec<i64>,
    #[component(name = "key-lengths")]
    key_lengths: Vec<u32>,
    #[component(name = "value-lengths")]
    value_lengths: Vec<u32>,
    #[component(name = "header-lengths")]
    header_lengths: Vec<u32>,
    bytes: Gathered,
}

/// A `list<u8>` that lies in pieces.
pub(super) struct Gathered {
    fields: Vec<Cell>,
    arena: Arena,
}

/// The columns in the contract's shape, until [`take_back`].
pub(super) fn lend(columns: &mut Columns) -> Arc<Batch> {
    let Columns { timestamps, key_lengths, value_lengths, header_lengths, fields, arena } = std::mem::take(columns);
    Arc::new(Batch { timestamps, key_lengths, value_lengths, header_lengths, bytes: Gathered { fields, arena } })
}

/// The columns that were lent.
pub(super) fn take_back(lent: Arc<Batch>) -> Columns {
    let Batch { timestamps, key_lengths, value_lengths, header_lengths, bytes } = own(lent);
    let Gathered { fields, arena } = bytes;
    Columns { timestamps, key_lengths, value_lengths, header_lengths, fields, arena }
}

/// What was lent to a call that is over.
#[expect(clippy::expect_used, reason = "a call takes its arguments by value and drops them before it returns")]
pub(super) fn own<T>(lent: Arc<T>) -> T {
    Arc::into_inner(lent).expect("the call has let go of its share")
}

impl Gathered {
    /// Writes the pieces into the guest's memory, one after the other; gives place and length of the list.
    fn store<T>(&self, cx: &mut LowerContext<'_, T>) -> wasmtime::Result<(usize, usize)> {
        let length = self.fields.iter().map(|field| field.len()).sum();
        let place = cx.realloc(0, 0, 1, length)?;
        let outside = || wasmtime::format_err!("the guest gave no room for {length} bytes at {place}");
        let mut rest =
            cx.as_slice_mut().get_mut(place..).and_then(|rest| rest.get_mut(..length)).ok_or_else(outside)?;
        let (mut chunk, mut buffer) = (None, &[][..]);
        for field in &self.fields {
            // Neighbours mostly lie in one chunk.
            if chunk != Some(field.chunk()) {
                chunk = Some(field.chunk());
                buffer = self.arena.chunk(field.chunk());
            }
            let bytes = field.of(buffer).unwrap_or_default();
            let (place, behind) = rest.split_at_mut(bytes.len());
            place.copy_from_slice(bytes);
            rest = behind;
        }
        Ok((place, length))
    }
}

// SAFETY: the three items say of `Gathered` what wasmtime says of `[u8]`: it is type-checked as `list<u8>`, has its flat
// representation (two words: place and length) and its layout in memory. `Lower` is not part of wasmtime's promised
// interface, which is why its version is pinned (`~48.0`): a change of it is a change of this file.
#[expect(unsafe_code, reason = "the argument stands above; lists of a kind of one's own have no other way in")]
unsafe impl ComponentType for Gathered {
    type Lower = <[u8] as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <[u8] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <[u8]>::typecheck(ty, types)
    }
}

// SAFETY: both functions initialise what they are given with place and length of bytes that were written within the
// guest's memory just before, as the implementation for `[u8]` does.
#[expect(unsafe_code, reason = "the argument stands above")]
unsafe impl Lower for Gathered {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        flat: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        let (place, length) = self.store(cx)?;
        flat.write([ValRaw::i64(i64::try_from(place)?), ValRaw::i64(i64::try_from(length)?)]);
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        let (place, length) = self.store(cx)?;
        *cx.get(offset) = u32::try_from(place)?.to_le_bytes();
        *cx.get(offset + 4) = u32::try_from(length)?.to_le_bytes();
        Ok(())
    }
}
