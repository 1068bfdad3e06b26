//! The data directory of a host that is not running: input goes in, raw entries come out.

use crate::export;
use crate::round::Place;
use millstream::record::{Offset, Partition, Topic, TopicPartition};
use millstream::store::{Db, Family, KeyValueStore, Settings};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{TopicSpec, Transaction, Transport};
use std::path::Path;

fn open(place: &Place) -> (Db, EmbeddedLog) {
    let db = Db::open(&place.data(), Settings::default()).expect("the data directory opens after a kill");
    let log = EmbeddedLog::open(db.clone(), true).expect("the log opens after a kill");
    (db, log)
}

/// Appends the tape's batches to the topics that its files name.
pub(crate) fn append_tape(place: &Place) {
    let (_, mut log) = open(place);
    let mut transaction = Transaction::default();
    for entry in std::fs::read_dir(place.tape()).expect("the tape is there") {
        let path = entry.expect("the tape can be read").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Some((topic, number)) = name.strip_suffix(".batches").and_then(|name| name.rsplit_once('-')) else {
            continue;
        };
        let partition = TopicPartition::new(Topic::new(topic), Partition::new(number.parse().expect("a number")));
        log.create_topic(&TopicSpec::new(Topic::new(topic), 4)).expect("a topic");
        let bytes = std::fs::read(&path).expect("the tape can be read");
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            // Kafka's batch: base offset, then the length of what follows.
            let length = u32::from_be_bytes(rest[8..12].try_into().expect("four bytes"));
            let (batch, after) = rest.split_at(12 + length as usize);
            transaction.outputs.push((partition.clone(), batch.to_vec()));
            rest = after;
        }
    }
    log.commit("tape", &transaction).expect("the tape is appended");
}

/// Stores of the app, each with a changelog.
const STORES: [&str; 6] = ["stories", "runs", "counts", "totals", "profiles", "cities"];

/// Takes all rows of all stores away, as if another machine went on with the topics alone. Says how many there were.
pub(crate) fn lose_state(place: &Place) -> u64 {
    let (db, _) = open(place);
    let mut rows = 0;
    for (store, partition) in STORES.iter().flat_map(|store| (0..4).map(move |partition| (store, partition))) {
        let mut store = KeyValueStore::open(&db, "crash", store, partition).expect("a store");
        rows += store.count().expect("a store can be read");
        store.reset().expect("a store can be cleared");
    }
    rows
}

/// How much input is left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// Records of the topics that the app reads first.
    pub(crate) text: i64,
    /// Records of all topics that it reads.
    pub(crate) all: i64,
}

/// Counts what is left and writes all entries to a file for the verifier.
pub(crate) fn export(place: &Place, to: &Path) -> Left {
    let (db, mut log) = open(place);
    let mut left = Left { text: 0, all: 0 };
    for spec in log.topics().expect("topics") {
        let name = spec.name.as_str();
        let read = matches!(name, "lines" | "more" | "profiles" | "notes") || name.ends_with("-repartition");
        for partition in spec.all_partitions().filter(|_| read) {
            let (_, end) = log.bounds(&partition).expect("bounds");
            let committed = log.committed("crash", &partition).expect("an offset").unwrap_or(Offset::new(0));
            let lag = end.get() - committed.get();
            left.all += lag;
            left.text += if matches!(name, "lines" | "more") { lag } else { 0 };
        }
    }
    export::export(&db, &[(Family::Meta, "meta"), (Family::KeyValue, "key-value"), (Family::Log, "log")], to);
    left
}
