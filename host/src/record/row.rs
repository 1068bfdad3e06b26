//! Rows, and the turn that they belong to.

use super::{Arena, Cell, Path, Paths, Timestamp};

/// One record, or one change of a table, on its way through a task.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Event time.
    pub timestamp: Timestamp,
    /// Which input record of the turn it descends from.
    pub origin: u32,
    /// Which way it came.
    pub path: Path,
    /// Key.
    pub key: Cell,
    /// Value; for a change of a table the new value, null where the row was deleted.
    pub value: Cell,
    /// For a change of a table the value before, if it is known; null otherwise.
    pub old: Cell,
    /// Headers as they stand in a record batch: a varint count, then each header. Null or empty: none.
    pub headers: Cell,
}

/// What the rows of one turn refer to.
#[derive(Debug, Default)]
pub struct Turn {
    /// Their bytes.
    pub arena: Arena,
    /// Their ways.
    pub paths: Paths,
}

impl Turn {
    /// Puts rows that came on several ways into the order in which one record at a time would have brought them:
    /// by input record, then depth first.
    pub fn sort(&self, rows: &mut [Row]) {
        if crate::fault::is("paths-are-not-sorted") {
            return;
        }
        rows.sort_by(|a, b| a.origin.cmp(&b.origin).then_with(|| self.paths.compare(a.path, b.path)));
    }

    /// Makes the turn ready for the next one; all its rows are void.
    pub fn clear(&mut self) {
        self.arena.clear();
        self.paths.clear();
    }
}
