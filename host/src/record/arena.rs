//! The bytes of one turn.

use std::sync::Arc;

/// Length that stands for null.
const NULL: u32 = u32::MAX;

/// Where a field lies in an [`Arena`], or that it is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    chunk: u32,
    start: u32,
    len: u32,
}

/// A chunk of an [`Arena`], to make cells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk(u32);

impl Chunk {
    /// The first chunk: where cells lie that are relative to a buffer of their own.
    pub const FIRST: Self = Self(0);

    /// The cell that covers `len` bytes from `start` on.
    pub const fn cell(self, start: u32, len: u32) -> Cell {
        Cell { chunk: self.0, start, len }
    }
}

impl Cell {
    /// No value.
    pub const NULL: Self = Self { chunk: 0, start: 0, len: NULL };
    /// A value of no bytes.
    pub const EMPTY: Self = Self { chunk: 0, start: 0, len: 0 };

    /// The same stretch of another chunk: a cell that was made relative to a buffer becomes one of the arena's once the
    /// buffer is shared with it.
    #[must_use]
    pub const fn moved(self, chunk: Chunk) -> Self {
        Self { chunk: chunk.0, ..self }
    }

    /// A stretch of this cell: `len` bytes from its byte `start` on, which the caller has checked to lie within it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a part of a cell is shorter than the cell")]
    pub const fn part(self, start: usize, len: usize) -> Self {
        debug_assert!(start + len <= self.len());
        Self { chunk: self.chunk, start: self.start + start as u32, len: len as u32 }
    }

    /// The bytes of a cell that lies in `buffer`; none for null, or if it does not fit.
    pub fn of(self, buffer: &[u8]) -> Option<&[u8]> {
        if self.is_null() {
            return None;
        }
        let start = self.start as usize;
        buffer.get(start..start + self.len as usize)
    }

    /// The chunk that it lies in; says nothing if the cell is null or empty.
    pub const fn chunk(self) -> Chunk {
        Chunk(self.chunk)
    }

    /// Whether this is null, which an empty value is not.
    pub const fn is_null(self) -> bool {
        self.len == NULL
    }

    /// Bytes covered; 0 for null.
    pub const fn len(self) -> usize {
        if self.is_null() { 0 } else { self.len as usize }
    }

    /// Whether no byte is covered (null or empty).
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The bytes of one turn: fetched batches and what operators made of them. Chunks are added and never changed, so a
/// [`Cell`] stays good until [`Arena::clear`].
///
/// ```
/// use millstream::record::{Arena, Cell};
/// let mut arena = Arena::default();
/// let chunk = arena.push(b"keyvalue".to_vec());
/// assert_eq!(arena.get(chunk.cell(3, 5)), Some(&b"value"[..]));
/// assert_eq!(arena.get(Cell::NULL), None);
/// ```
#[derive(Debug, Default)]
pub struct Arena {
    chunks: Vec<Bytes>,
    /// The chunk that small fields are appended to.
    open: Option<u32>,
    /// Memory of the turn before, for the next open chunk.
    spare: Vec<u8>,
}

#[derive(Debug)]
enum Bytes {
    Own(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Bytes after which a new chunk is opened for small fields, so that growing one copies little.
const OPEN_CHUNK_BYTES: usize = 256 * 1024;

impl Arena {
    /// Takes bytes in.
    ///
    /// # Panics
    /// If the chunk is 4 GiB or more, or there are 2^32 chunks; batches are bounded far below that.
    pub fn push(&mut self, bytes: Vec<u8>) -> Chunk {
        self.add(Bytes::Own(bytes))
    }

    /// Takes a share of bytes that others go on holding (a fetched batch that lasts for several turns).
    ///
    /// # Panics
    /// As [`Arena::push`].
    pub fn share(&mut self, bytes: Arc<Vec<u8>>) -> Chunk {
        self.add(Bytes::Shared(bytes))
    }

    #[expect(clippy::expect_used, reason = "documented; callers bound what they push")]
    fn add(&mut self, bytes: Bytes) -> Chunk {
        assert!(bytes.len() < NULL as usize, "a chunk of {} bytes", bytes.len());
        self.chunks.push(bytes);
        Chunk(u32::try_from(self.chunks.len() - 1).expect("fewer than 2^32 chunks"))
    }

    /// Takes bytes in and returns the cell of all of them.
    pub fn push_cell(&mut self, bytes: Vec<u8>) -> Cell {
        #[expect(clippy::cast_possible_truncation, reason = "push asserts it")]
        let len = bytes.len() as u32;
        self.push(bytes).cell(0, len)
    }

    /// Copies bytes in; none is null. Small fields share a chunk, so that this seldom allocates.
    pub fn copy(&mut self, bytes: Option<&[u8]>) -> Cell {
        bytes.map_or(Cell::NULL, |bytes| self.write(|chunk| chunk.extend_from_slice(bytes)))
    }

    /// Lets `fill` append to a chunk, and returns the cell of what it appended.
    ///
    /// # Panics
    /// As [`Arena::push`].
    #[expect(clippy::cast_possible_truncation, reason = "push asserts the bound for what is larger than a chunk")]
    pub fn write(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Cell {
        let open = self.open.and_then(|open| self.chunks.get(open as usize));
        if open.is_none_or(|chunk| chunk.len() >= OPEN_CHUNK_BYTES) {
            let spare = std::mem::take(&mut self.spare);
            self.open = Some(self.push(spare).0);
        }
        let index = self.open.unwrap_or_default();
        let Some(Bytes::Own(chunk)) = self.chunks.get_mut(index as usize) else { return Cell::EMPTY };
        let start = chunk.len();
        fill(chunk);
        assert!(chunk.len() < NULL as usize, "a chunk of {} bytes", chunk.len());
        Cell { chunk: index, start: start as u32, len: (chunk.len() - start) as u32 }
    }

    /// The bytes of a cell; none for null.
    #[expect(clippy::indexing_slicing, reason = "cells come from this arena's chunks")]
    pub fn get(&self, cell: Cell) -> Option<&[u8]> {
        if cell.is_null() {
            return None;
        }
        if cell.len == 0 {
            return Some(&[]);
        }
        let start = cell.start as usize;
        Some(&self.chunks[cell.chunk as usize][start..start + cell.len as usize])
    }

    /// The bytes of a cell; empty for null.
    pub fn bytes(&self, cell: Cell) -> &[u8] {
        self.get(cell).unwrap_or_default()
    }

    /// All bytes of a chunk.
    #[expect(clippy::indexing_slicing, reason = "chunks come from this arena")]
    pub fn chunk(&self, chunk: Chunk) -> &[u8] {
        &self.chunks[chunk.0 as usize]
    }

    /// Lets go of everything; cells made before are void.
    pub fn clear(&mut self) {
        let open = self.open.take().and_then(|open| self.chunks.get_mut(open as usize));
        if let Some(Bytes::Own(bytes)) = open {
            self.spare = std::mem::take(bytes);
            self.spare.clear();
        }
        self.chunks.clear();
    }

    /// Bytes held.
    pub fn size(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }
}
