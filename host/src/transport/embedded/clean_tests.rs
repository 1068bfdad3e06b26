use super::tests::*;
use super::*;
use crate::record::batch::{BatchBuilder, Compression};
use crate::store::Settings;
use crate::transport::Cleanup;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Plain = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);

fn open(directory: &std::path::Path) -> EmbeddedLog {
    EmbeddedLog::open(Db::open(directory, Settings::default()).unwrap(), false).unwrap()
}

/// Everything from an offset on, in fetches of so many bytes.
fn read(log: &mut EmbeddedLog, from: i64, bytes_max: usize) -> Vec<Plain> {
    read_until(log, from, i64::MAX, bytes_max)
}

fn read_until(log: &mut EmbeddedLog, from: i64, to: i64, bytes_max: usize) -> Vec<Plain> {
    let (mut all, mut from) = (Vec::new(), Offset::new(from));
    while let Some(fetched) = log.fetch(&partition(0), from, bytes_max).unwrap().batches() {
        for batch in Batches::new(Arc::new(fetched.batches)) {
            let batch = batch.unwrap();
            for record in batch.records().map(Result::unwrap).filter(|record| record.offset >= from) {
                let bytes = |cell: crate::record::Cell| cell.of(batch.payload()).map(<[u8]>::to_vec);
                let (key, value) = (bytes(record.key), bytes(record.value));
                let headers = bytes(record.headers).unwrap_or_default();
                all.push((record.offset.get(), record.timestamp, key, value, headers));
            }
        }
        assert!(fetched.next > from, "a fetch gets on");
        from = fetched.next;
        if from.get() >= to {
            break;
        }
    }
    all.retain(|record| record.0 < to);
    all
}

/// The table that a topic makes.
fn table(records: &[Plain]) -> BTreeMap<Vec<u8>, (i64, Vec<u8>)> {
    let mut table = BTreeMap::new();
    for (_, time, key, value, _) in records {
        match (key, value) {
            (Some(key), Some(value)) => drop(table.insert(key.clone(), (*time, value.clone()))),
            (Some(key), None) => drop(table.remove(key)),
            (None, _) => {}
        }
    }
    table
}

fn keyed() -> impl Strategy<Value = (i64, Option<u8>, Option<Vec<u8>>, bool)> {
    let value = proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..40));
    (0..5000i64, proptest::option::weighted(0.95, 0..12u8), value, any::<bool>())
}

