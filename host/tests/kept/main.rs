//! What an app does about records that are gone, and what it lets go of itself.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use millstream::record::batch::{BatchBuilder, Batches, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition};
use millstream::run::{App, Host, open};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{Transaction, Transport};
use millstream::worker::Shared;
use std::path::Path;
use std::sync::Arc;

const MANIFEST: &str = r#"
manifest = 1
app = "app"
[guarantee]
auto-offset-reset = "RESET"
repartition-purge-interval = "0ms"
[topic.in]
retention-bytes = "1MiB"
[node.lines]
op = "stream"
topic = "in"
[node.again]
op = "repartition"
from = "lines"
[node.out]
op = "to"
from = "again"
topic = "out"
"#;

fn place(topic: &str) -> TopicPartition {
    TopicPartition::new(Topic::new(topic), Partition::new(0))
}

fn app(directory: &Path, reset: &str) -> App {
    let path = directory.join("millstream.toml");
    std::fs::write(&path, MANIFEST.replace("RESET", reset)).unwrap();
    App::load(&path, false).unwrap()
}

fn append(log: &mut EmbeddedLog, values: &[&str]) {
    for value in values {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1, Some(b"k"), Some(value.as_bytes()), &[]);
        let outputs = vec![(place("in"), builder.finish())];
        log.commit("test", &Transaction { outputs, ..Transaction::default() }).unwrap();
    }
}

/// Runs to the end of the input; says what went wrong.
fn run(directory: &Path, reset: &str) -> Result<(), String> {
    let app = app(directory, reset);
    let (db, log) = open(&directory.join("data"), false).unwrap();
    app.run(&Host::over(db, log), 1, true, &Shared::new(1)).map_err(|error| error.to_string())
}

/// What an app did with the input: its outputs so far.
fn outputs(directory: &Path) -> Vec<String> {
    let (_, mut log) = open(&directory.join("data"), false).unwrap();
    if log.topic(&Topic::new("out")).unwrap().is_none() {
        return Vec::new();
    }
    let Some(fetched) = log.fetch(&place("out"), Offset::new(0), 1 << 20).unwrap().batches() else { return Vec::new() };
    let mut all = Vec::new();
    for batch in Batches::new(Arc::new(fetched.batches)).map(Result::unwrap) {
        for record in batch.records().map(Result::unwrap) {
            all.push(String::from_utf8(record.value.of(batch.payload()).unwrap().to_vec()).unwrap());
        }
    }
    all
}

#[test]
fn a_source_begins_where_the_manifest_says() {
    for (reset, expected) in [("earliest", vec!["c", "d"]), ("latest", vec!["d"])] {
        let directory = tempfile::tempdir().unwrap();
        let (_, mut log) = open(&directory.path().join("data"), false).unwrap();
        app(directory.path(), reset).make_topics(&mut log).unwrap();
        append(&mut log, &["a", "b", "c"]);
        log.delete_records(&[(place("in"), Offset::new(2))]).unwrap();
        drop(log);
        let refused = run(directory.path(), "none").unwrap_err();
        assert!(refused.starts_with("MS-R005") && refused.contains("in-0"), "{refused}");
        run(directory.path(), reset).unwrap();
        if reset == "latest" {
            assert_eq!(outputs(directory.path()), [""; 0]);
        }
        append(&mut open(&directory.path().join("data"), false).unwrap().1, &["d"]);
        run(directory.path(), "earliest").unwrap();
        // That the first run began at the end is kept, although it processed nothing.
        assert_eq!(outputs(directory.path()), expected, "{reset}");
    }
}

#[test]
fn records_that_are_gone_are_skipped_or_stopped_at() {
    for (reset, expected) in [("earliest", vec!["a", "e", "f", "g"]), ("latest", vec!["a", "g"])] {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        run(at, reset).unwrap();
        append(&mut open(&at.join("data"), false).unwrap().1, &["a"]);
        run(at, reset).unwrap();
        {
            let (_, mut log) = open(&at.join("data"), false).unwrap();
            append(&mut log, &["b", "c", "d", "e", "f"]);
            log.delete_records(&[(place("in"), Offset::new(4))]).unwrap();
        }
        let refused = run(at, "none").unwrap_err();
        assert!(
            refused.contains("MS-R006") && refused.contains("offset 4") && refused.contains("offset 1"),
            "{refused}"
        );
        assert_eq!(outputs(at), ["a"], "what cannot go on changes nothing");
        run(at, reset).unwrap();
        append(&mut open(&at.join("data"), false).unwrap().1, &["g"]);
        run(at, reset).unwrap();
        assert_eq!(outputs(at), expected, "{reset}");
    }
}

#[test]
fn a_repartition_topic_holds_what_is_not_processed_only() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    run(at, "earliest").unwrap();
    for round in 1..4i64 {
        append(&mut open(&at.join("data"), false).unwrap().1, &["a", "b"]);
        run(at, "earliest").unwrap();
        let (_, mut log) = open(&at.join("data"), false).unwrap();
        let bounds = log.bounds(&place("app-again-repartition")).unwrap();
        assert_eq!(bounds, (Offset::new(2 * round), Offset::new(2 * round)));
        assert_eq!(log.bounds(&place("in")).unwrap(), (Offset::new(0), Offset::new(2 * round)));
    }
    assert_eq!(outputs(at).len(), 6);
}

