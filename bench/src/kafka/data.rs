//! Inputs, written once; and what comes out, held against what must come out.

use super::Workload;
use super::cluster::Cluster;
use super::reader::Reader;
use super::writer::Writer;
use crate::Failure;
use crate::functions::{convert, words};
use crate::generate;
use millstream::record::{Partition, partition_for};
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::{Hash, Hasher};

/// Partitions of every topic.
pub(super) const PARTITIONS: i32 = 4;

/// What a topic holds, in whatever order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    /// Number of records; where only the last of each key counts, number of keys.
    pub(super) count: u64,
    /// Sum of the records' hashes: partition, key, value, time.
    sum: u64,
}

impl Digest {
    fn add(&mut self, partition: i32, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: i64) {
        let mut hasher = FxHasher::default();
        (partition, key, value, timestamp).hash(&mut hasher);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

/// The last record of each key: partition, value, time.
type Last = FxHashMap<Vec<u8>, (i32, Vec<u8>, i64)>;

fn digest(last: &Last) -> Digest {
    let mut digest = Digest::default();
    last.iter().for_each(|(key, (partition, value, time))| digest.add(*partition, Some(key), Some(value), *time));
    digest
}

/// Where Java's partitioner puts a key.
fn place(key: &[u8]) -> i32 {
    partition_for(Some(key), Partition::new(0), PARTITIONS).get()
}

/// An input, and what each workload makes of it.
pub(super) struct Inputs {
    /// Bids: copied, converted.
    copied: Digest,
    converted: Digest,
    /// Lines: counts.
    counted: Digest,
}

impl Inputs {
    /// What must come out.
    pub(super) fn expected(&self, workload: Workload) -> Digest {
        match workload {
            Workload::PassThrough => self.copied,
            Workload::Json => self.converted,
            Workload::WordCount => self.counted,
        }
    }

    /// Writes the topics that wanted workloads read.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn write(cluster: &Cluster, bids: usize, lines: usize) -> Result<Self, Failure> {
        // Topics first: a producer that knows one before it is there does not look again at once.
        for topic in [(bids, BIDS), (lines, LINES)].into_iter().filter(|(count, _)| *count > 0).map(|(_, topic)| topic)
        {
            cluster.create(topic)?;
        }
        let output = Writer::new(&cluster.bootstrap, None, &[BIDS, LINES])?;
        let mut inputs = Self { copied: Digest::default(), converted: Digest::default(), counted: Digest::default() };
        if bids > 0 {
            generate::each_bid(bids, |bid| {
                let key = bid.key.unwrap_or_default().to_string().into_bytes();
                let partition = place(&key);
                inputs.copied.add(partition, Some(&key), Some(bid.value), bid.timestamp);
                if let Some(kept) = convert(bid.value)? {
                    let value = serde_json::to_vec(&kept)?;
                    inputs.converted.add(partition, Some(&key), Some(&value), bid.timestamp);
                }
                output.send(0, 0, Some(&key), bid.value, bid.timestamp)
            })?;
        }
        if lines > 0 {
            let (mut partition, mut counts) = (0, FxHashMap::<Vec<u8>, (i64, i64)>::default());
            generate::each_line(lines, |line| {
                for word in words(line.value) {
                    let (count, time) = counts.entry(word.to_vec()).or_default();
                    (*count, *time) = (*count + 1, line.timestamp.max(*time));
                }
                partition = (partition + 1) % PARTITIONS;
                output.send(1, partition, None, line.value, line.timestamp)
            })?;
            for (word, (count, time)) in counts {
                inputs.counted.add(place(&word), Some(&word), Some(&count.to_be_bytes()), time);
            }
        }
        output.flush()?;
        Ok(inputs)
    }
}

/// The topic of bids.
pub(super) const BIDS: &str = "bids";
/// The topic of lines.
pub(super) const LINES: &str = "lines";

/// Reads what is committed of a topic: how many records it holds, and their digest, or that of each key's last.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read(cluster: &Cluster, topic: &str, last_only: bool) -> Result<(u64, Digest), Failure> {
    let (mut all, mut last) = (Digest::default(), Last::default());
    Reader::new(&cluster.bootstrap, topic)?.read_to_end(|message| {
        all.add(message.partition, message.key, message.value, message.timestamp);
        if last_only {
            let value = message.value.unwrap_or_default().to_vec();
            last.insert(message.key.unwrap_or_default().to_vec(), (message.partition, value, message.timestamp));
        }
        Ok(())
    })?;
    Ok((all.count, if last_only { digest(&last) } else { all }))
}
