//! Rounds until every point was hit often enough.

use crate::point::{ANY_TIME, Phase};
use crate::random::Random;
use crate::round::Round;
use crate::tally::Tally;

/// Hits that every point needs.
const HITS_MIN: usize = 10;
/// Kills that a campaign needs.
const KILLS_MIN: usize = 200;
/// Rounds after which a campaign that has not reached them has failed: twice what it takes.
const ROUNDS_MAX: u64 = 20;
/// Kills in one round: while an empty directory is set up, while lines are produced, while the app works, while lost
/// state is restored, and from outside.
const CREATIONS: usize = 4;
const PRODUCTIONS: usize = 4;
const WORKS: usize = 20;
const RESTORES: usize = 2;
const ANY_TIMES: usize = 2;
/// Longest time until a kill from outside, microseconds: a start and some dozen commits on a busy machine; and the
/// shortest that it is cut to where runs end sooner.
const ANY_TIME_MAX: u64 = 400_000;
const ANY_TIME_MIN: u64 = 10_000;
/// As long as so many records wait in the topics that the app reads first, every place is passed for certain.
const LEFT_MIN: i64 = 240;

/// Whether every point was hit often enough.
pub(crate) fn is_enough(tally: &Tally) -> bool {
    tally.has(KILLS_MIN, HITS_MIN)
}

/// Runs rounds until every point was hit often enough, or something is wrong.
pub(crate) fn run(seed: u64) -> Tally {
    let (mut tally, mut any_time) = (Tally::default(), ANY_TIME_MAX);
    let mut random = Random::new(seed);
    while !is_enough(&tally) && tally.violations.is_empty() && tally.rounds < ROUNDS_MAX {
        let mut round = Round::new(seed.wrapping_add(tally.rounds), None);
        tally.rounds += 1;
        one(&mut tally, &mut any_time, &mut round, &mut random);
        tally.violations.append(&mut round.violations);
        tally.compared += round.compared;
    }
    tally
}

fn one(tally: &mut Tally, longest: &mut u64, round: &mut Round, random: &mut Random) {
    for _ in 0..CREATIONS {
        strike(tally, round, random, Phase::Creation);
    }
    round.append_tape();
    round.produce_notes();
    for _ in 0..PRODUCTIONS {
        strike(tally, round, random, Phase::Production);
    }
    let mut works = 0;
    while works < WORKS && round.left().text >= LEFT_MIN && round.violations.is_empty() {
        strike(tally, round, random, Phase::Work);
        works += 1;
    }
    // What went wrong before is what is to be told.
    if !round.violations.is_empty() {
        return;
    }
    for _ in 0..RESTORES {
        round.lose_state();
        strike(tally, round, random, Phase::Restore);
    }
    for _ in 0..ANY_TIMES {
        any_time(tally, longest, round);
    }
    strike(tally, round, random, Phase::End);
    round.finish();
}

/// Kills after a time, `longest` at most, in microseconds.
fn any_time(tally: &mut Tally, longest: &mut u64, round: &mut Round) {
    if round.left().all == 0 {
        return;
    }
    let before = round.kills.len();
    round.kill_at_any_time(*longest);
    let landed = round.kills.len() - before;
    *tally.hits.entry(ANY_TIME).or_default() += landed;
    // How long a run takes depends on the machine: a kill that came too late makes the next ones come sooner.
    *longest = match landed {
        0 => (*longest / 2).max(ANY_TIME_MIN),
        _ => (*longest * 3 / 2).min(ANY_TIME_MAX),
    };
}

/// Kills at the point of a phase that was hit least.
fn strike(tally: &mut Tally, round: &mut Round, random: &mut Random, phase: Phase) {
    let point = tally.least_hit(phase, random);
    if round.kill(point) {
        *tally.hits.entry(point.row).or_default() += 1;
    }
}
