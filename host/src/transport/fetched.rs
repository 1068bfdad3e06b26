//! What a fetch finds: batches as they lie in a log, or records that were taken apart on the way.

use crate::record::Offset;
use crate::record::batch::{BatchError, Batches, Record};
use std::sync::Arc;

/// What a fetch found.
#[derive(Debug)]
pub enum Fetch {
    /// Record batches.
    Batches(Fetched),
    /// Records.
    Records(Records),
    /// The partition ends here for a reader of committed records, and this is where the next one will be read: control
    /// records before it need no reading.
    End(Offset),
    /// It is not known yet what comes: it is on its way.
    Pending,
}

/// A stretch of record batches (Kafka's v2 format, each complete) of one partition, in offset order.
#[derive(Debug)]
pub struct Fetched {
    /// The batches, one after the other. The first may begin before the offset that was asked for; the reader skips.
    pub batches: Vec<u8>,
    /// Where to fetch next.
    pub next: Offset,
}

/// Records of one partition, in offset order.
#[derive(Debug)]
pub struct Records {
    /// What the records' cells are relative to.
    pub bytes: Arc<Vec<u8>>,
    /// The records; control records are not among them.
    pub records: Vec<Record>,
    /// Offset after them; it may lie behind the last one's, where others were taken away.
    pub next: Offset,
}

impl Fetch {
    /// The batches, where a log gives them out as they are; none at its end.
    pub fn batches(self) -> Option<Fetched> {
        match self {
            Self::Batches(fetched) => Some(fetched),
            Self::Records(_) | Self::End(_) | Self::Pending => None,
        }
    }

    /// Where to fetch next; none if nothing is known.
    pub const fn next(&self) -> Option<Offset> {
        match self {
            Self::Batches(Fetched { next, .. }) | Self::Records(Records { next, .. }) | Self::End(next) => Some(*next),
            Self::Pending => None,
        }
    }

    /// The records, batch by batch; of control batches none.
    pub fn records(self) -> impl Iterator<Item = Result<Records, BatchError>> {
        let (encoded, decoded) = match self {
            Self::Batches(fetched) => (Some(Batches::new(Arc::new(fetched.batches))), None),
            Self::Records(records) => (None, Some(Ok(records))),
            Self::End(_) | Self::Pending => (None, None),
        };
        let taken_apart = |batch: Result<crate::record::batch::Batch, BatchError>| {
            let batch = batch?;
            let mut records = Vec::with_capacity(batch.len());
            if !batch.is_control() {
                for record in batch.records() {
                    records.push(record?);
                }
            }
            Ok(Records { bytes: Arc::clone(batch.payload()), records, next: batch.last_offset().next() })
        };
        encoded.into_iter().flatten().map(taken_apart).chain(decoded)
    }
}
