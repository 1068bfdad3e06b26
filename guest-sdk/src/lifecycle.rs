//! What happens to states when another version of the plugin takes over.

use crate::Failed;
use crate::bindings::imports::millstream::plugin::types::{self, Cells, Columns};
use crate::bindings::lifecycle_part::exports::millstream::plugin::lifecycle::Migrated;
use crate::field::{Field, NULL, append};
use crate::node::at_row;
use crate::record::{Record, Rows};

/// Name and version of the layout of what is kept in a state or a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// Rises with every change of the layout.
    pub version: u32,
}

impl Schema {
    /// A schema.
    pub const fn new(name: &'static str, version: u32) -> Self {
        Self { name, version }
    }
}

impl From<Schema> for types::Schema {
    fn from(schema: Schema) -> Self {
        Self { name: schema.name.into(), version: schema.version }
    }
}

/// The schema that states were written by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Old<'a> {
    /// The store; none: the states of an aggregate.
    pub store: Option<&'a str>,
    /// The schema's name.
    pub name: &'a str,
    /// The schema's version.
    pub version: u32,
}

/// Turns one state into the new layout: appends it to the bytes and says whether it is there (false deletes it).
pub type Migration = fn(Old<'_>, Record<'_>, &mut Vec<u8>) -> Result<bool, Failed>;

/// Calls an author's function. The record's value is the old state.
#[doc(hidden)]
pub fn write(migrated: impl Field, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
    migrated.write(bytes)
}

pub(crate) fn migrate(
    migration: Option<Migration>,
    store: Option<&str>,
    old: &types::Schema,
    rows: &Columns,
) -> Migrated {
    let old = Old { store, name: &old.name, version: old.version };
    let mut values = Cells { lengths: Vec::with_capacity(rows.value_lengths.len()), bytes: Vec::new() };
    let mut failures = Vec::new();
    for (row, record) in (0u32..).zip(Rows::new(rows)) {
        at_row(row);
        let before = values.bytes.len();
        let turned = migration
            .ok_or_else(|| Failed::from("the plugin has no migration for this operator"))
            .and_then(|migrate| append(Turned(migrate, old, record), &mut values.bytes));
        values.lengths.push(turned.unwrap_or_else(|failed| {
            values.bytes.truncate(before);
            failures.push(failed.at(row));
            NULL
        }));
    }
    Migrated { values, failures }
}

/// A state on its way through a migration.
struct Turned<'a>(Migration, Old<'a>, Record<'a>);

impl Field for Turned<'_> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        (self.0)(self.1, self.2, bytes)
    }
}