fn topic(log: &mut EmbeddedLog, spec: TopicSpec) {
    log.create_topic(&TopicSpec { name: Topic::new("t"), partitions: 1, ..spec }).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// After any passes the topic makes the same table; what stays is as it was, in its place; the last record of every
    /// key stays; a reader that began before goes on to the same table.
    #[test]
    fn compaction_keeps_the_table(
        tape in proptest::collection::vec((proptest::collection::vec(keyed(), 1..12), 0..4u8), 1..30),
        bytes_max in 1..4000usize,
        early in 0..200i64,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path());
        topic(&mut log, TopicSpec { cleanup: Cleanup::Compact, ..TopicSpec::new(Topic::new("t"), 1) });
        let mut written: Vec<Plain> = Vec::new();
        let mut now = 0;
        for (round, (records, after)) in tape.into_iter().enumerate() {
            let codec = [Compression::None, Compression::Lz4, Compression::Zstd][round % 3];
            let mut builder = BatchBuilder::new(codec);
            for (time, key, value, header) in records {
                let key = key.map(|key| vec![key]);
                let headers = if header { crate::record::headers::extend(&[], &[("h", Some(b"1"))]) } else { Vec::new() };
                builder.append(time, key.as_deref(), value.as_deref(), &headers);
                written.push((i64::try_from(written.len()).unwrap(), time, key, value, headers));
            }
            append(&mut log, vec![(partition(0), builder.finish())]);
            match after {
                0 => {
                    now += compact::DELETE_RETENTION / 2 + 1;
                    log.clean(now, &|| true).unwrap();
                }
                1 => log = { drop(log); open(directory.path()) },
                _ => {}
            }
        }
        let whole = table(&written);
        let end = i64::try_from(written.len()).unwrap();
        let early = early.min(end);
        let mut reader = read_until(&mut log, 0, early, bytes_max);
        log.clean(now, &|| true).unwrap();
        let left = read(&mut log, 0, bytes_max);
        prop_assert_eq!(table(&left), whole.clone());
        prop_assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(0), Offset::new(end)));
        for record in &left {
            prop_assert_eq!(record, &written[usize::try_from(record.0).unwrap()]);
        }
        for key in whole.keys() {
            let last = written.iter().rev().find(|record| record.2.as_ref() == Some(key));
            prop_assert!(left.iter().any(|record| Some(record) == last), "the last record of {:?}", key);
        }
        let unkeyed = |all: &[Plain]| all.iter().filter(|record| record.2.is_none()).count();
        prop_assert_eq!(unkeyed(&left), unkeyed(&written));
        for from in [0, 1, end / 2, end - 1] {
            let expected: Vec<_> = left.iter().filter(|record| record.0 >= from).cloned().collect();
            prop_assert_eq!(read(&mut log, from, bytes_max), expected, "from {}", from);
        }
        reader.extend(read(&mut log, early, bytes_max));
        prop_assert_eq!(table(&reader), whole, "a reader that was at {}", early);
    }

    /// From the head goes, batch by batch, what is too old or more than is wanted, and nothing else; offsets go on.
    #[test]
    fn retention_takes_from_the_head(
        batches in proptest::collection::vec((1..8usize, 0..1000i64), 0..30),
        retention in proptest::option::of(0..1000u64),
        retention_bytes in proptest::option::of(0..3000u64),
        now in 0..2000i64,
        more in 1..4usize,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = open(directory.path());
        let retention = retention.map(Duration::from_millis);
        topic(&mut log, TopicSpec { retention, retention_bytes, ..TopicSpec::new(Topic::new("t"), 1) });
        // Sizes are counted from here on, so that what commits add is seen too.
        log.clean(0, &|| true).unwrap();
        let mut kept = std::collections::VecDeque::new();
        let mut end = 0;
        for (count, time) in batches {
            let bytes = batch(&vec!["value"; count], time);
            let last_time = time + i64::try_from(count).unwrap() - 1;
            kept.push_back((end, last_time, bytes.len() as u64));
            end += i64::try_from(count).unwrap();
            append(&mut log, vec![(partition(0), bytes)]);
        }
        let mut size: u64 = kept.iter().map(|batch| batch.2).sum();
        let oldest = retention.map(|time| now - i64::try_from(time.as_millis()).unwrap());
        while let Some((_, time, bytes)) = kept.front().copied() {
            let old = oldest.is_some_and(|oldest| time < oldest);
            let spare = retention_bytes.is_some_and(|wanted| size - bytes >= wanted);
            if !old && !spare {
                break;
            }
            size -= bytes;
            kept.pop_front();
        }
        let start = kept.front().map_or(end, |batch| batch.0);
        log.clean(now, &|| true).unwrap();
        for reopened in [false, true] {
            if reopened {
                drop(log);
                log = open(directory.path());
            }
            prop_assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(start), Offset::new(end)));
            prop_assert_eq!(read(&mut log, start, 1).len(), usize::try_from(end - start).unwrap());
            if start > 0 {
                let gone = log.fetch(&partition(0), Offset::new(start - 1), 1);
                let out_of_range = matches!(gone, Err(TransportError::OutOfRange { .. }));
                prop_assert!(out_of_range);
            }
        }
        append(&mut log, vec![(partition(0), batch(&vec!["more"; more], 0))]);
        let after = read(&mut log, end, 1);
        prop_assert_eq!(after.first().map(|record| record.0), Some(end));
        prop_assert_eq!(after.len(), more);
    }
}

#[test]
fn deletions_are_forgotten_after_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    topic(&mut log, TopicSpec { cleanup: Cleanup::Compact, ..TopicSpec::new(Topic::new("t"), 1) });
    let put = |log: &mut EmbeddedLog, key: &[u8], value: Option<&[u8]>| {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(5, Some(key), value, &[]);
        append(log, vec![(partition(0), builder.finish())]);
    };
    let fill = |log: &mut EmbeddedLog| (0..20).for_each(|_| put(log, b"other", Some(b"x")));
    let offsets = |log: &mut EmbeddedLog| read(log, 0, 1 << 20).iter().map(|record| record.0).collect::<Vec<_>>();
    put(&mut log, b"k", Some(b"v"));
    put(&mut log, b"k", None);
    fill(&mut log);
    log.clean(1000, &|| true).unwrap();
    assert_eq!(offsets(&mut log), [1, 20, 21], "the deletion stays, and the last batch is left alone");
    assert_eq!(read(&mut log, 1, 1)[0].1, 5, "with its own timestamp");
    fill(&mut log);
    log.clean(1000 + compact::DELETE_RETENTION, &|| true).unwrap();
    assert_eq!(offsets(&mut log), [1, 40, 41], "for a day");
    fill(&mut log);
    log.clean(1001 + compact::DELETE_RETENTION, &|| true).unwrap();
    assert_eq!(offsets(&mut log), [60, 61]);
}

