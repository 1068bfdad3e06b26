//! Calls that do not come back: those of a transaction cost a client, and a worker that is stuck in its work is a member of
//! the group no longer.

use super::place::{Ended, Place, signal};
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use rustix::process::Signal;
use std::path::Path;

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
fn a_process_whose_worker_is_stuck_leaves_the_group_and_others_go_on() {
    let seed = super::seed();
    let mut place = Place::new(&Broker::shared().bootstrap(), &format!("stuck-{seed}"), seed);
    // Another worker of the process could get the tasks, and would wait for ever for those that the stuck one holds.
    place.workers = 1;
    place.properties = "\"max.poll.interval.ms\" = 3000\n";
    let heir = place.start_in(1, &[], &[]);
    await_that("the heir is there", || {
        assert_eq!(place.said(1), "");
        place.left().members == Some(1)
    });
    let reached = place.path("reached");
    let stuck = place.start_in(0, &[], &[("MILLSTREAM_KILL_AT", "sent:5:hang"), ("MILLSTREAM_KILL_LOG", &reached)]);
    await_that("both are there", || place.left().members == Some(2));
    place.fill(1, 1);
    await_that("a worker is stuck", || Path::new(&reached).exists());
    await_that("it is a member no longer", || place.left().members == Some(1));
    await_that("the others work it all off", || place.left().text == 0);
    // Nobody can tell a worker to end that does not come back.
    signal(&stuck, Signal::KILL);
    assert_eq!(place.end_in(0, stuck), Ended::Killed);
    signal(&heir, Signal::TERM);
    assert_eq!(place.end_in(1, heir), Ended::Done);
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    let verdict = place.verify(2, &["--finished", "--any-order"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}
