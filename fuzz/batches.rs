//! Record batches from anyone: no bytes make the reader panic or fill the memory, and what it reads can be written again.
//! The room is compiled here by itself, so that the database is not built for it.

#![no_main]
#![expect(dead_code, unreachable_pub, reason = "a part of the room is used")]

#[path = "../host/src/record/mod.rs"]
mod record;

use libfuzzer_sys::fuzz_target;
use record::batch::{Batch, Batches, HEADER_BYTES, Rewriter, summary};
use record::{Cell, Offset, headers};
use std::sync::Arc;

type Plain = (Offset, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

/// All records of a batch; none if it is damaged.
fn records(batch: &Batch) -> Option<Vec<Plain>> {
    let bytes = |cell: Cell| cell.of(batch.payload()).map(<[u8]>::to_vec);
    let plain = |record: record::batch::Record| {
        let headers = bytes(record.headers).unwrap_or_default();
        assert!(headers::iter(&headers).count() <= headers.len());
        (record.offset, record.timestamp, bytes(record.key), bytes(record.value), headers)
    };
    batch.records().map(|record| record.ok().map(plain)).collect()
}

/// Makes length, version and checksum right, so that what is behind them is reached.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().max(HEADER_BYTES), 0);
    let length = u32::try_from(bytes.len() - 12).unwrap_or(0);
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    bytes[16] = 2;
    let checksum = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn check(bytes: Vec<u8>) {
    let bytes = Arc::new(bytes);
    let first = summary(&bytes);
    for (number, batch) in Batches::new(bytes).enumerate() {
        let Ok(batch) = batch else { continue };
        let Some(all) = records(&batch) else { continue };
        assert_eq!(all.len(), batch.len());
        assert!(all.is_sorted_by(|a, b| a.0 < b.0), "offsets rise");
        assert!(all.last().is_none_or(|last| last.0 <= batch.last_offset()));
        if number == 0 {
            let first = first.expect("what is read has a header");
            assert_eq!((first.base, first.last), (batch.base_offset(), batch.last_offset()));
        }
        let mut rewriter = Rewriter::new(batch.base_offset(), batch.delete_horizon());
        for (offset, timestamp, key, value, headers) in &all {
            rewriter.append(*offset, *timestamp, (key.as_deref(), value.as_deref()), headers);
        }
        rewriter.cover(batch.last_offset());
        let again = Batches::new(Arc::new(rewriter.finish())).next().expect("a batch").expect("a sound batch");
        assert_eq!(records(&again), Some(all));
        assert_eq!((again.base_offset(), again.last_offset()), (batch.base_offset(), batch.last_offset()));
        assert_eq!(again.delete_horizon(), batch.delete_horizon());
    }
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes.to_vec());
    check(mended(bytes));
});
