//! A store is never read as something else than what it was written as.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use millstream::plugin::port::{CallError, Description, Fields, Instance, Operator, Plugin, Schema};
use millstream::record::batch::{BatchBuilder, Compression};
use millstream::record::{Offset, Partition, Topic, TopicPartition};
use millstream::run::{App, Host, open};
use millstream::store::{Db, KeyValueStore, Writes};
use millstream::task::Blueprint;
use millstream::topology::{Manifest, Topology, plan};
use millstream::transport::embedded::EmbeddedLog;
use millstream::transport::{Transaction, Transport};
use millstream::worker::Shared;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const SOURCE: &str = r#"
manifest = 1
app = "app"
[node.lines]
op = "stream"
topic = "in"
[node.grouped]
op = "group-by-key"
from = "lines"
"#;
const LONG: &str = "op = \"count\"\nfrom = \"grouped\"";
const TEXT: &str = "op = \"count\"\nfrom = \"grouped\"\nformat = \"text\"";
const TABLE: &str = "op = \"to-table\"\nfrom = \"lines\"";

/// An app of one store, `rows`.
fn app(directory: &Path, node: &str, more: &str) -> App {
    let path = directory.join("millstream.toml");
    std::fs::write(&path, format!("{SOURCE}[node.rows]\n{node}\nstore = \"rows\"\n{more}")).unwrap();
    App::load(&path, false).unwrap()
}

fn place(topic: &str) -> TopicPartition {
    TopicPartition::new(Topic::new(topic), Partition::new(0))
}

/// Puts one more record in and lets the app process it; says what went wrong.
fn run(directory: &Path, app: &App) -> Result<(), String> {
    let (db, mut log) = open(&directory.join("data"), false).unwrap();
    app.make_topics(&mut log).unwrap();
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1, Some(b"k"), Some(b"a"), &[]);
    log.commit("test", &Transaction { outputs: vec![(place("in"), builder.finish())], ..Transaction::default() })
        .unwrap();
    app.run(&Host::over(db.clone(), log.clone()), 1, true, &Shared::new(1)).map_err(|error| error.to_string())
}

/// The values of the store.
fn values(directory: &Path) -> Vec<Vec<u8>> {
    let (db, _) = open(&directory.join("data"), false).unwrap();
    let mut found = Vec::new();
    let store = KeyValueStore::existing(&db, "app", "rows", 0).unwrap().unwrap();
    store
        .visit_committed(&[], None, &mut |_, _, value| {
            found.push(value.to_vec());
            true
        })
        .unwrap();
    found
}

#[test]
fn rows_of_another_op_are_refused_until_they_are_deleted() {
    for more in ["", "changelog = true"] {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        run(at, &app(at, LONG, more)).unwrap();
        for (node, now) in [(TEXT, "\"count text\""), (TABLE, "\"table\"")] {
            let refused = run(at, &app(at, node, more)).unwrap_err();
            assert!(refused.starts_with("MS-R010: store \"rows\" holds values of \"count long\""), "{refused}");
            assert!(refused.contains(now) && refused.contains("millstream state reset rows --yes"), "{refused}");
        }
        assert_eq!(values(at), [1i64.to_be_bytes()], "what is refused changes nothing");
        run(at, &app(at, LONG, more)).unwrap();
        assert_eq!(values(at), [4i64.to_be_bytes()], "the op that wrote them goes on, with what the others left");
        let other = app(at, TEXT, more);
        let reset = other.reset_store(&at.join("data"), "rows", true).unwrap();
        assert_eq!((reset.rows, reset.changelog, reset.was.as_deref()), (1, None, Some("count long")));
        run(at, &other).unwrap();
        assert_eq!(values(at), [b"1"], "neither rows nor changelog are left");
        assert!(run(at, &app(at, LONG, more)).unwrap_err().starts_with("MS-R010"));
    }
}

#[test]
fn a_changelog_of_another_op_is_refused_too() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let was = app(at, LONG, "changelog = true");
    run(at, &was).unwrap();
    // By the app that wrote them: the changelog stays, and would fill the store again.
    let reset = was.reset_store(&at.join("data"), "rows", true).unwrap();
    assert_eq!((reset.rows, reset.was), (1, None));
    assert_eq!(values(at), [[0; 0]; 0]);
    assert!(run(at, &app(at, TABLE, "changelog = true")).unwrap_err().starts_with("MS-R010"));
    run(at, &was).unwrap();
    assert_eq!(values(at), [3i64.to_be_bytes()]);
}

#[test]
fn a_store_without_rows_takes_any_op() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for node in [LONG, TABLE, TEXT] {
        let (db, log) = open(&at.join("data"), false).unwrap();
        app(at, node, "changelog = true").begin(&Host::over(db, log)).unwrap();
    }
    run(at, &app(at, TEXT, "changelog = true")).unwrap();
    assert_eq!(values(at), [b"1"]);
}

