//! A process that is stopped in the midst of a commit for longer than its session, while others take its tasks over, and
//! then goes on with the commit: the group must refuse it.

use super::place::{Ended, Place, Verdict, WORKERS, signal};
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Where it stops: what it wrote is sent, and its first offsets are next. Nobody who takes its tasks over knows of its
/// transaction yet, so that only the membership tells it from a living member.
const PLACE: &str = "kafka-before-offsets:1:stop";

/// Parts of the tape: the first is what the zombie's commit is about.
const PARTS: usize = 4;
/// A transaction that is open for longer is ended by the brokers, whoever commits: such a trial tells nothing of the group.
const OPEN_MAX: Duration = Duration::from_secs(9);
/// Trials until one is fast enough; it takes four seconds on a busy machine.
const TRIALS: u64 = 3;

/// What a zombie's commit came to.
fn commits_late(fault: Option<&str>) -> Verdict {
    let seed = super::seed();
    let verdict = (seed..seed + TRIALS).find_map(|seed| trial(seed, fault));
    verdict.unwrap_or_else(|| {
        panic!("INVALID: {TRIALS} times it took more than {OPEN_MAX:?} to have the tasks taken over")
    })
}

/// None if the brokers have ended the zombie's transaction before it commits.
fn trial(seed: u64, fault: Option<&str>) -> Option<Verdict> {
    let app = format!("zombie-{seed}-{}", fault.unwrap_or("none"));
    let place = Place::new(&Broker::shared().bootstrap(), &app, seed);
    let mut heir = place.start_in(1, &[], &[]);
    await_that("the heir is there", || place.left().members == Some(WORKERS));
    let mut environment = vec![("MILLSTREAM_KILL_AT", PLACE), ("RUST_LOG", "millstream::worker::membership=info")];
    environment.extend(fault.map(|fault| ("MILLSTREAM_FAULT", fault)));
    let mut zombie = place.start_in(0, &[], &environment);
    await_that("both have tasks", || place.workers_with_tasks(0) == WORKERS);
    place.fill(1, PARTS);
    await_that("one stops", || place.is_stopped(&zombie));
    let stopped = Instant::now();
    await_that("the other one has all of it, and works it off", || place.left().text == 0);
    await_that("the zombie is no member", || place.left().members == Some(WORKERS));
    println!("stopped for {:?}", stopped.elapsed());
    if stopped.elapsed() > OPEN_MAX {
        for host in [&mut zombie, &mut heir] {
            host.kill().and_then(|()| host.wait()).expect("a child can be killed");
        }
        return None;
    }
    signal(&zombie, Signal::CONT);
    await_that("the zombie is a member again", || place.left().members == Some(2 * WORKERS));
    (2..=PARTS).for_each(|part| place.fill(part, PARTS));
    for (number, host) in [(0, zombie), (1, heir)] {
        signal(&host, Signal::TERM);
        assert_eq!(place.end_in(number, host), Ended::Done);
    }
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    Some(place.verify(2, &["--finished", "--any-order"], COMPARED_MIN))
}

#[test]
fn a_zombies_commit_is_refused() {
    let verdict = commits_late(None);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}

#[test]
fn a_commit_that_names_no_member_is_caught() {
    let failures = commits_late(Some("commits-name-no-member")).failures;
    let checks: Vec<&str> = failures.iter().map(|(check, _)| check.as_str()).collect();
    println!("{checks:?}");
    assert!(checks.contains(&"output"), "{failures:#?}");
}
