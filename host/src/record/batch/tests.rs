use super::*;
use crate::record::headers;
use proptest::prelude::*;
use std::sync::Arc;

type Plain = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

fn build(records: &[Plain], compression: Compression) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression);
    for (timestamp, key, value, headers) in records {
        builder.append(*timestamp, key.as_deref(), value.as_deref(), headers);
    }
    builder.finish()
}

fn read(bytes: Vec<u8>) -> Result<Vec<(Offset, Plain)>, BatchError> {
    let mut all = Vec::new();
    for batch in Batches::new(Arc::new(bytes)) {
        let batch = batch?;
        for record in batch.records() {
            let record = record?;
            let bytes = |cell: crate::record::Cell| cell.of(batch.payload()).map(<[u8]>::to_vec);
            let headers = bytes(record.headers).unwrap_or_default();
            all.push((record.offset, (record.timestamp, bytes(record.key), bytes(record.value), headers)));
        }
    }
    Ok(all)
}

fn field() -> impl Strategy<Value = Option<Vec<u8>>> {
    proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200))
}

fn records() -> impl Strategy<Value = Vec<Plain>> {
    let header = (".{0,9}", field());
    let section = proptest::collection::vec(header, 0..4).prop_map(|list| {
        headers::encode(
            list.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect::<Vec<_>>().into_iter(),
        )
    });
    proptest::collection::vec((any::<i64>(), field(), field(), section), 1..30)
}

proptest! {
    #[test]
    fn comes_back(records in records(), codec in 0..3usize, base in 0..i64::MAX / 2) {
        let mut bytes = build(&records, [Compression::None, Compression::Lz4, Compression::Zstd][codec]);
        set_base_offset(&mut bytes, Offset::new(base));
        let summary = summary(&bytes).expect("a batch");
        prop_assert_eq!(summary.size, bytes.len());
        prop_assert_eq!(summary.timestamp_max, records.iter().map(|record| record.0).max().unwrap());
        let expected: Vec<_> = (base..).map(Offset::new).zip(records).collect();
        prop_assert_eq!(summary.last, expected.last().unwrap().0);
        prop_assert_eq!(read(bytes).expect("sound"), expected);
    }

    /// Whatever is changed behind the fields that the checksum does not cover is found.
    #[test]
    fn finds_damage(records in records(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        let mut bytes = build(&records, Compression::None);
        let at = 16 + at.index(bytes.len() - 16);
        bytes[at] ^= flip;
        prop_assert!(read(bytes).is_err());
    }

    #[test]
    fn finds_truncation(records in records(), at in any::<prop::sample::Index>()) {
        let mut bytes = build(&records, Compression::None);
        bytes.truncate(1 + at.index(bytes.len() - 1));
        prop_assert!(read(bytes).is_err());
    }

    /// With a right checksum over wrong bytes there is still no panic.
    #[test]
    fn survives_forgery(records in records(), at in any::<prop::sample::Index>(), byte: u8, codec in 0..3usize) {
        let mut bytes = build(&records, [Compression::None, Compression::Lz4, Compression::Zstd][codec]);
        let at = CRC_END + at.index(bytes.len() - CRC_END);
        bytes[at] = byte;
        let checksum = crc32c::crc32c(&bytes[CRC_END..]);
        bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
        let _ = read(bytes);
    }

    #[test]
    fn survives_garbage(bytes: Vec<u8>) {
        let _ = read(bytes);
    }
}

#[test]
fn refuses_what_it_does_not_read() {
    let mut bytes = build(&[(0, None, None, Vec::new())], Compression::None);
    bytes[22] = 2;
    let checksum = crc32c::crc32c(&bytes[CRC_END..]);
    bytes[17..21].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(read(bytes), Err(BatchError::Compression { offset: Offset::new(0), name: "snappy" }));
}
