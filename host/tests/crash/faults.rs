//! Hosts that are broken on purpose must be caught, or a campaign that finds nothing proves nothing.

use crate::point::{Phase, Point};
use crate::points::POINTS;
use crate::round::Round;
use crate::tally;

/// A mistake, where to kill, and the check that must see it.
struct Fault {
    name: &'static str,
    place: &'static str,
    check: &'static str,
}

const FAULTS: [Fault; 7] = [
    Fault { name: "state-before-commit", place: "torn", check: "store" },
    Fault { name: "outputs-before-offsets", place: "torn", check: "output" },
    Fault { name: "offset-without-next", place: "committed", check: "output" },
    Fault { name: "outputs-twice-on-restart", place: "committed", check: "output" },
    Fault { name: "changelog-skips-deletes", place: "committed", check: "changelog" },
    Fault { name: "held-back-is-lost", place: "committed", check: "held-back" },
    Fault { name: "deletes-are-lost", place: "committed", check: "store" },
];
/// Kills before the host may run to the end.
const KILLS: usize = 3;
const TORN: Point = Point { row: "torn", place: "torn", phase: Phase::Work, passages: 4, delay: 0 };

/// A short round under a mistake, or under none.
fn round(seed: u64, fault: Option<&Fault>) -> Round {
    let place = fault.map_or("committed", |fault| fault.place);
    let point = POINTS.iter().find(|point| point.place == place).unwrap_or(&TORN);
    let mut round = Round::new(seed, fault.map(|fault| fault.name));
    round.append_tape();
    round.produce_notes();
    for _ in 0..KILLS {
        assert!(round.kill(point), "the host is killed at {place}: {:?}", round.violations);
    }
    round.finish();
    round
}

#[test]
fn broken_hosts_are_caught() {
    let seed = crate::seed();
    let sound = round(seed, None);
    assert!(sound.violations.is_empty(), "without a mistake: {:?}", sound.violations);
    let mut missed = Vec::new();
    println!("{:28} caught by", "mistake");
    for fault in &FAULTS {
        let violations = round(seed, Some(fault)).violations;
        missed.extend(tally::missed(fault.name, fault.check, &violations));
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
