//! One process a data directory.

use super::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Name of the file that is locked and that names its holder.
const FILE: &str = "millstream.lock";

/// When the directory was last taken by anyone; none if never.
pub fn stamp(directory: &Path) -> Option<(i64, i64)> {
    let taken = std::fs::metadata(directory.join(FILE)).ok()?;
    Some((taken.mtime(), taken.mtime_nsec()))
}

/// Takes the directory for this process, until the file is dropped. The lock ends with the process, however it ends.
pub(super) fn take(directory: &Path) -> Result<File, StoreError> {
    let io = |error: std::io::Error| StoreError::opening(directory, &error);
    std::fs::create_dir_all(directory).map_err(io)?;
    let path = directory.join(FILE);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(io(error)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            return Err(StoreError::Locked { path: directory.into(), holder: holder.trim().into() });
        }
    }
    // Who holds it is for people: on a full disk the lock is as good without.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}
