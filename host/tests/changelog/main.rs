//! A store is what its changelog says, whatever happened to either.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use millstream::record::batch::{BatchBuilder, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition};
use millstream::run::{App, Host, open};
use millstream::store::{Db, Entry, KeyValueStore, Local};
use millstream::task::{Need, Restore};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{Fetch, Transaction, Transport, Truth};
use millstream::worker::Shared;
use proptest::prelude::*;
use std::path::Path;

const MANIFEST: &str = r#"
manifest = 1
app = "app"
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
const DAY: i64 = 24 * 3600 * 1000;

type Change = (u8, i64, Option<Vec<u8>>);

fn place(topic: &str) -> TopicPartition {
    TopicPartition::new(Topic::new(topic), Partition::new(0))
}

fn changelog() -> TopicPartition {
    place("app-rows-changelog")
}

/// An app on a data directory, with its log.
struct Home {
    directory: tempfile::TempDir,
    app: App,
    unlogged: App,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let app = load(directory.path(), MANIFEST);
        let unlogged = load(directory.path(), &MANIFEST.replace("changelog = true\n", ""));
        Self { directory, app, unlogged }
    }

    fn open(&self) -> (Db, EmbeddedLog) {
        open(&self.directory.path().join("data"), false).unwrap()
    }

    /// Appends the changes in batches of so many and lets the app process all there is.
    fn run(&self, app: &App, changes: &[Change], batch: usize) {
        let (db, mut log) = self.open();
        let host = Host::over(db, log.clone());
        app.make_topics(&mut log).unwrap();
        for changes in changes.chunks(batch) {
            let mut builder = BatchBuilder::new(Compression::None);
            for (key, time, value) in changes {
                builder.append(*time, Some(&[*key]), value.as_deref(), &[]);
            }
            let outputs = vec![(place("in"), builder.finish())];
            log.commit("test", &Transaction { outputs, ..Transaction::default() }).unwrap();
            // A run a batch, so that the changelog gets many batches too.
            app.run(&host, 1, true, &Shared::new(1)).unwrap();
        }
        app.run(&host, 1, true, &Shared::new(1)).unwrap();
    }

    fn rows(&self) -> Vec<Entry> {
        let (db, _) = self.open();
        rows(&store(&db))
    }

    fn end(&self, topic: &str) -> Offset {
        self.open().1.bounds(&place(topic)).unwrap().1
    }
}

fn load(directory: &Path, manifest: &str) -> App {
    let path = directory.join("millstream.toml");
    std::fs::write(&path, manifest).unwrap();
    App::load(&path, false).unwrap()
}

fn store(db: &Db) -> KeyValueStore {
    KeyValueStore::existing(db, "app", "rows", 0).unwrap().unwrap()
}

fn rows(store: &KeyValueStore) -> Vec<Entry> {
    let mut all = Vec::new();
    store
        .visit_committed(&[], None, &mut |key, time, value| {
            all.push((key.to_vec(), time, value.to_vec()));
            true
        })
        .unwrap();
    all
}

/// Restores for so many steps of one batch each, then the process is gone. Says whether anything was left to do.
fn interrupted(home: &Home, steps: usize) -> bool {
    let (db, mut log) = home.open();
    let mut store = store(&db);
    let bounds = log.bounds(&changelog()).unwrap();
    let Some(mut restore) = Restore::begin(&mut store, changelog(), bounds, Truth::State).unwrap() else {
        return false;
    };
    for _ in 0..steps {
        let fetched = match restore.need() {
            None => return false,
            Some(Need::Batches(from)) => log.fetch(&changelog(), from, 1).unwrap(),
            Some(Need::Nothing) => Fetch::Pending,
        };
        let transaction = restore.step(&store, fetched).unwrap();
        log.commit("app", &transaction).unwrap();
    }
    restore.need().is_some()
}

