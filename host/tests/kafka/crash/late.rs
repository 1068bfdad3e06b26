//! Ends of transactions that come late, when the next one is open, and answers that never come: librdkafka has no
//! transactions v2, so a broker takes a late end for that of the open transaction. A producer whose connection was lost
//! must not begin another one.

use super::round::Round;
use super::tally::Violation;
use crate::broker::Broker;
use crate::proxy::Proxy;

/// Late ends, in all runs together.
const LATE_MIN: u64 = 100;
/// Runs after which that must be reached.
const ROUNDS_MAX: u64 = 4;
/// Rows a turn: small, so that there are many transactions.
const ROWS: usize = 4;
/// Late ends that must hit for a producer that is kept to be caught.
const HITS_MIN: usize = 1;

/// What a run behind a proxy came to.
struct Spoiled {
    violations: Vec<Violation>,
    /// Times that the proxy did what it was told.
    times: u64,
    /// Late ends that the broker took for the open transaction's.
    taken: usize,
}

/// Runs the app behind a proxy with an order for its producers.
fn spoiled(seed: u64, order: &str, count: &str, fault: Option<&'static str>) -> Spoiled {
    let mut round = Round::new(&Broker::shared().bootstrap(), &format!("late-{seed}"), seed, fault);
    round.fill();
    let mut proxy = Proxy::before(Broker::shared());
    round.through(proxy.bootstrap());
    proxy.order(&order.replace("APP", round.app()));
    round.finish_with(ROWS);
    let status = proxy.order("status");
    let taken = proxy.passed("released").iter().filter(|told| told["error"] == 0).count();
    Spoiled { violations: round.violations, times: status["counts"][count].as_u64().unwrap_or(0), taken }
}

#[test]
fn ends_that_come_late_change_nothing() {
    let seed = super::seed();
    let (mut late, mut rounds) = (0, 0);
    while late < LATE_MIN && rounds < ROUNDS_MAX {
        let run = spoiled(seed.wrapping_add(rounds), "hold-end-txn APP-* every=4 close", "released", None);
        println!("{} late ends, {} taken for the open transaction's", run.times, run.taken);
        assert!(run.violations.is_empty(), "{:?}", run.violations);
        (late, rounds) = (late + run.times, rounds + 1);
    }
    assert!(late >= LATE_MIN, "INVALID: only {late} ends came late");
}

#[test]
fn answers_that_never_come_change_nothing() {
    let run = spoiled(super::seed(), "drop-end-txn-answer APP-* every=4 close", "dropped", None);
    assert!(run.violations.is_empty(), "{:?}", run.violations);
    assert!(run.times >= 20, "INVALID: only {} answers were dropped", run.times);
}

/// The proxy does harm, and the verifier sees it.
#[test]
fn a_producer_that_is_kept_is_caught() {
    let run = spoiled(super::seed(), "hold-end-txn APP-* every=4 close", "released", Some("producer-is-kept"));
    assert!(run.taken >= HITS_MIN, "INVALID: no late end hit a transaction");
    let checks: Vec<&str> = run.violations.iter().map(|violation| violation.check.as_str()).collect();
    assert!(checks.contains(&"output"), "{:?}", run.violations);
}
