//! Rounds until every point was hit often enough.

use crate::points::{ANY_TIME, POINTS, Phase, Point};
use crate::random::Random;
use crate::round::{Round, Violation};
use std::collections::BTreeMap;

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

/// What a campaign came to.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) hits: BTreeMap<&'static str, usize>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) compared: u64,
    pub(crate) rounds: u64,
    /// Longest time until the next kill from outside, microseconds.
    any_time: u64,
}

impl Tally {
    pub(crate) fn kills(&self) -> usize {
        self.hits.values().sum()
    }

    fn hits_of(&self, row: &str) -> usize {
        self.hits.get(row).copied().unwrap_or(0)
    }

    pub(crate) fn enough(&self) -> bool {
        let rows = POINTS.iter().map(|point| point.row).chain([ANY_TIME]);
        self.kills() >= KILLS_MIN && rows.into_iter().all(|row| self.hits_of(row) >= HITS_MIN)
    }

    /// The point of a phase that was hit least.
    fn next(&self, phase: Phase, random: &mut Random) -> &'static Point {
        let points: Vec<_> = POINTS.iter().filter(|point| point.phase == phase).collect();
        let fewest = points.iter().map(|point| self.hits_of(point.row)).min();
        let least: Vec<_> = points.into_iter().filter(|point| Some(self.hits_of(point.row)) == fewest).collect();
        least[usize::try_from(random.among(0, least.len() as u64 - 1)).expect("an index")]
    }

    fn strike(&mut self, round: &mut Round, point: &'static Point) {
        if round.kill(point) {
            *self.hits.entry(point.row).or_default() += 1;
        }
    }

    /// Point, kills, violations.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:28} {:>6} {:>11}\n", "kill point", "kills", "violations");
        for row in POINTS.iter().map(|point| point.row).chain([ANY_TIME]) {
            let violations = self.violations.iter().filter(|violation| violation.row == row).count();
            table += &format!("{row:28} {:>6} {violations:>11}\n", self.hits_of(row));
        }
        table
            + &format!(
                "{:28} {:>6} {:>11}\n{} rounds, {} comparisons\n",
                "all",
                self.kills(),
                self.violations.len(),
                self.rounds,
                self.compared
            )
    }
}

/// Runs rounds until every point was hit often enough, or something is wrong.
pub(crate) fn run(seed: u64) -> Tally {
    let mut tally = Tally { any_time: ANY_TIME_MAX, ..Tally::default() };
    let mut random = Random::new(seed);
    while !tally.enough() && tally.violations.is_empty() && tally.rounds < ROUNDS_MAX {
        let mut round = Round::new(seed.wrapping_add(tally.rounds), None);
        tally.rounds += 1;
        one(&mut tally, &mut round, &mut random);
        tally.violations.append(&mut round.violations);
        tally.compared += round.compared;
    }
    tally
}

fn one(tally: &mut Tally, round: &mut Round, random: &mut Random) {
    for _ in 0..CREATIONS {
        let point = tally.next(Phase::Creation, random);
        tally.strike(round, point);
    }
    round.append_tape();
    round.produce_notes();
    for _ in 0..PRODUCTIONS {
        let point = tally.next(Phase::Production, random);
        tally.strike(round, point);
    }
    let mut works = 0;
    while works < WORKS && round.left().text >= LEFT_MIN && round.violations.is_empty() {
        let point = tally.next(Phase::Work, random);
        tally.strike(round, point);
        works += 1;
    }
    // What went wrong before is what is to be told.
    if !round.violations.is_empty() {
        return;
    }
    for _ in 0..RESTORES {
        round.lose_state();
        let point = tally.next(Phase::Restore, random);
        tally.strike(round, point);
    }
    for _ in 0..ANY_TIMES {
        any_time(tally, round);
    }
    let point = tally.next(Phase::End, random);
    tally.strike(round, point);
    round.finish();
}

fn any_time(tally: &mut Tally, round: &mut Round) {
    if round.left().all == 0 {
        return;
    }
    let before = round.kills.len();
    round.kill_at_any_time(tally.any_time);
    let landed = round.kills.len() - before;
    *tally.hits.entry(ANY_TIME).or_default() += landed;
    // How long a run takes depends on the machine: a kill that came too late makes the next ones come sooner.
    tally.any_time = match landed {
        0 => (tally.any_time / 2).max(ANY_TIME_MIN),
        _ => (tally.any_time * 3 / 2).min(ANY_TIME_MAX),
    };
}
