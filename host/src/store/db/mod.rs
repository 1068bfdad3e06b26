//! The one RocksDB of a process.

mod format;
mod number;

pub use format::must_hold_data;

use super::{StoreError, Writes, lock};
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, Direction, IteratorMode, Options};
use rocksdb::{ErrorKind, ReadOptions, WriteBatch, WriteOptions};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Where data lies, by access shape. Window, session and versioned stores will get families of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Small facts: topics, offsets, ids.
    Meta,
    /// Key-value stores.
    KeyValue,
    /// Record batches of the embedded log.
    Log,
}

impl Family {
    const ALL: [Self; 3] = [Self::Meta, Self::KeyValue, Self::Log];

    const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::KeyValue => "key-value",
            Self::Log => "log",
        }
    }
}

/// Memory of the database.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Block cache, bytes, shared by all families.
    pub block_cache_bytes: usize,
    /// Write buffers of all families together, bytes.
    pub write_buffer_bytes: usize,
}

impl Default for Settings {
    /// 64 MiB each: what a laptop spares without noticing; tests of larger states show no gain before the state itself
    /// is larger than the cache.
    fn default() -> Self {
        Self { block_cache_bytes: 64 << 20, write_buffer_bytes: 64 << 20 }
    }
}

/// A handle to the database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    rocks: rocksdb::DB,
    path: PathBuf,
    /// Held while a number is given.
    numbers: Mutex<()>,
    _lock: File,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Db").field(&self.inner.path).finish()
    }
}

impl Db {
    /// Opens a data directory, or makes one.
    ///
    /// # Errors
    /// If it is in use, of another format, damaged, or cannot be written.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, StoreError> {
        let lock = lock::take(path)?;
        format::check(path)?;
        crate::killpoint::pass("format-checked");
        let cache = Cache::new_lru_cache(settings.block_cache_bytes);
        let families = Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), options(family, &cache)));
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_db_write_buffer_size(settings.write_buffer_bytes);
        options.set_max_total_wal_size(4 * settings.write_buffer_bytes as u64);
        options.set_keep_log_file_num(2);
        // A torn record at the end of the write-ahead log is what a crash leaves; anything else is damage and refused.
        options.set_wal_recovery_mode(rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords);
        let rocks = rocksdb::DB::open_cf_descriptors(&options, path.join("rocks"), families)
            .map_err(|error| failure(path, error))?;
        crate::killpoint::pass("database-opened");
        Ok(Self { inner: Arc::new(Inner { rocks, path: path.into(), numbers: Mutex::default(), _lock: lock }) })
    }

    /// The data directory.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    fn family(&self, family: Family) -> Result<&rocksdb::ColumnFamily, StoreError> {
        let handle = self.inner.rocks.cf_handle(family.name());
        handle.ok_or_else(|| StoreError::Io(format!("there is no column family {:?}", family.name())))
    }

    /// One value.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.rocks.get_cf(self.family(family)?, key).map_err(|error| self.failed(error))
    }

    /// Goes through entries in byte order from `from` on (towards smaller keys if `reverse`), as long as `visit` says
    /// so.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn scan(
        &self,
        family: Family,
        from: &[u8],
        reverse: bool,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let direction = if reverse { Direction::Reverse } else { Direction::Forward };
        let mode = IteratorMode::From(from, direction);
        for entry in self.inner.rocks.iterator_cf(self.family(family)?, mode) {
            let (key, value) = entry.map_err(|error| self.failed(error))?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    /// Goes through the entries from `from` on, up to but without `to`, as long as `visit` says so; backwards if `reverse`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn walk(
        &self,
        family: Family,
        from: &[u8],
        to: Option<&[u8]>,
        reverse: bool,
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        let mut entries = self.inner.rocks.raw_iterator_cf_opt(self.family(family)?, options);
        if reverse {
            entries.seek_to_last()
        } else {
            entries.seek_to_first()
        }
        while let Some((key, value)) = entries.item() {
            if !visit(key, value) {
                return Ok(());
            }
            if reverse { entries.prev() } else { entries.next() }
        }
        entries.status().map_err(|error| self.failed(error))
    }

    /// Goes through the entries from the last one at or before `at` on, if it is not before `from`, else from `from` on;
    /// up to but without `to`, as long as `visit` says so. All of it sees one state of the database.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn walk_at(
        &self,
        family: Family,
        (from, at, to): (&[u8], &[u8], &[u8]),
        mut visit: impl FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        let mut entries = self.inner.rocks.raw_iterator_cf_opt(self.family(family)?, options);
        entries.seek_for_prev(at);
        if !entries.valid() && entries.status().is_ok() {
            entries.seek(from);
        }
        while let Some((key, value)) = entries.item() {
            if !visit(key, value) {
                return Ok(());
            }
            entries.next();
        }
        entries.status().map_err(|error| self.failed(error))
    }

    /// Deletes the entries from `from` on, up to but without `to`, and applies the writes, all at once.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the disk refuses; nothing was changed.
    pub fn clear(&self, family: Family, from: &[u8], to: &[u8], writes: &Writes) -> Result<(), StoreError> {
        let mut batch = self.batch(writes)?;
        batch.delete_range_cf(self.family(family)?, from, to);
        self.write(batch, true)
    }

    /// Applies all writes, or none. With `sync` they outlast a loss of power when this returns, else a kill of the
    /// process.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the disk refuses; the same writes may be applied again.
    pub fn apply(&self, writes: &Writes, sync: bool) -> Result<(), StoreError> {
        self.write(self.batch(writes)?, sync)
    }

    fn batch(&self, writes: &Writes) -> Result<WriteBatch, StoreError> {
        let mut batch = WriteBatch::with_capacity_bytes(writes.batch_bytes());
        let mut at = (Family::Meta, self.family(Family::Meta)?);
        for (family, key, value) in writes.iter() {
            if family != at.0 {
                at = (family, self.family(family)?);
            }
            let family = at.1;
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        Ok(batch)
    }

    fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.inner.rocks.write_opt(batch, &options).map_err(|error| self.failed(error))
    }

    /// What a failure means for the one who meets it: damage does not go away by trying again.
    fn failed(&self, error: rocksdb::Error) -> StoreError {
        failure(&self.inner.path, error)
    }
}