/// A plugin that only says what its states are.
struct Describes(Description);

impl Plugin for Describes {
    fn description(&self) -> &Description {
        &self.0
    }

    fn digest(&self) -> &'static str {
        ""
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, CallError> {
        Err(CallError::Refused { reason: "it is not to run".into() })
    }
}

/// An app of one aggregate with states of this layout.
fn fold(state: Option<(&str, u32)>) -> App {
    let text = format!(
        "{SOURCE}[node.rows]\nop = \"aggregate\"\nfrom = \"grouped\"\ncall = \"p.sum\"\nstore = \"rows\"\n[plugin.p]\ncomponent = \"p.wasm\"\n"
    );
    let manifest = Manifest::parse(&text).unwrap();
    let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings).unwrap();
    let operator = Operator {
        name: "sum".into(),
        kind: "aggregate".into(),
        docs: String::new(),
        reads: Fields::default(),
        outputs: Vec::new(),
        state: state.map(|(name, version)| Schema { name: name.into(), version }),
        stores: Vec::new(),
        params_schema: String::new(),
        properties: Vec::new(),
    };
    let (name, version, sdk) = ("p".into(), "1".into(), "none".into());
    let plugin: Arc<dyn Plugin> = Arc::new(Describes(Description { name, version, sdk, operators: vec![operator] }));
    let plugins = BTreeMap::from([("p".to_owned(), plugin)]);
    App { blueprint: Blueprint { plan: Arc::new(plan(&topology)), plugins }, manifest }
}

fn begin(app: &App, (db, log): &mut (Db, EmbeddedLog)) -> String {
    app.begin(&Host::over(db.clone(), log.clone())).map_or_else(|error| error.to_string(), |()| String::new())
}

#[test]
fn states_of_another_schema_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut data = open(directory.path(), false).unwrap();
    assert_eq!(begin(&fold(Some(("range", 1))), &mut data), "");
    let mut writes = Writes::default();
    KeyValueStore::open(&data.0, "app", "rows", 0).unwrap().load(&mut writes, b"key", 0, Some(b"state"));
    data.0.apply(&writes, false).unwrap();
    for (other, now) in [(Some(("range", 2)), "fold range 2"), (Some(("sum", 1)), "fold sum 1"), (None, "fold")] {
        let refused = begin(&fold(other), &mut data);
        assert!(refused.starts_with("MS-R010: store \"rows\" holds values of \"fold range 1\""), "{refused}");
        assert!(refused.contains(&format!("as {now:?}")), "{refused}");
    }
    assert_eq!(begin(&fold(Some(("range", 1))), &mut data), "");
}

/// An app that counts a group which may have other keys than its input, and hands on in this way.
fn regrouped(emit: &str) -> App {
    let text = format!(
        "{SOURCE}[node.by-word]\nop = \"group-by\"\nfrom = \"lines\"\ncall = \"p.key\"\n[node.rows]\nop = \"count\"\nfrom = \"by-word\"\nemit = {emit:?}\n[plugin.p]\ncomponent = \"p.wasm\"\n"
    );
    let manifest = Manifest::parse(&text).unwrap();
    let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings).unwrap();
    App { blueprint: Blueprint { plan: Arc::new(plan(&topology)), plugins: BTreeMap::new() }, manifest }
}

#[test]
fn what_waits_between_tasks_in_another_form_is_not_forgotten() {
    let forms = [("on-commit", "app-by-word-counts-repartition"), ("every-update", "app-by-word-repartition")];
    for ((was, left), (now, _)) in [(forms[0], forms[1]), (forms[1], forms[0])] {
        let directory = tempfile::tempdir().unwrap();
        let mut data = open(directory.path(), false).unwrap();
        assert_eq!(begin(&regrouped(was), &mut data), "");
        assert_eq!(begin(&regrouped(now), &mut data), "", "nothing waits yet");
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1, Some(b"k"), Some(b"v"), &[]);
        let outputs = vec![(place(left), builder.finish())];
        data.1.commit("app", &Transaction { outputs, ..Transaction::default() }).unwrap();
        let refused = begin(&regrouped(now), &mut data);
        assert!(refused.starts_with(&format!("MS-R030: topic {left} holds up to 1 records")), "{refused}");
        assert_eq!(begin(&regrouped(was), &mut data), "", "what wrote it goes on");
        let offsets = vec![(place(left), Offset::new(1))];
        data.1.commit("app", &Transaction { offsets, ..Transaction::default() }).unwrap();
        assert_eq!(begin(&regrouped(now), &mut data), "");
    }
}
