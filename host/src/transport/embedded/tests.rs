use super::*;
use crate::record::batch::{BatchBuilder, Compression};
use crate::store::Settings;

pub(super) fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(Topic::new("t"), Partition::new(number))
}

pub(super) fn batch(values: &[&str], timestamp: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for (later, value) in (0i64..).zip(values) {
        builder.append(timestamp + later, None, Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

pub(super) fn append(log: &mut EmbeddedLog, outputs: Vec<(TopicPartition, Vec<u8>)>) {
    let transaction = Transaction { outputs, offsets: vec![(partition(0), Offset::new(7))], ..Transaction::default() };
    log.commit("group", &transaction).unwrap();
}

fn values(log: &mut EmbeddedLog, partition: &TopicPartition, mut from: Offset, bytes_max: usize) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    while let Some(fetched) = log.fetch(partition, from, bytes_max).unwrap().batches() {
        for batch in Batches::new(Arc::new(fetched.batches)) {
            let batch = batch.unwrap();
            for record in batch.records().map(Result::unwrap).filter(|record| record.offset >= from) {
                let value = record.value.of(batch.payload()).unwrap();
                all.push((record.offset.get(), String::from_utf8(value.to_vec()).unwrap()));
            }
        }
        from = fetched.next;
    }
    all
}

#[test]
fn keeps_what_was_committed_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let spec = TopicSpec::new(Topic::new("t"), 2);
    {
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let mut log = EmbeddedLog::open(db, true).unwrap();
        log.create_topic(&spec).unwrap();
        append(&mut log, vec![(partition(0), batch(&["a", "b"], 10)), (partition(1), batch(&["x"], 5))]);
        append(&mut log, vec![(partition(0), batch(&["c"], 20)), (partition(0), batch(&["d"], 30))]);
    }
    let db = Db::open(directory.path(), Settings::default()).unwrap();
    let mut log = EmbeddedLog::open(db, true).unwrap();
    assert_eq!(log.topics().unwrap(), [spec]);
    assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(0), Offset::new(4)));
    assert_eq!(log.committed("group", &partition(0)).unwrap(), Some(Offset::new(7)));
    let all = ["a", "b", "c", "d"].map(str::to_owned);
    let expected: Vec<_> = (0i64..).zip(all).collect();
    for bytes_max in [1, 80, 1 << 20] {
        for from in 0..4 {
            let read = values(&mut log, &partition(0), Offset::new(from), bytes_max);
            assert_eq!(read, expected[usize::try_from(from).unwrap()..], "from {from}");
        }
    }
    assert_eq!(values(&mut log, &partition(1), Offset::new(0), 1).len(), 1);
    assert_eq!(log.offset_at(&partition(0), 11).unwrap(), Some(Offset::new(1)));
    assert_eq!(log.offset_at(&partition(0), 31).unwrap(), None);
    append(&mut log, vec![(partition(0), batch(&["e"], 40))]);
    assert_eq!(values(&mut log, &partition(0), Offset::new(4), 1), [(4, "e".to_owned())]);
}

#[test]
fn an_unknown_partition_commits_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = EmbeddedLog::open(Db::open(directory.path(), Settings::default()).unwrap(), true).unwrap();
    log.create_topic(&TopicSpec::new(Topic::new("t"), 1)).unwrap();
    let outputs = vec![(partition(0), batch(&["a"], 0)), (partition(1), batch(&["b"], 0))];
    let transaction = Transaction { outputs, ..Transaction::default() };
    assert!(matches!(log.commit("group", &transaction), Err(TransportError::Unknown(_))));
    assert_eq!(log.bounds(&partition(0)).unwrap().1, Offset::new(0));
}
