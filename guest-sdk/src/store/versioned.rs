//! Stores of shape `versioned`: for each key the values that held at any time of its history.

use super::{checked, written};
#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::versioned_store as host;
use crate::bindings::imports::millstream::plugin::versioned_store as wit;
#[cfg(not(target_family = "wasm"))]
use crate::native::versioned_store as host;
use crate::{Failed, Field};

/// For each key the values that held at any time of its history.
#[derive(Clone, Debug)]
pub struct VersionedStore(pub(crate) u32);

/// A value and when it held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The value.
    pub value: Vec<u8>,
    /// From when on it held.
    pub timestamp: i64,
    /// Until when, exclusive; none: it is the latest, or it was asked for as such.
    pub valid_to: Option<i64>,
}

/// What became of a version that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is the latest.
    Latest,
    /// A later one ends it at this time.
    Until(i64),
    /// It is older than the history that the store keeps.
    Rejected,
}

impl VersionedStore {
    /// The latest version of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Version> {
        host::get(self.0, key.as_ref(), None).map(version)
    }

    /// The version of a key that held at a time.
    pub fn as_of(&self, key: impl AsRef<[u8]>, time: i64) -> Option<Version> {
        host::get(self.0, key.as_ref(), Some(time)).map(version)
    }

    /// Puts a version that holds from `timestamp` on; null: from then on the key has no value.
    ///
    /// # Errors
    /// If the store can only be read, or the plugin's share of state is used up.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl Field, timestamp: i64) -> Result<Placed, Failed> {
        let placed = checked(host::put(self.0, key.as_ref(), written(value)?.as_deref(), timestamp))?;
        Ok(match placed {
            wit::Placed::Latest => Placed::Latest,
            wit::Placed::Until(time) => Placed::Until(time),
            wit::Placed::Rejected => Placed::Rejected,
        })
    }

    /// Ends what holds at `timestamp` there; gives what held.
    ///
    /// # Errors
    /// As for [`VersionedStore::put`].
    pub fn delete(&mut self, key: impl AsRef<[u8]>, timestamp: i64) -> Result<Option<Version>, Failed> {
        let held = self.as_of(key.as_ref(), timestamp);
        let placed = self.put(key, None::<&[u8]>, timestamp)?;
        Ok(held.filter(|_| placed != Placed::Rejected))
    }
}

fn version(found: wit::Version) -> Version {
    Version { value: found.value, timestamp: found.timestamp, valid_to: found.valid_to }
}
