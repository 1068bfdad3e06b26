//! The rows that lie with a process when it starts: how much of them it goes on with after it was killed, and when they
//! are none of its changelog's any more.

#[cfg(feature = "kill-points")]
use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::host::{Ended, Host};
use crate::standby::{numbered, restored};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Rows that are there when something happens to them or to their changelog.
const ROWS: usize = 100;

type Rows = BTreeMap<String, String>;

/// An app with one store, on one partition.
struct App {
    bootstrap: String,
    client: Client,
    input: String,
    changelog: String,
    at: tempfile::TempDir,
}

impl App {
    fn new(broker: &Broker, app: &str) -> Self {
        let (bootstrap, at) = (broker.bootstrap(), tempfile::tempdir().expect("a directory"));
        let node = format!("[node.rows]\nop = \"table\"\ntopic = \"{app}.in\"\nstore = \"rows\"\nchangelog = true\n");
        let manifest = format!("manifest = 1\napp = \"{app}\"\n{node}");
        std::fs::write(at.path().join("millstream.toml"), manifest).expect("a manifest");
        let client = Client::to(&bootstrap);
        let (input, changelog) = (format!("{app}.in"), format!("{app}-rows-changelog"));
        client.create(&input, 1, &[]);
        Self { bootstrap, client, input, changelog, at }
    }

    fn produce(&self, numbers: std::ops::Range<usize>) {
        self.client.produce(&self.input, &numbered(numbers, 1));
    }

    fn until_end(&self) -> Ended {
        let ended = Host::until_end(self.at.path(), &self.bootstrap);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        ended
    }

    /// Works off so many records, and is told to end.
    fn with_rows(self) -> Self {
        self.produce(0..ROWS);
        self.until_end();
        assert_eq!(rows(self.at.path()).len(), ROWS);
        self
    }

    /// Records of its changelog.
    fn logged(&self) -> Vec<Record> {
        self.client.read(&self.changelog, Isolation::Committed)
    }

    /// It says why it reads its changelog anew, has what is there and nothing else, and goes on with that.
    #[track_caller]
    fn reads_anew(&self, why: &str, count: usize) {
        let ended = self.until_end();
        assert!(ended.log.contains(&format!("the local copy of a store is read anew: {why}")), "{}", ended.log);
        assert_eq!(restored(&ended.log, 0), count as u64);
        assert_eq!(rows(self.at.path()), said_by(&self.logged()));
        self.produce(5000..5001);
        let ended = self.until_end();
        assert_eq!(restored(&ended.log, 0), 0, "it is a copy again");
        let found = rows(self.at.path());
        assert_eq!((found.len(), &found), (count + 1, &said_by(&self.logged())));
    }
}

/// The rows that lie with the process of a directory.
fn rows(at: &Path) -> Rows {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let found = command.args(["state", "range", "rows", "-f", "%k=%s\\n"]).current_dir(at).output().expect("it runs");
    let text = String::from_utf8_lossy(&found.stdout);
    let row = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    text.lines().filter_map(row).collect()
}

/// The rows that a changelog stands for.
fn said_by(records: &[Record]) -> Rows {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut rows = Rows::new();
    for record in records {
        let key = text(record.key.as_deref().expect("a key"));
        match record.value.as_deref() {
            Some(value) => rows.insert(key, text(value)),
            None => rows.remove(&key),
        };
    }
    rows
}

#[cfg(feature = "kill-points")]
#[test]
fn a_process_that_was_killed_restores_no_more_than_what_its_state_lacks() {
    const MANY: usize = 5000;
    const MORE: usize = 100;
    let app = App::new(Broker::shared(), "killed");
    app.produce(0..MANY);
    let host = Host::run(app.at.path(), &app.bootstrap, &[]);
    await_that("all rows lie here", || rows(app.at.path()).len() == MANY);
    drop(host);
    // The next one is killed between a commit and what it does to the state.
    app.produce(MANY..MANY + MORE);
    let at = [("MILLSTREAM_KILL_AT", "kafka-before-state:1")];
    let ended = Host::run_in(app.at.path(), &app.bootstrap, &[], &at).end();
    assert_eq!(ended.code, None, "{}", ended.log);
    assert!(!ended.log.contains("restoring a store"), "the first one's state lacks nothing: {}", ended.log);
    let lacks = app.logged().len() - MANY;
    assert!((1..=MORE).contains(&lacks), "INVALID: {lacks} records are committed that the state lacks");
    let ended = app.until_end();
    assert_eq!(restored(&ended.log, 0), lacks as u64, "records that were restored: {}", ended.log);
    let found = rows(app.at.path());
    assert_eq!((found.len(), &found), (MANY + MORE, &said_by(&app.logged())));
}

/// By the topic's id alone, which brokers must tell for that: by its offsets the copy could be one.
#[test]
fn a_copy_of_a_changelog_that_was_made_anew_and_is_longer_by_now_is_not_gone_on_with() {
    let app = App::new(Broker::shared(), "made-anew").with_rows();
    app.client.delete(&app.changelog);
    app.client.create(&app.changelog, 1, &[("cleanup.policy", "compact")]);
    app.client.produce(&app.changelog, &numbered(1000..1000 + 2 * ROWS, 1));
    app.reads_anew("its changelog was deleted and made again", 2 * ROWS);
}

/// As after the election of a leader that had not got all of it: the topic is the same one.
#[test]
fn a_copy_of_a_changelog_that_lost_its_end_is_not_gone_on_with() {
    const LEFT: usize = 10;
    let mut broker = Broker::start(1, &[]);
    let app = App::new(&broker, "lost-its-end").with_rows();
    broker.kill(1);
    let files = broker.directory().join("n1/log").join(format!("{}-0", app.changelog));
    for file in std::fs::read_dir(files).expect("the changelog lies here") {
        let file = file.expect("a file").path();
        if !file.ends_with("partition.metadata") {
            std::fs::remove_file(file).expect("it can be deleted");
        }
    }
    broker.restart(1);
    // librdkafka may leave the one of before without brokers.
    let app = App { client: Client::to(&app.bootstrap), ..app };
    app.client.produce(&app.changelog, &numbered(1000..1000 + LEFT, 1));
    app.reads_anew("its changelog ends before what was read of it", LEFT);
}

#[test]
fn a_copy_of_a_changelog_that_begins_later_by_now_is_not_gone_on_with() {
    const LEFT: usize = 30;
    let app = App::new(Broker::shared(), "begins-later").with_rows();
    // As another process goes on.
    app.client.produce(&app.changelog, &numbered(1000..1000 + ROWS, 1));
    let (_, end) = app.client.bounds(&app.changelog, 0, Isolation::Committed);
    // Brokers delete nothing from topics that are compacted only.
    app.client.set(&app.changelog, "cleanup.policy", "compact,delete");
    app.client.delete_records(&app.changelog, 0, end - LEFT as i64);
    app.client.set(&app.changelog, "cleanup.policy", "compact");
    app.reads_anew("its changelog begins behind what was read of it", LEFT);
}