/// Share of a write buffer that its filter takes: ten bits a key for entries of some sixty bytes.
const BUFFER_FILTER_RATIO: f64 = 0.02;

fn options(family: Family, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    let mut options = Options::default();
    if family == Family::Log {
        // Batches are large and written once: as blobs they are not copied by every compaction.
        options.set_enable_blob_files(true);
        options.set_min_blob_size(1024);
        options.set_enable_blob_gc(true);
    } else {
        table.set_bloom_filter(10.0, false);
        // Keys that are not there are the common case of a growing state: the write buffer is not searched for them.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(BUFFER_FILTER_RATIO);
        options.set_compression_type(DBCompressionType::Lz4);
    }
    options.set_block_based_table_factory(&table);
    options
}

/// What the system says when a disk or its limits refuse. Anything else that cannot be read is damage: a file that is
/// missing, cut off or changed.
const REFUSALS: [&str; 7] = [
    "No space left on device",
    "Disk quota exceeded",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
    "Input/output error",
    "File too large",
];

fn failure(path: &Path, error: rocksdb::Error) -> StoreError {
    let kind = error.kind();
    let reason = error.into_string();
    let refused = REFUSALS.iter().any(|refusal| reason.contains(refusal));
    match kind {
        ErrorKind::Corruption | ErrorKind::NotFound | ErrorKind::InvalidArgument if !refused => {
            StoreError::Damaged { path: path.into(), reason }
        }
        ErrorKind::IOError if !refused => StoreError::Damaged { path: path.into(), reason },
        _ => StoreError::Io(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_and_another_format_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let second = Db::open(directory.path(), Settings::default()).expect_err("locked");
        assert!(second.to_string().contains(&std::process::id().to_string()), "{second}");
        drop(db);
        std::fs::write(directory.path().join("FORMAT"), "99\n").unwrap();
        let other = Db::open(directory.path(), Settings::default()).expect_err("another format");
        assert!(matches!(other, StoreError::Format { .. }), "{other}");
    }

    #[test]
    fn a_damaged_directory_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        drop(Db::open(directory.path(), Settings::default()).unwrap());
        let current = directory.path().join("rocks/CURRENT");
        std::fs::write(&current, "MANIFEST-9").unwrap();
        let error = Db::open(directory.path(), Settings::default()).expect_err("damaged");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read_to_string(&current).unwrap(), "MANIFEST-9");
    }
}
