//! A process that is stopped in the midst of a commit for longer than its session, while others take its tasks over, and
//! then goes on with the commit: the group must refuse it.

use super::place::{Ended, Place, Verdict, WORKERS, signal};
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use rustix::process::Signal;

/// Where it stops: what it wrote is sent, and its first offsets are next. Nobody who takes its tasks over knows of its
/// transaction yet, so that only the membership tells it from a living member.
const PLACE: &str = "kafka-before-offsets:1:stop";

/// What a zombie's commit came to.
fn commits_late(seed: u64, fault: Option<&str>) -> Verdict {
    let app = format!("zombie-{seed}-{}", fault.unwrap_or("none"));
    let place = Place::new(&Broker::shared().bootstrap(), &app, seed);
    let heir = place.start_in(1, &[], &[]);
    await_that("the heir is there", || place.left().members == Some(WORKERS));
    let mut environment = vec![("MILLSTREAM_KILL_AT", PLACE)];
    environment.extend(fault.map(|fault| ("MILLSTREAM_FAULT", fault)));
    let zombie = place.start_in(0, &[], &environment);
    await_that("both are there", || place.left().members == Some(2 * WORKERS));
    place.fill(1, 1);
    await_that("one stops", || place.is_stopped(&zombie));
    await_that("the other one has all of it", || place.left().members == Some(WORKERS));
    await_that("it works it off", || place.left().text == 0);
    signal(&zombie, Signal::CONT);
    await_that("the zombie is a member again", || place.left().members == Some(2 * WORKERS));
    for (number, host) in [(0, zombie), (1, heir)] {
        signal(&host, Signal::TERM);
        assert_eq!(place.end_in(number, host), Ended::Done);
    }
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    place.verify(2, &["--finished", "--any-order"], COMPARED_MIN)
}

#[test]
fn a_zombies_commit_is_refused() {
    let verdict = commits_late(super::seed(), None);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}

#[test]
fn a_commit_that_names_no_member_is_caught() {
    let failures = commits_late(super::seed(), Some("commits-name-no-member")).failures;
    let checks: Vec<&str> = failures.iter().map(|(check, _)| check.as_str()).collect();
    println!("{checks:?}");
    assert!(checks.contains(&"output"), "{failures:#?}");
}
