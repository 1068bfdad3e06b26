//! What a campaign came to.

use super::point::{ANY_TIME, Phase, Point};
use super::points::POINTS;
use super::random::Random;
use std::collections::BTreeMap;

/// Something that should not be.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    /// Row of the last kill before it was seen.
    pub(crate) row: &'static str,
    /// The verifier's check, `exit` or `invalid`.
    pub(crate) check: String,
    pub(crate) what: String,
}

#[derive(Default)]
pub(crate) struct Tally {
    /// Kills that landed, by row.
    pub(crate) hits: BTreeMap<&'static str, usize>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) compared: u64,
    pub(crate) rounds: u64,
}

impl Tally {
    fn kills(&self) -> usize {
        self.hits.values().sum()
    }

    fn hits_of(&self, row: &str) -> usize {
        self.hits.get(row).copied().unwrap_or(0)
    }

    /// Whether there were so many kills, and so many hits of every row.
    pub(crate) fn has(&self, kills: usize, hits: usize) -> bool {
        let rows = POINTS.iter().map(|point| point.row).chain([ANY_TIME]);
        self.kills() >= kills && rows.into_iter().all(|row| self.hits_of(row) >= hits)
    }

    /// A point of a phase that was hit least.
    pub(crate) fn least_hit(&self, phase: Phase, random: &mut Random) -> &'static Point {
        let points: Vec<_> = POINTS.iter().filter(|point| point.phase == phase).collect();
        let fewest = points.iter().map(|point| self.hits_of(point.row)).min();
        let least: Vec<_> = points.into_iter().filter(|point| Some(self.hits_of(point.row)) == fewest).collect();
        least[usize::try_from(random.among(0, least.len() as u64 - 1)).expect("an index")]
    }

    /// Point, kills, violations.
    pub(crate) fn table(&self) -> String {
        let mut table = format!("{:28} {:>6} {:>11}\n", "kill point", "kills", "violations");
        for row in POINTS.iter().map(|point| point.row).chain([ANY_TIME]) {
            let violations = self.violations.iter().filter(|violation| violation.row == row).count();
            table += &format!("{row:28} {:>6} {violations:>11}\n", self.hits_of(row));
        }
        let (kills, violations) = (self.kills(), self.violations.len());
        table
            + &format!(
                "{:28} {kills:>6} {violations:>11}\n{} rounds, {} comparisons\n",
                "all", self.rounds, self.compared
            )
    }
}

/// Prints which checks saw a mistake; says so if the one that must see it did not.
pub(crate) fn missed(mistake: &str, check: &str, violations: &[Violation]) -> Option<String> {
    let mut checks: Vec<&str> = violations.iter().map(|violation| violation.check.as_str()).collect();
    checks.sort_unstable();
    checks.dedup();
    println!("{mistake:28} {}", checks.join(", "));
    (!checks.contains(&check)).then(|| format!("{mistake} was not caught by {check}: {violations:?}"))
}
