//! Batches that a real Kafka wrote are read record by record as Kafka itself reads them, and what we write is what Kafka
//! reads. The files and how they were made: `tests/fixtures/batches`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use millstream::record::batch::{Batch, BatchBuilder, Batches, Compression, Rewriter, set_base_offset};
use millstream::record::{Cell, Offset, headers};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/batches")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Batches and their records, in the words of `Dump.java`.
fn dump(bytes: Vec<u8>) -> Vec<Value> {
    let mut lines = Vec::new();
    for batch in Batches::new(Arc::new(bytes)).map(Result::unwrap) {
        let (base, last) = (batch.base_offset().get(), batch.last_offset().get());
        lines.push(json!({ "batch": base, "last": last, "control": batch.is_control() }));
        if !batch.is_control() {
            records(&batch, &mut lines);
        }
    }
    lines
}

fn records(batch: &Batch, lines: &mut Vec<Value>) {
    let text = |cell: Cell| cell.of(batch.payload()).map(hex);
    for record in batch.records().map(Result::unwrap) {
        let section = record.headers.of(batch.payload()).unwrap_or_default();
        let headers: Vec<Value> =
            headers::iter(section).map(|(name, value)| json!([hex(name), value.map(hex)])).collect();
        lines.push(json!({
            "offset": record.offset.get(),
            "timestamp": record.timestamp,
            "key": text(record.key),
            "value": text(record.value),
            "headers": headers,
        }));
    }
}

/// What Kafka says about a file; of a batch what we say of it too.
fn kafka(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.jsonl"))).unwrap();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for key in ["transactional", "compression", "max-timestamp"] {
            line.as_object_mut().unwrap().remove(key);
        }
        line
    };
    text.lines().map(line).collect()
}

#[test]
fn kafkas_batches_are_read_as_kafka_reads_them() {
    for (name, lines) in
        [("none", 53), ("lz4", 53), ("zstd", 53), ("append-time", 3), ("transactional", 15), ("compacted", 28)]
    {
        let expected = kafka(name);
        assert_eq!(expected.len(), lines, "{name}: the fixture is whole");
        let found = dump(std::fs::read(fixtures().join(format!("{name}.log"))).unwrap());
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn the_marks_of_a_batch_are_seen() {
    let of = |name: &str| {
        let bytes = std::fs::read(fixtures().join(format!("{name}.log"))).unwrap();
        let batches = Batches::new(Arc::new(bytes)).map(Result::unwrap);
        batches.map(|batch| (batch.is_control(), batch.is_transactional(), batch.len())).collect::<Vec<_>>()
    };
    // Three transactions of three records, the second aborted: each ends with a marker.
    assert_eq!(of("transactional"), [(false, true, 3), (true, true, 1)].repeat(3));
    assert!(of("lz4").iter().all(|marks| *marks == (false, false, marks.2)));
    // Compaction left one record of nine in each of the older batches.
    assert_eq!(of("compacted").iter().map(|marks| marks.2).collect::<Vec<_>>(), [1, 1, 1, 1, 9, 9]);
}

/// What our writers make of records of every shape.
fn ours() -> Vec<u8> {
    let section = headers::extend(&[], &[("a", Some(b"1")), ("null", None), ("a", Some(b""))]);
    let mut file = Vec::new();
    for (number, codec) in (0..).zip([Compression::None, Compression::Lz4, Compression::Zstd]) {
        let mut builder = BatchBuilder::new(codec);
        builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
        builder.append(1_699_999_999_993, None, Some(b""), &section);
        builder.append(0, Some(b""), None, &[]);
        builder.append(1_700_086_400_000, None, None, &[]);
        builder.append(1_700_000_000_001, Some("käse".as_bytes()), Some(&b"0123456789".repeat(100)), &[]);
        let mut batch = builder.finish();
        set_base_offset(&mut batch, Offset::new(5 * number));
        file.extend(batch);
    }
    let mut rewriter = Rewriter::new(Offset::new(15), Some(1_700_000_100_000));
    rewriter.append(Offset::new(17), 1_700_000_000_005, (Some(b"gone"), None), &[]);
    rewriter.append(Offset::new(30), 1_700_000_000_006, (Some(b"here"), Some(b"1")), &section);
    rewriter.cover(Offset::new(39));
    file.extend(rewriter.finish());
    file
}

#[test]
fn kafka_reads_our_batches_as_we_do() {
    if let Some(path) = std::env::var_os("MILLSTREAM_WRITE_BATCHES") {
        std::fs::write(path, ours()).unwrap();
    }
    let expected = kafka("ours");
    assert_eq!(expected.len(), 4 + 15 + 2);
    assert_eq!(dump(std::fs::read(fixtures().join("ours.log")).unwrap()), expected, "the file that Kafka read");
    assert_eq!(dump(ours()), expected, "what we write now");
}
