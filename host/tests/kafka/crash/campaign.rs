//! Rounds until every point was hit often enough, some side by side: most of a round is waiting for a dead member's
//! session to end.

use super::point::{ANY_TIME, Phase, Point};
use super::random::Random;
use super::round::Round;
use super::tally::Tally;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Hits that every point needs, whatever the number of kills.
const HITS_MIN: usize = 2;
/// Rounds side by side.
const LANES: u64 = 6;
/// Kills in one round: while an empty directory is set up, of a zombie, while tasks are handed over, while the app works,
/// while lost state is restored, from outside, and at the end.
const CREATIONS: usize = 2;
const ZOMBIES: usize = 2;
const HANDOVERS: usize = 1;
const WORKS: usize = 20;
const RESTORES: usize = 2;
const ANY_TIMES: usize = 2;
const ENDS: usize = 1;
/// Rounds after which a campaign that has not reached its kills has failed: twice what it takes.
const KILLS_A_ROUND: usize = (CREATIONS + ZOMBIES + HANDOVERS + WORKS + RESTORES + ANY_TIMES + ENDS) / 2;
/// Longest time until a kill from outside, microseconds: a dead member's session, a start and some dozen commits.
const ANY_TIME_MAX: u64 = 4_000_000;
/// As long as so many records wait in the topics that the app reads first, every place is passed for certain.
const LEFT_MIN: u64 = 240;

/// Whether there were so many kills, and every point was hit often enough.
pub(crate) fn is_enough(tally: &Tally, kills: usize) -> bool {
    tally.has(kills, HITS_MIN)
}

/// Runs rounds until every point was hit often enough, or something is wrong.
pub(crate) fn run(bootstrap: &str, seed: u64, kills: usize) -> Tally {
    let tally = Mutex::new(Tally::default());
    let rounds_max = u64::try_from(kills.div_ceil(KILLS_A_ROUND)).expect("a number") + LANES;
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let tally = &tally;
            scope.spawn(move || {
                let mut random = Random::new(seed.wrapping_add(lane));
                while let Some(number) = begin(tally, kills, rounds_max) {
                    let seed = seed.wrapping_add(number);
                    let mut round = Round::new(bootstrap, &format!("crash-{seed}"), seed, None);
                    one(tally, &mut round, &mut random);
                    let mut tally = lock(tally);
                    tally.violations.append(&mut round.violations);
                    tally.compared += round.compared;
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of the next round, if there is to be one.
fn begin(tally: &Mutex<Tally>, kills: usize, rounds_max: u64) -> Option<u64> {
    let mut tally = lock(tally);
    let over = is_enough(&tally, kills) || !tally.violations.is_empty() || tally.rounds >= rounds_max;
    tally.rounds += u64::from(!over);
    (!over).then_some(tally.rounds)
}

fn one(tally: &Mutex<Tally>, round: &mut Round, random: &mut Random) {
    strikes(tally, round, random, Phase::Creation, CREATIONS);
    round.fill();
    for (phase, times) in [(Phase::Zombie, ZOMBIES), (Phase::Handover, HANDOVERS), (Phase::Work, WORKS)] {
        // A zombie that was not killed may have worked to the end.
        let mut done = 0;
        while done < times && round.violations.is_empty() && round.left().text >= LEFT_MIN {
            strikes(tally, round, random, phase, 1);
            done += 1;
        }
    }
    for _ in 0..ANY_TIMES {
        let left = round.violations.is_empty() && round.left().all > 0;
        if left && round.kill_at_any_time(ANY_TIME_MAX) {
            *lock(tally).hits.entry(ANY_TIME).or_default() += 1;
        }
    }
    for _ in 0..RESTORES {
        // What went wrong before is what is to be told.
        if round.violations.is_empty() {
            round.lose_state();
            strikes(tally, round, random, Phase::Restore, 1);
        }
    }
    strikes(tally, round, random, Phase::End, ENDS);
    if round.violations.is_empty() {
        round.finish();
    }
}

/// The point of a phase that was hit least; it counts as hit until it is known not to be, so that lanes differ.
fn next(tally: &mut Tally, phase: Phase, random: &mut Random) -> &'static Point {
    let point = tally.least_hit(phase, random);
    *tally.hits.entry(point.row).or_default() += 1;
    point
}

fn strikes(tally: &Mutex<Tally>, round: &mut Round, random: &mut Random, phase: Phase, times: usize) {
    for _ in 0..times {
        if !round.violations.is_empty() {
            return;
        }
        let point = next(&mut lock(tally), phase, random);
        if !round.kill(point) {
            *lock(tally).hits.entry(point.row).or_default() -= 1;
        }
    }
}