fn change() -> impl Strategy<Value = Change> {
    (0..40u8, 0..1000i64, proptest::option::weighted(0.7, proptest::collection::vec(any::<u8>(), 0..6)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Rows, timestamps and deletions come back from the changelog, compacted or not, after an interrupted restore, and
    /// after a time without a changelog; nothing is said twice to the outside.
    #[test]
    fn a_store_comes_back(
        changes in proptest::collection::vec(change(), 1100..1800),
        batch in 40..400usize,
        passes in 0..3i64,
        steps in 0..6usize,
        unlogged in proptest::collection::vec(change(), 0..60),
    ) {
        let home = Home::new();
        home.run(&home.app, &changes, batch);
        let live = home.rows();
        prop_assert!(!live.is_empty());
        let out = home.end("out");
        for pass in 0..passes {
            let (_, log) = home.open();
            log.clean(DAY * 2 * (pass + 1), &|| true).unwrap();
        }

        store(&home.open().0).reset().unwrap();
        prop_assert_eq!(home.rows(), []);
        interrupted(&home, steps);
        home.run(&home.app, &[], 1);
        prop_assert_eq!(home.rows(), live);
        prop_assert_eq!(home.end("out"), out);
        prop_assert_eq!(store(&home.open().0).local().unwrap(), Local::Current(home.end("app-rows-changelog")));

        home.run(&home.unlogged, &unlogged, 1000);
        let live = home.rows();
        interrupted(&home, steps);
        home.run(&home.app, &[], 1);
        prop_assert_eq!(&home.rows(), &live, "a snapshot leaves the store as it is");
        store(&home.open().0).reset().unwrap();
        home.run(&home.app, &[], 1);
        prop_assert_eq!(home.rows(), live);
    }
}

#[test]
fn a_reset_says_what_comes_back() {
    let home = Home::new();
    let data = home.directory.path().join("data");
    home.run(&home.app, &[(1, 0, Some(vec![1])), (2, 7, Some(vec![]))], 10);
    let live = home.rows();
    let reset = home.app.reset_store(&data, "rows", false).unwrap();
    assert_eq!((reset.partitions, reset.rows, reset.changelog), (1, 2, Some(changelog().topic)));
    assert_eq!(home.rows(), live, "a dry run changes nothing");
    assert_eq!(home.app.reset_store(&data, "rows", true).unwrap().rows, 2);
    assert_eq!(home.rows(), []);
    home.run(&home.app, &[], 1);
    assert_eq!(home.rows(), live);
    home.run(&home.unlogged, &[(3, 0, Some(vec![3]))], 1);
    assert_eq!(home.app.reset_store(&data, "rows", false).unwrap().changelog, None, "the changelog lacks a row");
    assert_eq!(home.unlogged.reset_store(&data, "rows", false).unwrap().changelog, None);
    assert!(home.app.reset_store(&data, "none", true).unwrap_err().to_string().contains("MS-C002"));
}

#[test]
fn an_interrupted_restore_goes_on_where_it_was() {
    let home = Home::new();
    let changes: Vec<Change> = (0..100).map(|key| (key, 5, Some(vec![key]))).collect();
    home.run(&home.app, &changes, 10);
    store(&home.open().0).reset().unwrap();
    assert!(interrupted(&home, 3));
    assert_eq!(home.rows().len(), 30);
    assert!(interrupted(&home, 3));
    assert_eq!(home.rows().len(), 60);
    assert!(!interrupted(&home, 4));
    assert_eq!(home.rows().len(), 100);
}

#[test]
fn state_older_than_the_changelog_is_built_anew() {
    let home = Home::new();
    home.run(&home.app, &[(1, 0, Some(vec![1])), (2, 0, Some(vec![2]))], 1);
    store(&home.open().0).reset().unwrap();
    assert!(interrupted(&home, 1));
    // The changelog begins later now: what the state holds of what is gone cannot be trusted.
    home.run(&home.unlogged, &[], 1);
    {
        let (db, mut log) = home.open();
        let mut writes = millstream::store::Writes::default();
        store(&db).note(&mut writes, Offset::new(1));
        db.apply(&writes, false).unwrap();
        log.delete_records(&[(changelog(), Offset::new(2))]).unwrap();
    }
    home.run(&home.app, &[], 1);
    assert_eq!(home.rows(), []);
}

/// The process is killed in the middle of a restore, again and again; each start goes on where the last one came to.
#[cfg(feature = "kill-points")]
#[test]
fn killed_in_the_middle() {
    use std::os::unix::process::ExitStatusExt;
    let home = Home::new();
    let changes: Vec<Change> = (0..200).map(|key| (key, 5, Some(vec![key; 100_000]))).collect();
    home.run(&home.app, &changes, 10);
    let live = home.rows();
    store(&home.open().0).reset().unwrap();
    load(home.directory.path(), MANIFEST);
    let mut rows = 0;
    for kill in 0.. {
        let place = if kill % 2 == 0 { "restore-after-step:1" } else { "restore-before-step:2" };
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_millstream"))
            .current_dir(home.directory.path())
            .args(["--data-dir", "data", "run", "--until-end"])
            .env("MILLSTREAM_KILL_AT", place)
            .output()
            .unwrap();
        let now = home.rows().len();
        if run.status.success() {
            assert!(kill >= 3, "only {kill} kills");
            break;
        }
        assert_eq!(run.status.signal(), Some(9), "{}", String::from_utf8_lossy(&run.stderr));
        assert!(now > rows, "each start gets on: {now} rows after {rows}");
        rows = now;
    }
    assert_eq!(home.rows(), live);
}