/// A topic that was compacted meanwhile is smaller than it was when its size was counted.
#[test]
fn retention_by_size_counts_anew_after_compaction() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    let by_size = TopicSpec { retention_bytes: Some(2000), ..TopicSpec::new(Topic::new("t"), 1) };
    topic(&mut log, by_size.clone());
    log.clean(0, &|| true).unwrap();
    for value in 0..20u8 {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(5, Some(b"k"), Some(&[value; 200]), &[]);
        append(&mut log, vec![(partition(0), builder.finish())]);
    }
    log.alter_topic(&TopicSpec { cleanup: Cleanup::Compact, ..by_size.clone() }).unwrap();
    assert!(log.clean(0, &|| true).unwrap().records_compacted > 0);
    let left = read(&mut log, 0, 1 << 20);
    log.alter_topic(&by_size).unwrap();
    assert_eq!(log.clean(0, &|| true).unwrap().batches_deleted, 0);
    assert_eq!(read(&mut log, 0, 1 << 20), left);
}

#[test]
fn records_before_an_offset_go() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    topic(&mut log, TopicSpec::new(Topic::new("t"), 1));
    append(&mut log, vec![(partition(0), batch(&["a", "b"], 0)), (partition(0), batch(&["c", "d"], 0))]);
    log.delete_records(&[(partition(0), Offset::new(3))]).unwrap();
    assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(3), Offset::new(4)));
    assert_eq!(read(&mut log, 3, 1).len(), 1);
    log.delete_records(&[(partition(0), Offset::new(1))]).unwrap();
    assert_eq!(log.bounds(&partition(0)).unwrap().0, Offset::new(3), "never back");
    assert!(matches!(log.delete_records(&[(partition(0), Offset::new(5))]), Err(TransportError::Refused(_))));
    log.delete_records(&[(partition(0), Offset::new(4))]).unwrap();
    drop(log);
    let mut log = open(directory.path());
    assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(4), Offset::new(4)));
    assert_eq!(log.fetch(&partition(0), Offset::new(4), 1).unwrap().batches().map(|fetched| fetched.next), None);
}

/// The disk refused the write that moved the start: it is in memory only.
#[test]
fn a_start_that_was_not_written_is_written_with_the_deletions() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(directory.path());
    topic(&mut log, TopicSpec { retention: Some(std::time::Duration::ZERO), ..TopicSpec::new(Topic::new("t"), 1) });
    append(&mut log, vec![(partition(0), batch(&["a", "b"], 0))]);
    log.state().starts.insert(partition(0), Offset::new(2));
    assert_eq!(log.clean(1000, &|| true).unwrap().batches_deleted, 1);
    drop(log);
    let mut log = open(directory.path());
    assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(2), Offset::new(2)), "offsets are not given twice");
}

/// Two who make topics at once get topics of their own.
#[test]
fn topics_made_at_once_do_not_share() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (mut log, start) = (log.clone(), &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..20 {
                    // Half of them make the same topics.
                    let name = if thread % 2 == 0 { format!("both-{round}") } else { format!("{thread}-{round}") };
                    let topic = Topic::new(&name);
                    log.create_topic(&TopicSpec::new(topic.clone(), 1)).unwrap();
                    let place = TopicPartition::new(topic, Partition::new(0));
                    append(&mut log, vec![(place, batch(&["x"], 0))]);
                }
            });
        }
    });
    let mut log = log;
    for spec in log.topics().unwrap() {
        let expected = if spec.name.as_str().starts_with("both") { 4 } else { 1 };
        let place = TopicPartition::new(spec.name.clone(), Partition::new(0));
        assert_eq!(log.bounds(&place).unwrap().1, Offset::new(expected), "{}", spec.name);
        let fetched = log.fetch(&place, Offset::new(0), 1 << 20).unwrap().batches().unwrap();
        let records: usize = Batches::new(Arc::new(fetched.batches)).map(|batch| batch.unwrap().len()).sum();
        assert_eq!(i64::try_from(records).unwrap(), expected, "{}", spec.name);
    }
}
