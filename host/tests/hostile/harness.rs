//! Runs the `millstream` binary over a tape on the embedded log, and reads what it left there.

use millstream::record::batch::{BatchBuilder, Batches, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition, headers};
use millstream::run::open;
use millstream::transport::{TopicSpec, Transaction, Transport};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// A record, as it is put in and as it comes out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<String>)>,
    pub(crate) timestamp: i64,
}

impl Record {
    pub(crate) fn of(value: &str) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    pub(crate) fn keyed(key: &str, value: &str) -> Self {
        Self { key: Some(key.into()), ..Self::of(value) }
    }

    /// The value as text; `null` for null.
    pub(crate) fn text(&self) -> String {
        self.value.as_deref().map_or_else(|| "null".into(), |value| String::from_utf8_lossy(value).into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.and_then(|(_, value)| value.as_deref()).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }
}

/// A compiled guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    built("wasm32-unknown-unknown", name)
}

/// A compiled guest that uses WASI.
pub(crate) fn wasi_guest(name: &str) -> PathBuf {
    built("wasm32-wasip2", name)
}

fn built(target: &str, name: &str) -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let guests = std::env::var("MILLSTREAM_GUESTS").unwrap_or_else(|_| format!("{home}/.cache/millstream/guests"));
    let path = PathBuf::from(guests).join(target).join("release").join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is not there; run make guests", path.display());
    path
}

/// An app of one node between two topics, and its input.
pub(crate) struct App {
    pub(crate) component: PathBuf,
    /// Lines of the plugin's table.
    pub(crate) limits: &'static str,
    /// Lines of the node's table besides `from` and `on-error`.
    pub(crate) node: &'static str,
    /// What the sink reads.
    pub(crate) policy: &'static str,
    pub(crate) input: Vec<Record>,
}

/// What a run left.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    /// The log and the error.
    pub(crate) stderr: String,
    pub(crate) out: Vec<Record>,
    pub(crate) dead: Vec<Record>,
    /// Offset up to which the input was processed and committed.
    pub(crate) committed: Option<i64>,
}

impl Ran {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.out.iter().map(Record::text).collect()
    }

    /// The last value of a key.
    pub(crate) fn last(&self, key: &str) -> Option<String> {
        self.out.iter().rev().find(|record| record.key.as_deref() == Some(key.as_bytes())).map(Record::text)
    }
}

impl App {
    /// Stateless: the plugin's operator over each record.
    pub(crate) fn over(component: PathBuf, node: &'static str, input: Vec<Record>) -> Self {
        Self { component, limits: "", node, policy: "dead-letter", input }
    }

    fn manifest(&self) -> String {
        let Self { component, limits, node, policy, .. } = self;
        let (grouped, from) = if node.contains("\"aggregate\"") {
            ("[node.grouped]\nop = \"group-by-key\"\nfrom = \"in\"\n", "grouped")
        } else {
            ("", "in")
        };
        let read = if grouped.is_empty() { "tried" } else { "changes" };
        let changes = if grouped.is_empty() { "" } else { "[node.changes]\nop = \"to-stream\"\nfrom = \"tried\"\n" };
        format!(
            "manifest = 1\napp = \"hostile\"\n\
             [plugin.p]\ncomponent = {component:?}\n{limits}\n\
             [node.in]\nop = \"stream\"\ntopic = \"in\"\n{grouped}\
             [node.tried]\nfrom = \"{from}\"\non-error = \"{policy}\"\n{node}\n{changes}\
             [node.out]\nop = \"to\"\nfrom = \"{read}\"\ntopic = \"out\"\n\
             [errors]\ndead-letter-topic = \"dead\"\n"
        )
    }

    /// Runs it to the end of the input.
    pub(crate) fn run(&self) -> Ran {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        let manifest = directory.path().join("millstream.toml");
        std::fs::write(&manifest, self.manifest()).expect("the manifest is written");
        produce(&data, &self.input);
        let output = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .env("MILLSTREAM_CACHE_DIR", cache())
            .args(["--data-dir".as_ref(), data.as_os_str(), "run".as_ref(), "--until-end".as_ref()])
            .args(["--manifest".as_ref(), manifest.as_os_str()])
            .output()
            .expect("the binary runs");
        let (_db, mut log) = open(&data, false).expect("the log opens again");
        let input = TopicPartition::new(Topic::new("in"), Partition::new(0));
        let committed = log.committed("hostile", &input).expect("offsets can be read").map(Offset::get);
        Ran {
            code: output.status.code(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            out: consume(&mut log, "out"),
            dead: consume(&mut log, "dead"),
            committed,
        }
    }
}

/// Where compiled guests are kept between tests and runs.
pub(crate) fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests")
}

fn produce(data: &std::path::Path, records: &[Record]) {
    let (_db, mut log) = open(data, false).expect("a log");
    let partition = TopicPartition::new(Topic::new("in"), Partition::new(0));
    log.create_topic(&TopicSpec::new(partition.topic.clone(), 1)).expect("a topic");
    let mut transaction = Transaction::default();
    for records in records.chunks(100) {
        let mut builder = BatchBuilder::new(Compression::None);
        for Record { key, value, headers: list, timestamp } in records {
            let list = list.iter().map(|(name, value)| (name.as_bytes(), value.as_deref().map(str::as_bytes)));
            builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers::encode(list));
        }
        transaction.outputs.push((partition.clone(), builder.finish()));
    }
    log.commit("tape", &transaction).expect("the tape is written");
}

fn consume(log: &mut impl Transport, topic: &str) -> Vec<Record> {
    let topic = Topic::new(topic);
    let mut found = Vec::new();
    if log.topic(&topic).expect("topics can be read").is_none() {
        return found;
    }
    let (partition, mut from) = (TopicPartition::new(topic, Partition::new(0)), Offset::new(0));
    while let Some(fetched) = log.fetch(&partition, from, 1 << 20).expect("records can be read").batches() {
        for batch in Batches::new(Arc::new(fetched.batches)) {
            let batch = batch.expect("a sound batch");
            for record in batch.records().map(|record| record.expect("a sound record")) {
                let bytes = |cell: millstream::record::Cell| cell.of(batch.payload()).map(<[u8]>::to_vec);
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let section = record.headers.of(batch.payload()).unwrap_or_default();
                found.push(Record {
                    key: bytes(record.key),
                    value: bytes(record.value),
                    headers: headers::iter(section).map(|(name, value)| (text(name), value.map(text))).collect(),
                    timestamp: record.timestamp,
                });
            }
        }
        from = fetched.next;
    }
    found
}
