//! Apps on a real Kafka, started by `broker.rs`; README.md of `tests/kafka` tells of the scripts behind it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot be set up must fail")]

mod bad_input;
mod broker;
mod carrier;
#[path = "../conformance/case.rs"]
mod case;
mod certificates;
mod changing;
mod client;
mod conformance;
#[cfg(all(feature = "kill-points", feature = "faults"))]
mod crash;
mod examples;
#[path = "../conformance/guests.rs"]
mod guests;
mod hand_over;
mod harness;
mod host;
mod internal;
mod keys;
mod left_over;
mod local_state;
mod loops;
mod permission;
mod proxy;
mod reset;
mod restoring;
mod security;
mod sizes;
mod standby;
mod topic;
mod topology;
mod trial;
mod verifier;
mod words;

use std::time::{Duration, Instant};

/// How long a test waits for what must come before it fails. Far more than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits until something is there.
#[track_caller]
fn await_some<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    await_some_within(PATIENCE, what, look)
}

/// The same, for what takes its time.
#[track_caller]
fn await_some_within<T>(patience: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < patience, "not within {patience:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Waits until something is so.
#[track_caller]
fn await_that(what: &str, mut so: impl FnMut() -> bool) {
    await_some(what, || so().then_some(()));
}
