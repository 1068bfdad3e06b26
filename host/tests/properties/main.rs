//! Batching is invisible, crashing is invisible, and both agree with a model that takes one record at a time: over
//! generated topologies and tapes, on the real stores and log, through a native plugin (thousands of cases) and a
//! compiled one (a few).
//!
//! `PROPTEST_CASES` says how many cases, `MILLSTREAM_SEED` repeats a run.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot be set up must fail, and seeds and counts are printed"
)]

mod driver;
mod functions;
mod generate;
mod ground;
#[path = "../conformance/guests.rs"]
mod guests;
mod letters;
#[cfg(feature = "faults")]
mod mistakes;
mod model;
mod native;
#[path = "../crash/seed.rs"]
mod seed;
mod trial;

use driver::{Crash, Cuts};
use generate::{Case, Grown, case};
use model::Model;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use trial::{Seen, Trial, but_for_counts, plain, record_by_record, same};

/// Cases of each property through the native plugin: what takes some ten seconds.
const CASES: u32 = 1_000;
/// Cases through the compiled plugin, which is set up anew for every task.
const COMPILED_CASES: u32 = 25;

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![Just(1usize), 1..4usize, 1..60usize], 1..6)
}

fn crashes() -> impl Strategy<Value = BTreeMap<usize, Crash>> {
    let crash =
        prop_oneof![Just(Crash::Rollback), Just(Crash::Refused), Just(Crash::Reopen), Just(Crash::ReopenCommitted)];
    proptest::collection::btree_map(0..40usize, crash, 1..6)
}

fn calm(turns: Vec<usize>, commits: Vec<usize>) -> Cuts {
    Cuts { turns, commits, crashes: BTreeMap::new() }
}

/// Any cut into turns gives what one record a turn gives, with the same commits; where every update is handed on, with
/// any commits.
fn batching(trial: &Trial, cases: u32, traps: bool) {
    trial.check(cases, &(case(), sizes(), sizes()), |(case, turns, commits)| {
        let case = Case { traps, ..case };
        let expected = trial.run(&case, &calm(vec![1], commits.clone()))?;
        let found = trial.run(&case, &calm(turns, commits))?;
        same(&found.left, &expected.left, true, "other turns")?;
        prop_assert_eq!(found.dropped, expected.dropped);
        if case.every_update {
            let found = trial.run(&case, &calm(vec![1024], vec![1024]))?;
            same(&found.left, &expected.left, false, "all at once")?;
            prop_assert_eq!(found.dropped, expected.dropped);
        }
        Ok(())
    });
}

/// Crashes at any place give what a calm run with the same commits gives.
fn crashing(trial: &Trial, cases: u32, traps: bool) {
    trial.check(cases, &(case(), sizes(), sizes(), crashes()), |(case, turns, commits, crashes)| {
        let case = Case { traps, ..case };
        let expected = trial.run(&case, &calm(turns.clone(), commits.clone()))?;
        let found = trial.run(&case, &Cuts { turns, commits, crashes })?;
        same(&found.left, &expected.left, true, "with crashes")
    });
}

#[test]
fn batching_is_invisible() {
    let trial = Trial::native();
    batching(&trial, CASES, true);
    trial.covered_all_ops();
    trial.covered_counting_ahead();
}

#[test]
fn crashing_is_invisible() {
    let trial = Trial::native();
    crashing(&trial, CASES, true);
    trial.covered_all_ops();
    trial.covered_counting_ahead();
    trial.covered_all_crashes();
}

#[test]
fn both_hold_for_a_compiled_plugin() {
    batching(&Trial::compiled(), COMPILED_CASES, false);
    crashing(&Trial::compiled(), COMPILED_CASES, false);
}

/// Counting before a repartition topic leaves what counting behind it leaves: last updates, with their timestamps and
/// headers, rows, changelogs, and the number of dropped records. Every task commits once: how often others commit decides
/// which updates are a commit's last.
#[test]
fn counting_ahead_is_invisible() {
    let trial = Trial::native();
    trial.check(CASES, &(case(), sizes()), |(case, turns)| {
        counting_ahead(&trial, &Case { every_update: false, ..case }, turns)
    });
    trial.covered_counting_ahead();
}

fn counting_ahead(trial: &Trial, case: &Case, turns: Vec<usize>) -> Result<(), TestCaseError> {
    let cuts = calm(turns, vec![usize::MAX]);
    let plan = || Grown::new(case, &trial.app()).plan().ok_or_else(|| TestCaseError::reject("order"));
    let found = trial.run_plan(&plan()?, case, &cuts);
    let expected = trial.run_plan(&record_by_record(&plan()?), case, &cuts);
    prop_assert_eq!(found.dropped, expected.dropped);
    same(&but_for_counts(found.left), &but_for_counts(expected.left), true, "counted ahead")
}

/// A case that was found: a null value is dropped by each of two counts that share a group.
#[test]
fn counting_ahead_drops_for_each_count() {
    let trial = Trial::native();
    let choices = vec![(12, 0, 0, 3, false), (19, 0, 1, 0, true), (19, 0, 64, 0, true)];
    let null = 9;
    let tape = vec![(0, 0, 0, Some(0), null, false)];
    let (every_update, traps, held_bytes_max) = (false, false, usize::MAX);
    let case = Case { streams: 1, partitions: 1, choices, tape, every_update, traps, held_bytes_max };
    counting_ahead(&trial, &case, vec![1]).expect("both drop it");
}

/// What a run leaves is what the model says, record by record and row by row.
fn agree(trial: &Trial, case: &Case, cuts: &Cuts) -> Result<usize, TestCaseError> {
    let app = trial.app();
    let grown = Grown::new(case, &app);
    let plan = grown.plan().ok_or_else(|| TestCaseError::reject("order"))?;
    let model = Model::of(&grown.specs, &app, case, &trial::tasks(&plan));
    let ran = trial.run_plan(&plan, case, cuts);
    let mut compared = 0;
    for ((topic, partition), found) in ran.left.topics {
        if topic.starts_with("app-in-") || topic.ends_with("-repartition") {
            continue;
        }
        let expected: Vec<Seen> = model.outputs.get(&(topic.clone(), partition)).cloned().unwrap_or_default();
        compared += expected.len();
        let letters = topic == "app-dead";
        let (found, expected) = if letters { (plain(found), plain(expected)) } else { (found, expected) };
        prop_assert_eq!(found, expected, "topic {} {}", topic, partition);
    }
    for ((store, partition), rows) in ran.left.stores {
        compared += rows.len();
        prop_assert_eq!(rows, model.rows(&store, partition), "store {} {}", store, partition);
    }
    prop_assert_eq!(ran.dropped, model.dropped);
    Ok(compared)
}

#[test]
fn both_agree_with_one_record_at_a_time() {
    let trial = Trial::native();
    let compared = RefCell::new(0);
    trial.check(CASES, &(case(), sizes(), sizes()), |(case, turns, commits)| {
        let case = Case { every_update: true, ..case };
        *compared.borrow_mut() += agree(&trial, &case, &calm(turns, commits))?;
        Ok(())
    });
    trial.covered_all_ops();
    let compared = compared.into_inner();
    println!("{compared} records and rows compared with the model");
    assert!(compared >= 1_000, "only {compared} records and rows were compared");
}
