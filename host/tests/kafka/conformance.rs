//! Cases captured from Kafka Streams, through the real binary on a real broker: one partition, a commit after each step,
//! outputs read back as a reader of committed records sees them. `MILLSTREAM_CASES` runs those alone whose names have it
//! in them.

use crate::case::{self, Case};
use crate::trial::Trial;
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

/// Cases that run side by side: most of their time they wait for the broker.
const SIDE_BY_SIDE: usize = 6;
/// As many must run, over so many areas: a change that took cases out of the choice would be seen.
const CASES_MIN: usize = 90;
const AREAS_MIN: usize = 8;

/// What cannot be on Kafka: librdkafka gives a record of time -1 the time of now.
const NOT_ON_KAFKA: [&str; 1] = ["time/negative-timestamp-fails-by-default"];

#[test]
fn agrees_with_kafka_streams_on_a_broker() {
    let all = case::cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases"));
    let runs = |case: &Case| !case.refused() && case.topology().is_ok() && !NOT_ON_KAFKA.contains(&case.path.as_str());
    let mut cases: Vec<Case> = all.into_iter().filter(runs).collect();
    let mut areas: BTreeMap<String, usize> = BTreeMap::new();
    cases.iter().for_each(|case| *areas.entry(case.area()).or_default() += 1);
    assert!(cases.len() >= CASES_MIN && areas.len() >= AREAS_MIN, "{} cases: {areas:?}", cases.len());
    if let Ok(part) = std::env::var("MILLSTREAM_CASES") {
        cases.retain(|case| case.path.contains(&part));
    }
    let (left, failures) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    let work = || {
        loop {
            let Some(case) = left.lock().expect("nobody panicked").next() else { break };
            let begun = Instant::now();
            let outcome =
                catch_unwind(|| Trial::new(case).run()).unwrap_or_else(|_| Err("it panicked, see above".into()));
            println!(
                "case {} ... {} ({:.1?})",
                case.path,
                if outcome.is_ok() { "ok" } else { "FAILED" },
                begun.elapsed()
            );
            if let Err(what) = outcome {
                failures.lock().expect("nobody panicked").push(format!("{}: {what}", case.path));
            }
        }
    };
    std::thread::scope(|scope| (0..SIDE_BY_SIDE).for_each(|_| drop(scope.spawn(work))));
    println!("{} cases on Kafka: {areas:?}", cases.len());
    let failures = failures.into_inner().expect("nobody panicked");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
