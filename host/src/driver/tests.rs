//! Cases over an app whose plugin is no plugin: a filter that keeps so many rows of every batch.

use super::*;
use crate::plugin::port::{CallError, Cells, Columns, Description, Fields, Folded, Instance, Node, Operator, Plugin};
use crate::plugin::port::{Outcome as Answer, Reply, Steps};
use crate::topology::{Manifest, Topology, plan};

/// Keeps this many rows of a batch: right is every row, and any other number shows how rows were batched.
struct Keeps {
    rows: usize,
    description: Description,
}

struct Kept(usize);

impl Plugin for Keeps {
    fn description(&self) -> &Description {
        &self.description
    }

    fn digest(&self) -> &str {
        "none"
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, CallError> {
        Ok(Box::new(Kept(self.rows)))
    }
}

impl Instance for Kept {
    fn open(&mut self, _: Node, _: &str, _: &str) -> Result<(), CallError> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), CallError> {
        Ok(())
    }

    fn transform(&mut self, _: Node, batch: &mut Columns) -> Result<Answer, CallError> {
        let rows = u32::try_from(batch.rows().min(self.0)).expect("a small batch");
        Ok(Answer { sources: (0..rows).collect(), ..Answer::default() })
    }

    fn fold(&mut self, _: Node, _: &mut Columns, _: &mut Cells, _: &mut Steps, _: Reply) -> Result<Folded, CallError> {
        Err(CallError::Refused { reason: "it folds nothing".into() })
    }

    fn identity(&self) -> (&str, &str) {
        ("p", "none")
    }
}

const MANIFEST: &str = r#"
manifest = 1
app = "kept"
[plugin.p]
component = "p.wasm"
[node.lines]
op = "stream"
topic = "in"
[node.kept]
op = "filter"
from = "lines"
call = "p.keep"
[node.out]
op = "to"
from = "kept"
topic = "out"
"#;

fn blueprint(rows: usize) -> Blueprint {
    let operator = Operator {
        name: "keep".into(),
        kind: "filter".into(),
        docs: String::new(),
        reads: Fields::default(),
        outputs: Vec::new(),
        state: None,
        stores: Vec::new(),
        params_schema: String::new(),
        properties: Vec::new(),
    };
    let (name, version, sdk) = ("p".into(), "1".into(), "none".into());
    let description = Description { name, version, sdk, operators: vec![operator] };
    let manifest = Manifest::parse(MANIFEST).expect("it is sound");
    let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
    let plugins = BTreeMap::from([("p".to_owned(), Arc::new(Keeps { rows, description }) as Arc<dyn Plugin>)]);
    Blueprint { plan: Arc::new(plan(&topology.expect("it is sound"))), plugins }
}

const CASE: &str = r#"
[[input]]
node = "lines"
value = "a"
[[input]]
node = "lines"
value = "b"
[[input]]
topic = "in"
value = "c"
[[expect.output]]
topic = "out"
value = "a"
[[expect.output]]
topic = "out"
value = "b"
[[expect.output]]
topic = "out"
value = "c"
"#;

fn report(rows: usize, case: &str) -> Result<Report, CaseError> {
    let directory = tempfile::tempdir().expect("a directory");
    Trial::new(&blueprint(rows)).run(&Case::parse(case, false)?, directory.path())
}

#[test]
fn every_way_of_running_a_case_comes_to_the_same() {
    let report = report(usize::MAX, CASE).expect("it makes sense");
    assert!(report.unequal.is_none() && report.differences.is_empty(), "{report:?}");
}

#[test]
fn results_that_depend_on_the_batch_are_found() {
    let report = report(1, CASE).expect("it makes sense");
    let (left, right, differences) = report.unequal.expect("one of two rows is lost");
    assert_eq!(left.to_string(), "1 a turn, commit at the end");
    assert_eq!(right.to_string(), "2 a turn, commit at the end");
    let lines: Vec<&str> = differences.iter().flat_map(|found| &found.lines).map(|(_, line)| line.as_str()).collect();
    assert!(lines.iter().any(|line| line.contains("\"b\"")), "{lines:?}");
}

#[test]
fn a_record_too_many_and_one_too_few_are_differences() {
    let fewer = CASE.replace("[[expect.output]]\ntopic = \"out\"\nvalue = \"c\"\n", "");
    let more = format!("{CASE}[[expect.output]]\ntopic = \"other\"\nvalue = \"d\"\n");
    for (case, topic, mark) in [(fewer, "topic \"out\"", '+'), (more, "topic \"other\"", '-')] {
        let differences = report(usize::MAX, &case).expect("it makes sense").differences;
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].what, topic);
        assert_eq!(differences[0].lines.iter().filter(|(found, _)| *found == mark).count(), 1);
    }
}

#[test]
fn an_app_that_stops_is_expected_by_its_reason() {
    let bad = CASE.replace("value = \"b\"", "value = \"b\"\ntimestamp = -1");
    let stops = |reason: &str| {
        let case = bad.split("[[expect").next().expect("a beginning");
        report(usize::MAX, &format!("{case}[expect]\nstops = {reason:?}\n")).expect("it makes sense").differences
    };
    assert_eq!(stops("invalid timestamp -1"), []);
    assert_eq!(stops("another reason").len(), 1);
    assert_eq!(report(usize::MAX, &bad).expect("it makes sense").differences.len(), 1, "nobody expects it to stop");
}

#[test]
fn inputs_name_one_place_that_is_there() {
    for (wrong, said) in [
        ("node = \"line\"", "there is no source node \"line\"; there is lines"),
        ("topic = \"out\"", "no node reads topic \"out\"; there is in"),
        ("topic = \"in\"\nnode = \"lines\"", "name a node or a topic, one of them"),
    ] {
        let case = CASE.replacen("node = \"lines\"", wrong, 1);
        assert_eq!(report(1, &case).map(drop).expect_err(wrong).to_string(), format!("input 1: {said}"));
    }
}
