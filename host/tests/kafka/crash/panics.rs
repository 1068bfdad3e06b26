//! A mistake of the host itself: the worker panics, the process ends by itself, and another one goes on.

use super::place::{Ended, Place};
use super::round::COMPARED_MIN;
use crate::broker::Broker;

/// Places where a worker panics: with tasks and nothing open, and with records sent and offsets not.
const PLACES: [&str; 3] = ["before-fetch:20:panic", "sent:10:panic", "rebalance:1:panic"];

#[test]
fn a_worker_that_panics_ends_the_process_and_leaves_no_trace() {
    let seed = super::seed();
    let place = Place::new(&Broker::shared().bootstrap(), &format!("panics-{seed}"), seed);
    place.fill(1, 1);
    for panics in PLACES {
        let child = place.start(&[("MILLSTREAM_KILL_AT", panics), ("MILLSTREAM_TURN_ROWS", "8")]);
        match place.end(child) {
            Ended::Otherwise(said) => assert!(said.contains("a worker panicked"), "{panics}: {said}"),
            ended => panic!("{panics}: {ended:?}"),
        }
    }
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    let verdict = place.verify(1, &["--finished"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}
