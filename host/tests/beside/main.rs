//! Tools beside a running host, with the real binary: what a user does in a second terminal.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use millstream::record::batch::{BatchBuilder, Compression};
use millstream::record::{Partition, Topic, TopicPartition};
use millstream::run::Access;
use millstream::transport::Transaction;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

const MANIFEST: &str = r#"
manifest = 1
app = "beside"
[node.lines]
op = "stream"
topic = "in"
[node.rows]
op = "to-table"
from = "lines"
store = "rows"
changelog = true
[node.back]
op = "to-stream"
from = "rows"
[node.out]
op = "to"
from = "back"
topic = "out"
"#;

fn millstream(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.current_dir(directory).arg("--data-dir").arg("data").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = millstream(directory, arguments).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// A child that is killed at the end, however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn follow(directory: &Path, topic: &str) -> (Running, BufReader<ChildStdout>) {
    let mut child =
        millstream(directory, &["topic", "consume", topic, "--follow", "--format", r"%k=%s\n"]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (Running(child), lines)
}

fn next(lines: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Appends a keyed record, whoever holds the directory.
fn put(directory: &Path, key: &str, value: Option<&str>) {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    let place = TopicPartition::new(Topic::new("in"), Partition::new(0));
    let transaction = Transaction { outputs: vec![(place, builder.finish())], ..Transaction::default() };
    Access::open(&directory.join("data")).unwrap().log().unwrap().commit("test", &transaction).unwrap();
}

#[test]
fn a_second_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("millstream.toml"), MANIFEST).unwrap();
    done(at, &["run", "--until-end"]);
    put(at, "a", Some("1"));
    done(at, &["run", "--until-end"]);

    // A follower that was there before the host does not keep it from starting, and goes on through it.
    let (_input, mut inputs) = follow(at, "in");
    assert_eq!(next(&mut inputs), "a=1");
    let mut host = Running(millstream(at, &["run"]).spawn().unwrap());
    let (_output, mut outputs) = follow(at, "out");
    assert_eq!(next(&mut outputs), "a=1");
    put(at, "b", Some("2"));
    assert_eq!(next(&mut outputs), "b=2");
    assert_eq!(next(&mut inputs), "b=2");

    // Lines from another terminal; they have no key, so the table drops them.
    let mut produce = millstream(at, &["topic", "produce", "in"]);
    let mut produce = produce.stdin(Stdio::piped()).spawn().unwrap();
    produce.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    assert!(produce.wait().unwrap().success());
    assert_eq!((next(&mut inputs), next(&mut inputs)), ("=one".into(), "=two".into()));

    put(at, "a", None);
    assert_eq!((next(&mut inputs), next(&mut outputs)), ("a=".into(), "a=".into()));
    assert_eq!(done(at, &["state", "range", "rows"]), "b 2 1\n");
    let Output { status, stderr, .. } = millstream(at, &["state", "get", "rows", "a"]).output().unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(String::from_utf8(stderr).unwrap().contains("MS-C012"));
    let list = done(at, &["topic", "list"]);
    let words: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.contains(&vec!["in", "1", "5"]) && words.contains(&vec!["out", "1", "3"]), "{list}");

    // A second host is refused, and says by whom.
    let Output { status, stderr, .. } = millstream(at, &["run"]).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("MS-S001") && stderr.contains(&host.0.id().to_string()), "{stderr}");

    // What a killed host leaves behind is in no one's way, and followers go on without it.
    host.0.kill().unwrap();
    host.0.wait().unwrap();
    assert!(at.join("data/millstream.sock").exists(), "the socket is left over");
    put(at, "c", Some("3"));
    assert_eq!(next(&mut inputs), "c=3");
    done(at, &["run", "--until-end"]);
    assert_eq!(next(&mut outputs), "c=3");
    assert_eq!(done(at, &["state", "range", "rows"]), "b 2 1\nc 3 1\n");
}

/// Retention and compaction work while the app runs, and tell the others.
#[test]
fn retention_beside_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("millstream.toml"), format!("{MANIFEST}[topic.in]\nretention = \"1s\"\n")).unwrap();
    done(at, &["run", "--until-end"]);
    // Its timestamp lies in 1970: it goes at the host's first look, whether it was processed or not.
    put(at, "a", Some("1"));
    let _host = Running(millstream(at, &["run"]).stderr(Stdio::null()).spawn().unwrap());
    let none_left = |list: &str| list.lines().any(|line| line.split_whitespace().eq(["in", "1", "0"]));
    while !none_left(&done(at, &["topic", "list"])) {}
    assert_eq!(done(at, &["topic", "consume", "in"]), "");
}

#[test]
fn a_store_is_reset_and_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("millstream.toml"), MANIFEST).unwrap();
    done(at, &["run", "--until-end"]);
    put(at, "a", Some("1"));
    done(at, &["run", "--until-end"]);
    let told = done(at, &["state", "reset", "rows"]);
    assert!(told.starts_with("1 row in 1 partition of rows would be deleted") && told.contains("--yes"), "{told}");
    assert_eq!(done(at, &["state", "range", "rows"]), "a 1 1\n");
    let told = done(at, &["state", "reset", "rows", "--yes"]);
    assert!(told.contains("deleted; the next run restores them from beside-rows-changelog"), "{told}");
    assert_eq!(done(at, &["state", "range", "rows"]), "");
    done(at, &["run", "--until-end"]);
    assert_eq!(done(at, &["state", "range", "rows"]), "a 1 1\n");
}
