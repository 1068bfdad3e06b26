//! A round: one app, one tape, one kill after the other until the work is done.

use super::place::{Ended, Left, Place, has_ended};
use super::point::{ANY_TIME, Phase, Point};
use super::random::Random;
use super::tally::Violation;
use crate::await_that;
use rustix::process::{Pid, Signal, kill_process};
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
    /// What the verifier is told besides, and how much it must have compared at the end.
    arguments: &'static [&'static str],
    compared_min: u64,
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
        let (kills, violations, arguments) = (Vec::new(), Vec::new(), &[]);
        let (compared, compared_min, verifiable) = (0, COMPARED_MIN, false);
        Self { place, random, fault, kills, violations, compared, arguments, compared_min, verifiable }
    }

    /// One whose app begins where its inputs end, with so much to compare at the end.
    pub(crate) fn at_the_end(bootstrap: &str, app: &str, seed: u64, compared_min: u64) -> Self {
        let round = Self::new(bootstrap, app, seed, None);
        round.place.begin_at_the_end();
        Self { arguments: &["--latest"], compared_min, ..round }
    }

    pub(crate) fn fill(&mut self) {
        self.fill_part(1, 1);
    }

    /// Puts a part of the tape in, of so many.
    pub(crate) fn fill_part(&mut self, part: usize, of: usize) {
        self.place.fill(part, of);
        self.verifiable = part == of;
    }

    /// Runs to the end of what is there without a kill.
    pub(crate) fn catch_up(&mut self) {
        let ended = self.place.end(self.place.start(&[]));
        if ended != Ended::Done {
            self.violated(ANY_TIME, "exit", format!("{ended:?}"));
        }
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
        let before = self.before(point.phase);
        let at = format!("{before}{}:{passage}:{delay}", point.place);
        let rows = match point.phase {
            Phase::End => 1024,
            Phase::Handover => 1,
            _ => self.random.among(2, 8),
        };
        let rows = rows.to_string();
        let mut environment =
            vec![("MILLSTREAM_KILL_AT", &*at), ("MILLSTREAM_KILL_LOG", &announced), ("MILLSTREAM_TURN_ROWS", &rows)];
        environment.extend(self.fault.map(|fault| ("MILLSTREAM_FAULT", fault)));
        let ended = match point.phase {
            Phase::Zombie => self.rise_again(&environment),
            Phase::Handover => self.hand_over(&environment),
            _ => self.place.end(self.place.start(&environment)),
        };
        let told = std::fs::read_to_string(&announced).unwrap_or_default();
        match ended {
            // The line and the kill belong together: only the place itself writes the one and then kills.
            Ended::Killed if told.lines().next_back() == Some(point.place) => {
                self.landed(point.row);
                true
            }
            // The process may be done before a delayed kill comes.
            Ended::Done if point.delay > 0 && !told.is_empty() => false,
            // What was open may have come to its timeout by then, and needs no abort.
            Ended::Done if point.phase == Phase::Zombie && !told.is_empty() => false,
            other => {
                self.violated(point.row, "invalid", format!("{at} did not kill: {other:?}, left {:?}", self.left()));
                false
            }
        }
    }

    /// What happens before the place is passed.
    fn before(&mut self, phase: Phase) -> String {
        match phase {
            Phase::Zombie => format!("kafka-before-offsets:{}:stop,", self.random.among(1, 3)),
            // Both workers have their tasks.
            Phase::Handover => "rebalance-after-done:2:go-on,".into(),
            _ => String::new(),
        }
    }

    /// Lets the host go on when it has stopped and the group has taken it for dead.
    fn rise_again(&self, environment: &[(&str, &str)]) -> Ended {
        let mut host = self.place.start(environment);
        await_that("it stops", || self.place.is_stopped(&host) || has_ended(&mut host));
        await_that("it is taken for dead", || self.left().members == Some(0));
        let _ = kill_process(Pid::from_child(&host), Signal::CONT);
        self.place.end(host)
    }

    /// Has a second process join, which is killed when the host has ended.
    fn hand_over(&self, environment: &[(&str, &str)]) -> Ended {
        let mut host = self.place.start_in(0, &[], environment);
        let announced = self.place.path("announced");
        let is_announced = || std::fs::exists(&announced).is_ok_and(|announced| announced);
        await_that("it has its tasks", || is_announced() || has_ended(&mut host));
        let mut heir = self.place.start_in(1, &[], &[("MILLSTREAM_TURN_ROWS", "1")]);
        let ended = self.place.end(host);
        let _ = heir.kill();
        let _ = heir.wait();
        ended
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
        let mut arguments = self.arguments.to_vec();
        arguments.extend(Some("--finished").filter(|_| finished));
        let verdict = self.place.verify(2, &arguments, minimum);
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
        self.verify(row, true, self.compared_min);
    }
}
