//! Crashing is invisible: the host as a child process, killed at named places and at any time, then held against a
//! model by a verifier that shares no code with it (tests/verifier). Deliberately broken hosts must be caught.
//!
//! `MILLSTREAM_SEED` repeats a run.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot be set up must fail, and seeds and tables are printed"
)]

mod campaign;
mod child;
mod data;
mod export;
mod faults;
#[path = "../conformance/guests.rs"]
mod guests;
#[expect(dead_code, reason = "on the embedded log nobody else takes tasks over")]
mod point;
mod points;
mod random;
mod round;
mod seed;
mod signals;
mod tally;
mod verifier;

/// The seed; printed, so that a failure can be told again.
fn seed() -> u64 {
    let seed = seed::seed();
    println!("MILLSTREAM_SEED={seed}");
    seed
}

#[test]
fn kills_leave_no_trace() {
    let tally = campaign::run(seed());
    println!("{}", tally.table());
    for violation in &tally.violations {
        println!("after {:?}: {}: {}", violation.row, violation.check, violation.what);
    }
    assert!(tally.violations.is_empty(), "{} violations", tally.violations.len());
    assert!(campaign::is_enough(&tally), "not every point was hit often enough:\n{}", tally.table());
}
