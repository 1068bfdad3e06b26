//! Dead letters of what an aggregate hands on at a commit, which no single input record stands behind.

use crate::native::Native;
use millstream::driver::{Driver, TestRecord};
use millstream::plugin::port::Plugin;
use millstream::record::Topic;
use millstream::task::Blueprint;
use millstream::topology::{Manifest, Topology, plan};
use std::collections::BTreeMap;
use std::sync::Arc;

const MANIFEST: &str = r#"
manifest = 1
app = "letters"
[plugin.f]
component = "f.wasm"
[node.lines]
op = "stream"
topic = "in"
[node.by-key]
op = "group-by-key"
from = "lines"
[node.counts]
op = "count"
from = "by-key"
format = "text"
[node.changes]
op = "to-stream"
from = "counts"
[node.checked]
op = "map-values"
from = "changes"
call = "f.map-values"
params = { fn = "fail-if", arg = "2" }
[node.out]
op = "to"
from = "checked"
topic = "out"
[errors]
dead-letter-topic = "dead"
"#;

fn blueprint(manifest: &str) -> Blueprint {
    let manifest = Manifest::parse(manifest).expect("it is sound");
    let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
    let plugins = BTreeMap::from([("f".to_owned(), Arc::new(Native::new()) as Arc<dyn Plugin>)]);
    Blueprint { plan: Arc::new(plan(&topology.expect("it is sound"))), plugins }
}

/// Letters and outputs in one topic lie in the order of their input records, however many go through at once.
#[test]
fn letters_keep_their_place_among_outputs() {
    let manifest = MANIFEST.replace("format = \"text\"", "format = \"text\"\nemit = \"every-update\"");
    let blueprint = blueprint(&manifest.replace("topic = \"out\"", "topic = \"dead\""));
    for turn_rows in [1, 2, 10] {
        let directory = tempfile::tempdir().expect("a directory");
        let mut driver = Driver::new(directory.path(), blueprint.clone()).expect("it is set up");
        for (timestamp, key) in (0i64..).zip(["a", "b", "a", "c"]) {
            let record =
                TestRecord { key: Some(key.into()), value: Some(b"x".to_vec()), timestamp, headers: Vec::new() };
            driver.send(&Topic::new("in"), &record).expect("it is written");
        }
        driver.settle(turn_rows).expect("it goes on");
        let outputs = driver.outputs().expect("they can be read");
        let values: Vec<_> = outputs[&Topic::new("dead")].iter().map(|record| record.value.as_deref()).collect();
        let value = |text: &'static [u8]| Some(text);
        assert_eq!(values, [value(b"1"), value(b"1"), value(b"x"), value(b"1")], "{turn_rows} a turn");
    }
}

#[test]
fn what_fails_at_a_commit_has_a_letter() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut driver = Driver::new(directory.path(), blueprint(MANIFEST)).expect("it is set up");
    for (timestamp, key) in [(5, "a"), (6, "b"), (7, "a")] {
        let (key, value) = (Some(key.into()), Some(b"x".to_vec()));
        let record = TestRecord { key, value, timestamp, headers: vec![("h".into(), Some(b"1".to_vec()))] };
        driver.send(&Topic::new("in"), &record).expect("it is written");
    }
    driver.settle(10).expect("it goes on");
    let outputs = driver.outputs().expect("they can be read");
    assert_eq!(outputs[&Topic::new("out")].len(), 1, "{outputs:?}");
    let [letter] = outputs.get(&Topic::new("dead")).map(Vec::as_slice).unwrap_or_default() else {
        panic!("one letter, for the count of a: {outputs:?}");
    };
    assert_eq!(
        (letter.key.as_deref(), letter.value.as_deref(), letter.timestamp),
        (Some(&b"a"[..]), Some(&b"2"[..]), 7)
    );
    let header = |name: &str| {
        let found = letter.headers.iter().find(|(found, _)| found == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.as_deref().map(String::from_utf8_lossy)
    };
    assert_eq!(header("h").as_deref(), Some("1"));
    assert_eq!(header("__streams.errors.topic"), None);
    assert_eq!(header("__streams.errors.partition").as_deref(), Some("-1"));
    assert_eq!(header("__streams.errors.offset").as_deref(), Some("-1"));
    assert_eq!(header("__millstream.errors.node").as_deref(), Some("checked"));
    assert_eq!(driver.tally().dead_letters, 1);
}
