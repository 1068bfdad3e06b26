//! Compiled components on disk, so that each is compiled once.
//!
//! A file's name is its key (the digest of what was compiled, and what compiled it) and the digest of its content. Files
//! are written beside their place and renamed, never changed, and their content is checked on every reading: what is
//! damaged is deleted and compiled again. The directory is the user's alone.

use super::compile::Code;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of all files together: some hundred plugins of the usual size, or a dozen that embed an interpreter.
const CACHE_BYTES_MAX: u64 = 1 << 30;
/// Age of a half-written file after which its writer must be dead, seconds.
const STALE_AFTER_SECONDS: i64 = 3600;

const COMPILED: &str = ".cwasm";
const HALF_WRITTEN: &str = ".tmp";

/// Where compiled components are kept: `$MILLSTREAM_CACHE_DIR`, or else `millstream/plugins` in the user's cache
/// directory. None if there is no such thing.
pub fn default_directory() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("MILLSTREAM_CACHE_DIR").filter(|directory| !directory.is_empty()) {
        return Some(directory.into());
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("millstream").join("plugins"))
}

/// A directory of compiled components.
pub(super) struct Cache {
    directory: PathBuf,
    bytes_max: u64,
}

/// SHA-256, lower-case hex.
pub(super) fn digest(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        // Writing into a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Cache {
    /// Opens a cache, and makes its directory if it is not there.
    ///
    /// # Errors
    /// If it cannot be made, or others than the user can write into it.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = fs::metadata(directory)?;
        if found.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user"));
        }
        if found.mode() & 0o077 != 0 {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self { directory: directory.into(), bytes_max: CACHE_BYTES_MAX })
    }

    /// The code for a key, if it is there and sound.
    pub(super) fn find(&self, key: &str) -> Option<Code> {
        let entries = fs::read_dir(&self.directory).ok()?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(promised) = content_digest(&path, key) else { continue };
            match fs::read(&path) {
                Ok(bytes) if digest(&bytes) == promised => {
                    touch(&path);
                    return Some(Code::vouched(bytes));
                }
                Ok(_) => {
                    tracing::warn!(file = %path.display(), "a compiled plugin is damaged and will be compiled again");
                    let _ = fs::remove_file(&path);
                }
                Err(error) => tracing::warn!(file = %path.display(), "a compiled plugin cannot be read: {error}"),
            }
        }
        None
    }

    /// Keeps code under a key, and lets go of what was longest unused if there is too much.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(super) fn keep(&self, key: &str, code: &Code) -> io::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let half = self.directory.join(format!("{}-{number}{HALF_WRITTEN}", std::process::id()));
        let whole = self.directory.join(format!("{key}-{}{COMPILED}", digest(code.bytes())));
        let written = write_new(&half, code.bytes()).and_then(|()| fs::rename(&half, &whole));
        if written.is_err() {
            let _ = fs::remove_file(&half);
        }
        written?;
        self.shrink(&whole)
    }

    /// Deletes the files that were longest unused until the rest fits; `newest`, written just now, stays.
    fn shrink(&self, newest: &Path) -> io::Result<()> {
        let written = fs::metadata(newest)?;
        let mut files: Vec<((i64, i64), u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.directory)?.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            let path = entry.path();
            let half_written = path.as_os_str().as_encoded_bytes().ends_with(HALF_WRITTEN.as_bytes());
            if half_written && found.mtime() < written.mtime() - STALE_AFTER_SECONDS {
                let _ = fs::remove_file(&path);
            } else if !half_written && path != newest {
                files.push(((found.mtime(), found.mtime_nsec()), found.len(), path));
            }
        }
        files.sort_by_key(|(used, _, _)| std::cmp::Reverse(*used));
        let mut kept = written.len();
        for (_, bytes, path) in files {
            kept += bytes;
            if kept > self.bytes_max {
                let _ = fs::remove_file(&path);
            }
        }
        Ok(())
    }
}

/// The digest that a file's name promises, if it is a file for the key.
fn content_digest<'a>(path: &'a Path, key: &str) -> Option<&'a str> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix(key)?.strip_prefix('-')?.strip_suffix(COMPILED)
}

/// Notes that a file was used.
fn touch(path: &Path) {
    // If it fails the file only seems unused.
    let _ = fs::File::open(path).map(|file| futimens(file, &modified(0, UTIME_NOW)));
}

/// A new time of modification and no other change.
fn modified(seconds: i64, nanoseconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("plugins")).unwrap();
        (directory, cache)
    }

    fn files(cache: &Cache) -> Vec<PathBuf> {
        fs::read_dir(&cache.directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn keep(cache: &Cache, key: &str, bytes: &[u8]) {
        cache.keep(key, &Code::vouched(bytes.to_vec())).unwrap();
    }

    fn found(cache: &Cache, key: &str) -> Option<Vec<u8>> {
        cache.find(key).map(|code| code.bytes().to_vec())
    }

    #[test]
    fn finds_what_it_kept() {
        let (_directory, cache) = cache();
        keep(&cache, "a", b"one");
        assert_eq!(found(&cache, "a"), Some(b"one".to_vec()));
        assert_eq!(found(&cache, "b"), None);
        assert_eq!(files(&cache).len(), 1, "nothing is left half-written");
    }

    #[test]
    fn is_the_users_alone() {
        let (_directory, cache) = cache();
        keep(&cache, "a", b"one");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&cache.directory), 0o700);
        assert_eq!(mode(&files(&cache)[0]), 0o600);
        fs::set_permissions(&cache.directory, fs::Permissions::from_mode(0o755)).unwrap();
        Cache::open(&cache.directory).unwrap();
        assert_eq!(mode(&cache.directory), 0o700);
    }

    #[test]
    fn forgets_what_is_damaged() {
        let (_directory, cache) = cache();
        for damaged in [&b"onf"[..], b"on", b""] {
            keep(&cache, "a", b"one");
            fs::write(&files(&cache)[0], damaged).unwrap();
            assert_eq!(found(&cache, "a"), None);
            assert!(files(&cache).is_empty());
        }
    }

    #[test]
    fn lets_go_of_what_was_longest_unused() {
        let (_directory, mut cache) = cache();
        cache.bytes_max = 8;
        let age = |key: &str, seconds: i64| {
            let path = files(&cache).into_iter().find(|path| content_digest(path, key).is_some()).unwrap();
            futimens(fs::File::open(path).unwrap(), &modified(seconds, 0)).unwrap();
        };
        keep(&cache, "a", b"one");
        keep(&cache, "b", b"two");
        age("a", 1);
        age("b", 2);
        // Reading makes it young again.
        assert!(found(&cache, "a").is_some());
        keep(&cache, "c", b"six");
        assert_eq!(found(&cache, "b"), None);
        assert!(found(&cache, "a").is_some() && found(&cache, "c").is_some());
    }

    #[test]
    fn clears_away_what_dead_writers_left() {
        let (_directory, cache) = cache();
        let (old, new) = (cache.directory.join("1-0.tmp"), cache.directory.join("2-0.tmp"));
        fs::write(&old, b"half").unwrap();
        fs::write(&new, b"half").unwrap();
        futimens(fs::File::open(&old).unwrap(), &modified(1, 0)).unwrap();
        keep(&cache, "a", b"one");
        assert!(!old.exists() && new.exists());
    }
}
