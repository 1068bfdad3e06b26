//! Crashing is invisible on Kafka too: the host as a child process, killed at named places and at any time, started again,
//! and held against the model by `tests/verifier/verify_kafka.py`, after kills and at the end.
//!
//! `MILLSTREAM_SEED` repeats a run as far as processes and brokers let it; `MILLSTREAM_KILLS` asks for more kills.
#![expect(clippy::print_stdout, reason = "seeds and tables are printed")]

mod brokers;
mod campaign;
mod faults;
mod late;
mod place;
mod points;
#[path = "../../crash/random.rs"]
mod random;
mod round;
mod storm;

use crate::broker::Broker;

/// Kills of a campaign, if nobody asks for more.
const KILLS_MIN: usize = 100;

/// The seed that was asked for, or a new one; printed, so that a failure can be told again.
fn seed() -> u64 {
    let seed = asked("MILLSTREAM_SEED").unwrap_or_else(|| {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        u64::from(time.subsec_nanos()) ^ (time.as_secs() << 20)
    });
    println!("MILLSTREAM_SEED={seed}");
    seed
}

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn kills_leave_no_trace() {
    let kills = asked("MILLSTREAM_KILLS").and_then(|kills| usize::try_from(kills).ok()).unwrap_or(KILLS_MIN);
    let tally = campaign::run(&Broker::shared().bootstrap(), seed(), kills);
    println!("{}", tally.table());
    for violation in &tally.violations {
        println!("after {:?}: {}: {}", violation.row, violation.check, violation.what);
    }
    assert!(tally.violations.is_empty(), "{} violations", tally.violations.len());
    assert!(tally.enough(kills), "INVALID: not every point was hit often enough:\n{}", tally.table());
}
