//! A round: one app, one tape, one kill after the other until the work is done.

use super::place::{Ended, Left, Place};
use super::point::{ANY_TIME, Phase, Point};
use super::random::Random;
use super::tally::Violation;
use std::time::Duration;

pub(crate) struct Round {
    place: Place,
    random: Random,
    /// A mistake that the host is to make.
    fault: Option<&'static str>,
    /// Rows of the kills that landed.
    pub(crate) kills: Vec<&'static str>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) compared: u64,
    /// Whether what a kill leaves behind can be verified: not before the input is there, nor while state is restored.
    verifiable: bool,
}

/// Things that the verifier must have compared at the end of a round: most of the records that a tape leads to.
pub(crate) const COMPARED_MIN: u64 = 12_000;
/// Every so many kills the state right after the kill is verified.
const VERIFY_EVERY: usize = 4;

impl Round {
    pub(crate) fn new(bootstrap: &str, app: &str, seed: u64, fault: Option<&'static str>) -> Self {
        let (place, random) = (Place::new(bootstrap, app, seed), Random::new(seed));
        Self { place, random, fault, kills: Vec::new(), violations: Vec::new(), compared: 0, verifiable: false }
    }

    pub(crate) fn fill(&mut self) {
        self.place.fill(1, 1);
        self.verifiable = true;
    }

    pub(crate) fn left(&self) -> Left {
        self.place.left()
    }

    /// Lets the host run and kills it at the point. Says whether the kill landed.
    pub(crate) fn kill(&mut self, point: &Point) -> bool {
        let passage = self.random.among(1, point.passages);
        let delay = self.random.among(0, point.delay);
        let announced = self.place.path("announced");
        let _ = std::fs::remove_file(&announced);
        let at = format!("{}:{passage}:{delay}", point.place);
        let rows = if point.phase == Phase::End { 1024 } else { self.random.among(2, 8) }.to_string();
        let mut environment =
            vec![("MILLSTREAM_KILL_AT", &*at), ("MILLSTREAM_KILL_LOG", &announced), ("MILLSTREAM_TURN_ROWS", &rows)];
        environment.extend(self.fault.map(|fault| ("MILLSTREAM_FAULT", fault)));
        let ended = self.place.end(self.place.start(&environment));
        let told = std::fs::read_to_string(&announced).unwrap_or_default();
        match ended {
            // The line and the kill belong together: only the place itself writes the one and then kills.
            Ended::Killed if told == format!("{}\n", point.place) => {
                self.landed(point.row);
                true
            }
            // The process may be done before a delayed kill comes.
            Ended::Done if point.delay > 0 && !told.is_empty() => false,
            other => {
                self.violated(point.row, "invalid", format!("{at} did not kill: {other:?}, left {:?}", self.left()));
                false
            }
        }
    }

    /// Kills the host from outside, at any time. Says whether it was still at work.
    pub(crate) fn kill_at_any_time(&mut self, within_microseconds: u64) -> bool {
        let rows = self.random.among(2, 8).to_string();
        let time = Duration::from_micros(self.random.among(0, within_microseconds));
        let mut host = self.place.start(&[("MILLSTREAM_TURN_ROWS", &rows)]);
        // The time is the fault itself; nothing waits for anything here.
        std::thread::sleep(time);
        let _ = host.kill();
        match self.place.end(host) {
            Ended::Killed => {
                self.landed(ANY_TIME);
                return true;
            }
            Ended::Done => {}
            other => self.violated(ANY_TIME, "exit", format!("{other:?}")),
        }
        false
    }

    fn landed(&mut self, row: &'static str) {
        self.kills.push(row);
        if self.verifiable && (self.fault.is_some() || self.kills.len().is_multiple_of(VERIFY_EVERY)) {
            self.verify(row, false, 1);
        }
    }

    fn verify(&mut self, row: &'static str, finished: bool, minimum: u64) {
        let arguments: &[&str] = if finished { &["--finished"] } else { &[] };
        let verdict = self.place.verify(1, arguments, minimum);
        self.compared += verdict.compared;
        for (check, what) in verdict.failures {
            self.violated(row, &check, what);
        }
    }

    fn violated(&mut self, row: &'static str, check: &str, what: String) {
        self.violations.push(Violation { row, check: check.into(), what: format!("{}: {what}", self.place.app) });
    }

    /// Lets the host reach the cluster through this from now on.
    pub(crate) fn through(&mut self, bootstrap: &str) {
        self.place.through = bootstrap.into();
    }

    /// The app's name.
    pub(crate) fn app(&self) -> &str {
        &self.place.app
    }

    /// Takes all stores away; the changelogs must bring them back.
    pub(crate) fn lose_state(&mut self) {
        let rows = self.place.lose_state();
        // A kill before the first step of a restore leaves nothing to lose the next time.
        assert!(rows > 0 || !self.verifiable, "there was something to lose");
        self.verifiable = false;
    }

    /// Runs to the end without a kill and verifies the result.
    pub(crate) fn finish(&mut self) {
        self.finish_with(1024);
    }

    /// The same, with so many records a turn at most.
    pub(crate) fn finish_with(&mut self, rows: usize) {
        let rows = rows.to_string();
        let mut environment = vec![("MILLSTREAM_TURN_ROWS", &*rows)];
        environment.extend(self.fault.map(|fault| ("MILLSTREAM_FAULT", fault)));
        let ended = self.place.end(self.place.start(&environment));
        let row = self.kills.last().copied().unwrap_or(ANY_TIME);
        if ended != Ended::Done {
            self.violated(row, "exit", format!("{ended:?}"));
        }
        self.verify(row, true, COMPARED_MIN);
    }
}
