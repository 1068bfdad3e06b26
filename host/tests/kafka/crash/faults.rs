//! Hosts that are broken on purpose must be caught, or a campaign that finds nothing proves nothing.

use super::point::{Phase, Point};
use super::round::Round;
use super::tally;
use crate::broker::Broker;

/// A mistake, where to kill and how often, and the check that must see it.
struct Fault {
    name: &'static str,
    place: &'static str,
    /// More where it depends on what was under way whether a mistake does harm.
    kills: usize,
    /// Whether the local state is lost in the end.
    lost: bool,
    check: &'static str,
}

const fn fault(name: &'static str, place: &'static str, check: &'static str) -> Fault {
    Fault { name, place, kills: 3, lost: false, check }
}

const FAULTS: [Fault; 9] = [
    fault("state-before-commit", "kafka-before-end", "store"),
    fault("offsets-apart", "kafka-before-offsets", "output"),
    // What was read of an aborted transaction is seen in what is made of it; whether it can be told that it was aborted, by
    // the check of that name, depends on what the next transaction writes in its place.
    Fault { kills: 8, ..fault("reads-uncommitted", "kafka-before-end", "output") },
    Fault { kills: 8, ..fault("checkpoint-ahead", "kafka-before-state", "store") },
    Fault { lost: true, ..fault("restore-skips-rows", "kafka-before-state", "store") },
    fault("offset-without-next", "committed", "output"),
    fault("changelog-skips-deletes", "committed", "changelog"),
    fault("held-back-is-lost", "committed", "held-back"),
    fault("deletes-are-lost", "committed", "store"),
];
/// Kills without a mistake.
const KILLS: usize = 3;
/// A kill comes at a passage up to this one: some commits after the first.
const PASSAGES: u64 = 12;

/// A short round under a mistake, or under none.
fn round(seed: u64, number: usize, fault: Option<&Fault>) -> Round {
    let place = fault.map_or("committed", |fault| fault.place);
    let point = Point { row: place, place, phase: Phase::Work, passages: PASSAGES, delay: 0 };
    let app = format!("fault-{seed}-{number}");
    let mut round = Round::new(&Broker::shared().bootstrap(), &app, seed, fault.map(|fault| fault.name));
    round.fill();
    for _ in 0..fault.map_or(KILLS, |fault| fault.kills) {
        // What a mistake has done already may end the host before it comes to the place.
        if !round.kill(&point) {
            break;
        }
    }
    if fault.is_some_and(|fault| fault.lost) {
        round.lose_state();
    }
    round.finish();
    round
}

#[test]
fn broken_hosts_are_caught() {
    let seed = super::seed();
    let sound = round(seed, 0, None);
    assert!(sound.violations.is_empty(), "without a mistake: {:?}", sound.violations);
    let mut missed = Vec::new();
    println!("{:28} caught by", "mistake");
    // Side by side: most of a round is waiting for a dead member's session to end.
    std::thread::scope(|scope| {
        let rounds: Vec<_> =
            (1..).zip(&FAULTS).map(|(number, fault)| scope.spawn(move || round(seed, number, Some(fault)))).collect();
        for (fault, round) in FAULTS.iter().zip(rounds) {
            let violations = round.join().expect("a round ends").violations;
            missed.extend(tally::missed(fault.name, fault.check, &violations));
        }
    });
    assert!(missed.is_empty(), "{missed:#?}");
}
