//! Of which format a data directory is.

use crate::store::StoreError;
use std::path::Path;

/// Version of what lies in a data directory. Raised whenever a key or value changes its meaning.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";

/// Refuses a directory of another format; a new one gets ours.
///
/// # Errors
/// [`StoreError::Format`], or what the system says.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let file = path.join(FORMAT_FILE);
    match std::fs::read_to_string(&file) {
        Ok(found) if found.trim() == FORMAT.to_string() => Ok(()),
        Ok(found) => {
            Err(StoreError::Format { path: path.into(), found: format!("{:?}", found.trim()), expected: FORMAT })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && path.join("rocks").exists() => {
            Err(StoreError::Format { path: path.into(), found: "nothing".into(), expected: FORMAT })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::write(&file, format!("{FORMAT}\n")).map_err(|error| StoreError::opening(path, &error))
        }
        Err(error) => Err(StoreError::opening(path, &error)),
    }
}

/// Refuses a directory without data, for those who only look and must not make one.
///
/// # Errors
/// [`StoreError::Absent`].
pub fn must_hold_data(path: &Path) -> Result<(), StoreError> {
    // Where it cannot be told, opening says why.
    let lacks = |name: &str| path.join(name).try_exists().is_ok_and(|there| !there);
    if lacks(FORMAT_FILE) && lacks("rocks") { Err(StoreError::Absent { path: path.into() }) } else { Ok(()) }
}
