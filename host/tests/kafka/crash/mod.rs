//! Crashing is invisible on Kafka too: the host as a child process, killed at named places and at any time, started again,
//! and held against the model by `tests/verifier/verify_kafka.py`, after kills and at the end.
//!
//! `MILLSTREAM_SEED` repeats a run as far as processes and brokers let it; `MILLSTREAM_KILLS` asks for more kills.
#![expect(clippy::print_stdout, reason = "seeds and tables are printed")]

mod at_least_once;
mod brokers;
mod campaign;
mod compacted;
#[path = "../../crash/export.rs"]
mod export;
mod faults;
mod idle;
mod late;
mod latest;
mod namesake;
mod panics;
mod place;
#[path = "../../crash/point.rs"]
#[expect(dead_code, reason = "no command of the host produces on Kafka")]
mod point;
mod points;
#[path = "../../crash/random.rs"]
mod random;
mod round;
#[path = "../../crash/seed.rs"]
mod seed;
mod storm;
#[path = "../../crash/tally.rs"]
mod tally;
mod undecided;
mod wedged;
mod zombie;

use crate::broker::Broker;

/// Kills of a campaign, if nobody asks for more.
const KILLS_MIN: usize = 100;

/// The seed; printed, so that a failure can be told again.
fn seed() -> u64 {
    let seed = seed::seed();
    println!("MILLSTREAM_SEED={seed}");
    seed
}

#[test]
fn kills_leave_no_trace() {
    let asked = std::env::var("MILLSTREAM_KILLS").ok().and_then(|kills| kills.parse().ok());
    let kills = asked.unwrap_or(KILLS_MIN);
    let tally = campaign::run(&Broker::shared().bootstrap(), seed(), kills);
    println!("{}", tally.table());
    for violation in &tally.violations {
        println!("after {:?}: {}: {}", violation.row, violation.check, violation.what);
    }
    assert!(tally.violations.is_empty(), "{} violations", tally.violations.len());
    assert!(campaign::is_enough(&tally, kills), "INVALID: not every point was hit often enough:\n{}", tally.table());
}