#[test]
fn settings_reach_topics_that_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut log) = open(&directory.path().join("data"), false).unwrap();
    log.create_topic(&millstream::transport::TopicSpec::new(Topic::new("in"), 3)).unwrap();
    drop(log);
    let (_, mut log) = open(&directory.path().join("data"), false).unwrap();
    app(directory.path(), "earliest").make_topics(&mut log).unwrap();
    let spec = log.topic(&Topic::new("in")).unwrap().unwrap();
    assert_eq!((spec.partitions, spec.retention_bytes), (3, Some(1 << 20)));
}

#[test]
fn topics_of_the_app_itself_are_not_set_up_by_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("millstream.toml");
    let own = "[topic.app-again-repartition]\nretention = \"1ms\"\n[node.lines]";
    std::fs::write(&path, MANIFEST.replace("RESET", "earliest").replace("[node.lines]", own)).unwrap();
    let (_, mut log) = open(&directory.path().join("data"), false).unwrap();
    let refused = App::load(&path, false).unwrap().make_topics(&mut log).unwrap_err().to_string();
    assert!(refused.starts_with("MS-R008") && refused.contains("app-again-repartition"), "{refused}");
    assert_eq!(log.topics().unwrap(), []);
}

#[test]
fn what_comes_after_the_beginning_is_processed() {
    let directory = tempfile::tempdir().unwrap();
    let (db, mut log) = open(&directory.path().join("data"), false).unwrap();
    let app = app(directory.path(), "latest");
    app.make_topics(&mut log).unwrap();
    append(&mut log, &["before"]);
    app.begin(&Host::over(db.clone(), log.clone())).unwrap();
    // As an input does that is fed while the tasks are being made.
    append(&mut log, &["after"]);
    app.run(&Host::over(db.clone(), log.clone()), 1, true, &Shared::new(1)).unwrap();
    drop((db, log));
    assert_eq!(outputs(directory.path()), ["after"]);
}

#[test]
fn a_topic_with_other_partitions_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (_, mut log) = open(&directory.path().join("data"), false).unwrap();
    for (topic, partitions) in [("in", 3), ("app-again-repartition", 2)] {
        log.create_topic(&millstream::transport::TopicSpec::new(Topic::new(topic), partitions)).unwrap();
    }
    let mut made = |was: &str, becomes: &str| {
        let path = directory.path().join("millstream.toml");
        let text = MANIFEST.replace("RESET", "earliest");
        std::fs::write(&path, text.replace(was, &format!("{was}\n{becomes}"))).unwrap();
        App::load(&path, false).unwrap().make_topics(&mut log).map_err(|error| error.to_string())
    };
    made("[topic.in]", "partitions = 3").unwrap();
    made("op = \"repartition\"", "partitions = 2").unwrap();
    for (was, becomes, words) in [
        ("[topic.in]", "partitions = 2", "topic in has 3 partitions"),
        ("op = \"repartition\"", "partitions = 4", "topic app-again-repartition has 2 partitions"),
    ] {
        let refused = made(was, becomes).unwrap_err();
        assert!(refused.starts_with("MS-R009") && refused.contains(words), "{refused}");
    }
}

/// Two topics that are read together, and one that only the manifest names.
const MERGED: &str = r#"
manifest = 1
app = "app"
[topic.a-first]
partitions = 2
[topic.left]
partitions = LEFT
[topic.right]
partitions = RIGHT
[node.left]
op = "stream"
topic = "left"
[node.right]
op = "stream"
topic = "right"
[node.both]
op = "merge"
from = ["left", "right"]
[node.out]
op = "to"
from = "both"
topic = "out"
"#;

#[test]
fn a_start_that_is_refused_leaves_no_topic_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("millstream.toml");
    let (_, mut log) = open(&directory.path().join("data"), false).unwrap();
    let mut made = |left: &str, right: &str| {
        std::fs::write(&path, MERGED.replace("LEFT", left).replace("RIGHT", right)).unwrap();
        let refused = App::load(&path, false).unwrap().make_topics(&mut log).map_err(|error| error.to_string());
        let names: Vec<String> = log.topics().unwrap().iter().map(|spec| spec.name.to_string()).collect();
        (refused, names)
    };
    let (refused, names) = made("2", "3");
    assert!(refused.unwrap_err().starts_with("MS-R004"), "{names:?}");
    assert_eq!(names, [""; 0]);
    let mut there = log_with(&directory.path().join("other"), "right", 1);
    std::fs::write(&path, MERGED.replace("LEFT", "2").replace("RIGHT", "2")).unwrap();
    let refused = App::load(&path, false).unwrap().make_topics(&mut there).unwrap_err().to_string();
    assert!(refused.starts_with("MS-R009: topic right has 1 partition and"), "{refused}");
    assert_eq!(there.topics().unwrap().len(), 1);
    let (done, names) = made("2", "2");
    assert_eq!((done, names), (Ok(()), ["a-first", "left", "out", "right"].map(String::from).to_vec()));
}

fn log_with(data: &Path, topic: &str, partitions: i32) -> EmbeddedLog {
    let (_, mut log) = open(data, false).unwrap();
    log.create_topic(&millstream::transport::TopicSpec::new(Topic::new(topic), partitions)).unwrap();
    log
}
