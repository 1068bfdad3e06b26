//! The input records of the turn at hand, for those who ask where a row came from: few do, so that nothing is copied.

use crate::operator::Stop;
use crate::record::batch::Record;
use crate::record::{Cell, Chunk, Offset, Path, Row, TopicPartition};
use std::sync::Arc;

/// An input record.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Where it was read.
    pub partition: TopicPartition,
    /// Its offset.
    pub offset: Offset,
    /// The record itself.
    pub row: Row,
}

/// The input records of a turn, as runs of records of one batch.
#[derive(Debug, Default)]
pub(super) struct Origins {
    runs: Vec<Run>,
    records: usize,
}

#[derive(Debug)]
struct Run {
    /// The turn's number of its first record.
    first: usize,
    partition: TopicPartition,
    chunk: Chunk,
    records: Arc<Vec<Record>>,
    /// Its first record's place in the batch.
    from: usize,
}

impl Origins {
    /// Number of records.
    pub(super) const fn len(&self) -> usize {
        self.records
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.records = 0;
    }

    /// Adds `count` records of a batch, from `from` on, whose bytes are the turn's `chunk`.
    pub(super) fn add(
        &mut self,
        partition: &TopicPartition,
        chunk: Chunk,
        records: &Arc<Vec<Record>>,
        from: usize,
        count: usize,
    ) {
        let (partition, records) = (partition.clone(), Arc::clone(records));
        self.runs.push(Run { first: self.records, partition, chunk, records, from });
        self.records += count;
    }

    /// The record with this number.
    pub(super) fn get(&self, number: u32) -> Option<Origin> {
        let after = self.runs.partition_point(|run| run.first <= number as usize);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let record = run.records.get(run.from + (number as usize - run.first))?;
        let row = row_of(record, run.chunk, number);
        Some(Origin { partition: run.partition.clone(), offset: record.offset, row })
    }

    /// Where the record with this number was read.
    pub(super) fn place(&self, number: u32) -> Option<(TopicPartition, Offset)> {
        self.get(number).map(|origin| (origin.partition, origin.offset))
    }

    /// Says of a stop at a record where that record was read.
    pub(super) fn locate(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Record { node, origin, reason, .. } => {
                Stop::Record { node, origin, input: self.place(origin), reason }
            }
            other => other,
        }
    }
}

/// A record of a shared buffer as a row of the turn.
pub(super) fn row_of(record: &Record, chunk: Chunk, origin: u32) -> Row {
    Row {
        timestamp: record.timestamp,
        origin,
        path: Path::ROOT,
        key: record.key.moved(chunk),
        value: record.value.moved(chunk),
        old: Cell::NULL,
        headers: record.headers.moved(chunk),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Arena, Partition, Topic};

    #[test]
    fn finds_records_of_every_run() {
        let record = |number: i64| Record {
            offset: Offset::new(number),
            timestamp: number,
            key: Cell::NULL,
            value: Cell::EMPTY,
            headers: Cell::EMPTY,
        };
        let batch: Arc<Vec<Record>> = Arc::new((10..20).map(record).collect());
        let chunk = Arena::default().push(Vec::new());
        let [left, right] = [0, 1].map(|number| TopicPartition::new(Topic::new("t"), Partition::new(number)));
        let mut origins = Origins::default();
        origins.add(&left, chunk, &batch, 3, 2);
        origins.add(&right, chunk, &batch, 0, 1);
        origins.add(&left, chunk, &batch, 5, 4);
        let found = |number| origins.get(number).map(|origin| (origin.partition.partition.get(), origin.offset.get()));
        let all: Vec<_> = (0..7).map(|number| found(number).expect("a record of the turn")).collect();
        assert_eq!(all, [(0, 13), (0, 14), (1, 10), (0, 15), (0, 16), (0, 17), (0, 18)]);
        assert_eq!(origins.len(), 7);
        let stop = |origin| Stop::Record { node: "n".into(), origin, input: None, reason: "no".into() };
        let said = |origins: &Origins| origins.locate(stop(2)).to_string();
        assert_eq!(said(&origins), "node \"n\" failed on record t-1 at offset 10, and its policy is to stop: no");
        // What is handed on at a commit comes of no record of the turn: a commit begins without any.
        origins.clear();
        let held = "node \"n\" failed on a row that was held back until the commit, and its policy is to stop: no";
        assert_eq!(said(&origins), held);
    }
}
