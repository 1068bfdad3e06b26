//! State: the shapes, the layers, RocksDB. The only room that knows the crate `rocksdb`.
//!
//! A [`KeyValueStore`] is cached over logged over transactional over rocks: one hash table holds both the hot entries
//! and those of the open transaction, because both must be found by the same look-up; [`KeyValueStore::prepare`] writes
//! each changed key once, in key order, to the changelog and to the [`Writes`] of the commit.

mod db;
mod key_value;
mod lock;
mod writes;

pub use db::{Db, Family, Settings, must_hold_data};
pub use key_value::{Changelog, Entry, KeyValueStore, Keys, Local, Pending, Slot};
pub use lock::stamp as lock_stamp;
pub use writes::Writes;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory belongs to another process.
    #[error(
        "MS-S001: the data directory {path:?} is in use by process {holder}; stop it, or name another with --data-dir"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as far as is known.
        holder: String,
    },
    /// The data directory was written by another version.
    #[error(
        "MS-S002: the data directory {path:?} has format {found}, and this version reads format {expected}; use the version that wrote it, or another directory"
    )]
    Format {
        /// The directory.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What is needed.
        expected: u32,
    },
    /// The data cannot be read.
    #[error(
        "MS-S003: the data directory {path:?} is damaged: {reason}; restore it from a copy, or name another with --data-dir"
    )]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// Reading or writing failed; nothing was changed, and the same call may succeed later.
    #[error("MS-S004: the data directory cannot be written or read: {0}; nothing was lost, make room and try again")]
    Io(String),
    /// There is nothing to look at.
    #[error(
        "MS-S005: there is no data in {path:?}; millstream run makes it, or name another directory with --data-dir"
    )]
    Absent {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be made, or not be used by this user.
    #[error(
        "MS-S006: the data directory {path:?} cannot be made or written: {reason}; name a directory that may be written with --data-dir"
    )]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

impl StoreError {
    /// What it means that a data directory's own files cannot be opened or written: room comes back, rights do not.
    fn opening(path: &Path, error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists
            | ErrorKind::ReadOnlyFilesystem => Self::Unusable { path: path.into(), reason: error.to_string() },
            _ => Self::Io(format!("{}: {error}", path.display())),
        }
    }
}
