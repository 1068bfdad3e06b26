//! Data directories that are damaged, and disks that are full.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod damage;
mod full;

use millstream::record::batch::{BatchBuilder, Batches, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition};
use millstream::run::{RunError, open};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{Transaction, Transport, TransportError};
use std::path::Path;
use std::sync::Arc;

fn place(topic: &str) -> TopicPartition {
    TopicPartition::new(Topic::new(topic), Partition::new(0))
}

/// The log of a data directory.
fn log(data: &Path) -> Result<EmbeddedLog, RunError> {
    open(data, false).map(|(_, log)| log)
}

/// Appends numbered values of so many bytes, each in a commit of its own.
fn append(log: &mut EmbeddedLog, topic: &str, numbers: std::ops::Range<u32>, size: usize) {
    for number in numbers {
        let mut builder = BatchBuilder::new(Compression::None);
        let key = number.to_be_bytes();
        // Not the same byte all over, so that nothing packs it small.
        let value: Vec<u8> = (0u32..).map(|at| (at.wrapping_mul(number) >> 3).to_le_bytes()[0]).take(size).collect();
        builder.append(1, Some(&key), Some(&value), &[]);
        let outputs = vec![(place(topic), builder.finish())];
        log.commit("test", &Transaction { outputs, ..Transaction::default() }).unwrap();
    }
}

/// The numbers in a topic, as they lie there.
fn numbers(log: &mut EmbeddedLog, topic: &str) -> Result<Vec<u32>, TransportError> {
    let (mut all, mut from) = (Vec::new(), Offset::new(0));
    while let Some(fetched) = log.fetch(&place(topic), from, 1 << 20)?.batches() {
        for batch in Batches::new(Arc::new(fetched.batches)) {
            let batch = batch.map_err(|error| TransportError::Corrupt(error.to_string()))?;
            for record in batch.records().map(Result::unwrap) {
                let key = record.key.of(batch.payload()).unwrap();
                all.push(u32::from_be_bytes(key.try_into().unwrap()));
            }
        }
        from = fetched.next;
    }
    Ok(all)
}
