//! Calls that do not come back: those of a transaction cost a client, and a process with a worker that is stuck in its work
//! ends, so that others have its tasks.

use super::place::{Ended, Place, WORKERS, signal};
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use rustix::process::Signal;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Where calls of a transaction do not return: with nothing sent of a commit, and with its end still to be asked for.
const CALLS: &str = "kafka-before-offsets:3:hang,kafka-before-end:6:hang";

#[test]
fn a_transaction_call_that_does_not_return_costs_a_client_and_nothing_else() {
    let seed = super::seed();
    let place = Place::new(&Broker::shared().bootstrap(), &format!("calls-{seed}"), seed);
    place.fill(1, 1);
    let environment = [("MILLSTREAM_KILL_AT", CALLS), ("MILLSTREAM_TURN_ROWS", "4"), ("RUST_LOG", "warn")];
    assert_eq!(place.end(place.start(&environment)), Ended::Done);
    let said = place.said(0);
    let left_behind = said.matches("made anew: the commit did not return within").count();
    assert_eq!(left_behind, 2, "INVALID: not both calls hung: {said}");
    let verdict = place.verify(1, &["--finished"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}

#[test]
fn a_process_whose_worker_is_stuck_ends_and_others_go_on() {
    let seed = super::seed();
    let mut place = Place::new(&Broker::shared().bootstrap(), &format!("stuck-{seed}"), seed);
    let heir = place.start_in(1, &[], &[]);
    await_that("the heir is there", || {
        assert_eq!(place.said(1), "");
        place.left().members == Some(WORKERS)
    });
    let reached = place.path("reached");
    let stuck = start_stuck(&mut place, "sent:2:hang", &reached);
    await_that("both workers have tasks", || place.workers_with_tasks(0) == WORKERS);
    place.fill(1, 1);
    await_that("a worker is stuck", || Path::new(&reached).exists());
    // Another worker of the process may get the tasks, and cannot have them while the stuck one holds them.
    let ended = place.end_in(0, stuck);
    let told = |said: &str| said.starts_with("exit status: 1:") && said.contains("MS-R018");
    assert!(matches!(&ended, Ended::Otherwise(said) if told(said)), "{ended:?}");
    await_that("the others work it all off", || place.left().text == 0);
    signal(&heir, Signal::TERM);
    assert_eq!(place.end_in(1, heir), Ended::Done);
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    let verdict = place.verify(2, &["--finished", "--any-order"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}

#[test]
fn a_process_that_cannot_end_for_a_stuck_worker_is_aborted() {
    let seed = super::seed();
    let mut place = Place::new(&Broker::shared().bootstrap(), &format!("abort-{seed}"), seed);
    place.fill(1, 1);
    let reached = place.path("reached");
    let stuck = start_stuck(&mut place, "sent:2:hang,stuck-told:1:hang", &reached);
    let ended = place.end_in(0, stuck);
    let reached = std::fs::read_to_string(&reached).unwrap_or_default();
    assert_eq!(reached, "sent\nstuck-told\n", "INVALID: both were to hang");
    assert!(matches!(&ended, Ended::Otherwise(said) if said.starts_with("signal: 6 (SIGABRT)")), "{ended:?}");
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    let verdict = place.verify(1, &["--finished"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}

/// Starts a process that is soon taken for stuck where it hangs at these places; `reached` is told of them.
fn start_stuck(place: &mut Place, places: &str, reached: &str) -> Child {
    let environment = [
        ("MILLSTREAM_KILL_AT", places),
        ("MILLSTREAM_KILL_LOG", reached),
        ("MILLSTREAM_STUCK_MS", "10000"),
        ("RUST_LOG", "millstream::worker::membership=info"),
    ];
    place.properties = "\"max.poll.interval.ms\" = 5000\n";
    let stuck = place.start_in(0, &[], &environment);
    place.properties = "";
    stuck
}

/// A process that nobody calls hears nothing of its group; it must be seen to live all the same.
#[test]
fn a_member_with_nothing_to_do_stays_one() {
    let seed = super::seed();
    let mut place = Place::new(&Broker::shared().bootstrap(), &format!("rests-{seed}"), seed);
    place.properties = "\"max.poll.interval.ms\" = 4000\n";
    place.fill(1, 8);
    let host = place.start_in(0, &[], &[("RUST_LOG", "millstream::transport::kafka::context=debug")]);
    await_that("all is worked off", || place.left().text == 0);
    // The time is the matter itself; nothing waits for anything here.
    std::thread::sleep(Duration::from_secs(10));
    let said = place.said(0);
    signal(&host, Signal::TERM);
    assert_eq!(place.end_in(0, host), Ended::Done);
    // What librdkafka says of one that is not seen to live.
    assert!(!said.contains("PollExceeded"), "{said}");
}
