//! Data directories: filled with input before a run, read and checked after it.

use crate::Failure;
use millstream::record::batch::Batches;
use millstream::record::{Offset, Partition, Topic, TopicPartition};
use millstream::store::Db;
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{TopicSpec, Transaction, Transport};
use rustc_hash::FxHasher;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// Batches that one commit of the input holds.
const FILL_BATCHES: usize = 64;
/// Bytes that one fetch brings: as the host's worker does it.
pub(crate) const FETCH_BYTES: usize = 512 * 1024;

/// Partition 0 of a topic.
pub(crate) fn partition(topic: &str) -> TopicPartition {
    TopicPartition::new(Topic::new(topic), Partition::new(0))
}

/// Opens a data directory as `millstream run` does: commits are on the disk when they return.
///
/// # Errors
/// If it cannot be opened.
pub(crate) fn open(directory: &Path) -> Result<(Db, EmbeddedLog), Failure> {
    Ok(millstream::run::open(&directory.join("data"), true)?)
}

/// A directory whose topic `input` holds these batches, written out and at rest.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn filled(batches: &[Vec<u8>]) -> Result<TempDir, Failure> {
    let directory = tempfile::tempdir()?;
    let (_db, mut log) = open(directory.path())?;
    log.create_topic(&TopicSpec::new(Topic::new("input"), 1))?;
    for part in batches.chunks(FILL_BATCHES) {
        let outputs = part.iter().map(|batch| (partition("input"), batch.clone())).collect();
        log.commit("fill", &Transaction { outputs, ..Transaction::default() })?;
    }
    Ok(directory)
}

/// What an output topic holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest {
    /// Number of records.
    pub(crate) records: u64,
    /// Checksum of keys, values and timestamps, in order.
    pub(crate) all: u64,
    /// Checksum of the last value of each key.
    pub(crate) last: u64,
}

/// Reads the topic `output`.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn digest(directory: &Path) -> Result<Digest, Failure> {
    let (_db, mut log) = open(directory)?;
    let (mut from, mut records, mut all) = (Offset::new(0), 0, FxHasher::default());
    let mut last: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    while let Some(fetched) = log.fetch(&partition("output"), from, FETCH_BYTES)?.batches() {
        for batch in Batches::new(Arc::new(fetched.batches)) {
            let batch = batch?;
            for record in batch.records() {
                let record = record?;
                let (key, value) = (record.key.of(batch.payload()), record.value.of(batch.payload()));
                (key, value, record.timestamp).hash(&mut all);
                records += 1;
                if let (Some(key), Some(value)) = (key, value) {
                    last.insert(key.to_vec(), value.to_vec());
                }
            }
        }
        from = fetched.next;
    }
    let mut hasher = FxHasher::default();
    last.hash(&mut hasher);
    Ok(Digest { records, all: all.finish(), last: hasher.finish() })
}
