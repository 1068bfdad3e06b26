//! Every case captured from Kafka Streams whose operators exist here, at several turn sizes, on real RocksDB, through a
//! real compiled plugin. `MILLSTREAM_CONFORMANCE_DIR` names another directory of cases.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot be set up must fail")]

mod case;
mod driver;
mod guests;

use case::Case;
use driver::{Ended, Tape};
use millstream::plugin::port::Plugin;
use millstream::plugin::{Compiler, Limits, Plugins};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records a turn; the last stands for the whole tape at once.
const TURN_SIZES: [usize; 4] = [1, 2, 7, usize::MAX];

fn plugin() -> Arc<dyn Plugin> {
    let bytes = std::fs::read(guests::built("conformance")).expect("the plugin can be read");
    let compiler = Compiler::at(env!("CARGO_BIN_EXE_millstream"));
    let admitted = Plugins::new(compiler, None).admit("conformance", &bytes, Limits::default());
    admitted.expect("the plugin is admitted")
}

/// What came of the cases of an area.
#[derive(Default)]
struct Area {
    passed: usize,
    failed: usize,
    later: usize,
}

#[test]
fn agrees_with_kafka_streams() {
    let plugin = plugin();
    let mut areas: BTreeMap<String, Area> = BTreeMap::new();
    let (mut failures, mut later) = (Vec::new(), Vec::new());
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    for case in case::cases(&std::env::var_os("MILLSTREAM_CONFORMANCE_DIR").map_or(own, PathBuf::from)) {
        let area = areas.entry(case.area()).or_default();
        match case.topology() {
            Err(problems) if problems.iter().any(|problem| problem.code == "MS-T008") => {
                area.later += 1;
                later.push(case.path.clone());
            }
            Err(problems) if !case.refused() => {
                area.failed += 1;
                failures.push(format!("{}: refused: {problems:?}", case.path));
            }
            Err(_) => area.passed += 1,
            Ok(_) if case.refused() => {
                area.failed += 1;
                failures.push(format!("{}: accepted, but Kafka Streams refuses it", case.path));
            }
            Ok(topology) => {
                let wrong: Vec<_> =
                    TURN_SIZES.iter().filter_map(|size| run(&case, &topology, &plugin, *size).err()).collect();
                if wrong.is_empty() {
                    area.passed += 1
                } else {
                    area.failed += 1
                }
                failures.extend(wrong);
            }
        }
    }
    println!("{:24} {:>6} {:>6} {:>7}", "area", "passed", "failed", "not yet");
    for (name, area) in &areas {
        println!("{name:24} {:>6} {:>6} {:>7}", area.passed, area.failed, area.later);
    }
    println!("not yet run, for operators that do not exist: {} cases\n  {}", later.len(), later.join("\n  "));
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// The end of a stretch of steps from `from` to `until` at most that one topic's records make up: between topics a task
/// goes by timestamps, and the tape does not.
fn same_topic(steps: &[Value], from: usize, until: usize) -> usize {
    let topic = |index: usize| steps.get(index).map(|step| &step["in"]["topic"]);
    (from + 1..until).find(|index| topic(*index) != topic(from)).unwrap_or(until)
}

fn run(
    case: &Case,
    topology: &millstream::topology::Topology,
    plugin: &Arc<dyn Plugin>,
    size: usize,
) -> Result<(), String> {
    let wrong = |what: String| format!("{} at turn size {size}: {what}", case.path);
    let mut tape = Tape::new(topology, plugin);
    let steps = case.steps();
    let mut from = 0;
    let mut expected = BTreeMap::new();
    while from < steps.len() {
        let until = same_topic(&steps, from, steps.len().min(from.saturating_add(size)));
        let batch = steps.get(from..until).unwrap_or_default();
        from = until;
        let fails = batch.iter().any(|step| step.get("error").is_some());
        match tape.process(batch, size.min(1024)) {
            Ended::Stopped(_) if fails => return Ok(()),
            Ended::Stopped(reason) => return Err(wrong(format!("stopped: {reason}"))),
            Ended::Well if fails => return Err(wrong("went on where Kafka Streams fails".into())),
            Ended::Well => {}
        }
        case::expect(batch, case.keeps_source(), &mut expected);
    }
    let found = tape.outputs();
    if found != expected {
        return Err(wrong(format!("\n  expected {expected:?}\n  found    {found:?}")));
    }
    let (dropped, wanted) = (tape.dropped(), case.dropped());
    if dropped != wanted {
        return Err(wrong(format!("dropped {dropped} records instead of {wanted}")));
    }
    let stores = case.stores();
    let rows = tape.stores(stores.keys());
    if rows == stores {
        Ok(())
    } else {
        Err(wrong(format!("\n  expected stores {stores:?}\n  found           {rows:?}")))
    }
}
