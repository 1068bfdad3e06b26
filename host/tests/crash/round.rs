//! A round: one data directory, one tape, one kill after the other until the work is done.

use crate::child::{self, Ended};
use crate::data::{self, Left};
use crate::guests;
use crate::point::{ANY_TIME, Phase, Point};
use crate::random::Random;
use crate::tally::Violation;
use crate::verifier;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

/// Where a round takes place.
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
}

impl Place {
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn tape(&self) -> PathBuf {
        self.directory.join("tape")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// One kill that landed.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) row: &'static str,
}

/// A verification under way, and after which kill.
struct Pending {
    row: &'static str,
    child: Child,
    export: PathBuf,
}

pub(crate) struct Round {
    pub(crate) place: Place,
    _directory: tempfile::TempDir,
    random: Random,
    /// A mistake that the host is to make.
    fault: Option<&'static str>,
    pub(crate) kills: Vec<Kill>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) compared: u64,
    pending: Vec<Pending>,
    left: Left,
    /// Whether what a kill leaves behind can be verified: not before the input is there, nor while state is restored.
    verifiable: bool,
}

/// Things that the verifier must have compared at the end of a round: most of the records that a tape leads to.
const COMPARED_MIN: u32 = 12_000;
/// Every so many kills the state right after the kill is verified.
const VERIFY_EVERY: usize = 4;

impl Round {
    pub(crate) fn new(seed: u64, fault: Option<&'static str>) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place { directory: directory.path().into() };
        verifier::write_tape(&place, seed);
        std::fs::copy(guests::built("conformance"), place.file("conformance.wasm")).expect("the plugin is copied");
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/millstream.toml");
        std::fs::copy(manifest, place.file("millstream.toml")).expect("the manifest is copied");
        Self {
            place,
            _directory: directory,
            random: Random::new(seed),
            fault,
            kills: Vec::new(),
            violations: Vec::new(),
            compared: 0,
            pending: Vec::new(),
            left: Left { text: 0, all: 0 },
            verifiable: false,
        }
    }

    /// Lets the host run and kills it at the point. Says whether the kill landed.
    pub(crate) fn kill(&mut self, point: &Point) -> bool {
        let passage = self.random.among(1, point.passages);
        let delay = self.random.among(0, point.delay);
        let announced = self.place.file("announced");
        let _ = std::fs::remove_file(&announced);
        let at = format!("{}:{passage}:{delay}", point.place);
        let rows = if point.phase == Phase::End { 1024 } else { self.random.among(2, 8) };
        let log = announced.display().to_string();
        let rows = rows.to_string();
        let mut environment =
            vec![("MILLSTREAM_KILL_AT", &*at), ("MILLSTREAM_KILL_LOG", &log), ("MILLSTREAM_TURN_ROWS", &rows)];
        environment.extend(self.fault.map(|fault| ("MILLSTREAM_FAULT", fault)));
        let arguments: &[&str] = match point.phase {
            Phase::Production => &["topic", "produce", "scratch", "tape/notes.txt"],
            _ => &["run", "--until-end", "--workers", "2"],
        };
        let ended = child::end(child::start(&self.place, arguments, &environment));
        let told = std::fs::read_to_string(&announced).unwrap_or_default();
        match ended {
            // The line and the kill belong together: only the place itself writes the one and then kills.
            Ended::Killed if told == format!("{}\n", point.place) => self.landed(point.row),
            // The process may be done before a delayed kill comes.
            Ended::Done if point.delay > 0 && !told.is_empty() => self.look(point.row),
            other => {
                self.violated(point.row, "invalid", format!("{at} did not kill: {other:?}, left {:?}", self.left));
                self.look(point.row);
            }
        }
        self.kills.last().is_some_and(|kill| kill.row == point.row)
    }

    /// Kills the host from outside, at any time. Says whether there was still something to do.
    pub(crate) fn kill_at_any_time(&mut self, within_microseconds: u64) {
        let rows = self.random.among(2, 8).to_string();
        let time = Duration::from_micros(self.random.among(0, within_microseconds));
        let environment = [("MILLSTREAM_TURN_ROWS", &*rows)];
        let mut host = child::start(&self.place, &["run", "--until-end", "--workers", "2"], &environment);
        // The time is the fault itself; nothing waits for anything here.
        std::thread::sleep(time);
        let _ = host.kill();
        match child::end(host) {
            Ended::Killed => self.landed(ANY_TIME),
            Ended::Done => self.look(ANY_TIME),
            other => self.violated(ANY_TIME, "exit", format!("{other:?}")),
        }
    }

    fn landed(&mut self, row: &'static str) {
        self.kills.push(Kill { row });
        self.look(row);
    }

    fn violated(&mut self, row: &'static str, check: &str, what: String) {
        self.violations.push(Violation { row, check: check.into(), what });
    }

    /// Looks at what the kill left behind, and has some of it verified.
    fn look(&mut self, row: &'static str) {
        let number = self.pending.len() + self.kills.len();
        let export = self.place.file(&format!("export-{number}-{}", self.violations.len()));
        self.left = data::export(&self.place, &export);
        if self.verifiable && (self.fault.is_some() || self.kills.len().is_multiple_of(VERIFY_EVERY)) {
            let child = verifier::begin(&self.place, &export, false, 1);
            self.pending.push(Pending { row, child, export });
        } else {
            let _ = std::fs::remove_file(export);
        }
    }

    /// Puts the tape into its topics.
    pub(crate) fn append_tape(&mut self) {
        data::append_tape(&self.place);
        let export = self.place.file("export-tape");
        self.left = data::export(&self.place, &export);
        self.verifiable = true;
    }

    /// Takes all stores away; the changelogs must bring them back.
    pub(crate) fn lose_state(&mut self) {
        let rows = data::lose_state(&self.place);
        // A kill before the first step of a restore leaves nothing to lose the next time.
        assert!(rows > 0 || !self.verifiable, "there was something to lose");
        self.verifiable = false;
    }

    /// What is left to do.
    pub(crate) fn left(&self) -> Left {
        self.left
    }

    /// Puts the notes in by the host's own command.
    pub(crate) fn produce_notes(&mut self) {
        let ended = child::end(child::start(&self.place, &["topic", "produce", "notes", "tape/notes.txt"], &[]));
        assert_eq!(ended, Ended::Done, "the notes are produced");
    }

    /// Runs to the end without a kill and verifies the result and all that waits.
    pub(crate) fn finish(&mut self) {
        let environment: Vec<_> = self.fault.map(|fault| ("MILLSTREAM_FAULT", fault)).into_iter().collect();
        let ended = child::end(child::start(&self.place, &["run", "--until-end", "--workers", "2"], &environment));
        let row = self.kills.last().map_or(ANY_TIME, |kill| kill.row);
        if ended != Ended::Done {
            self.violated(row, "exit", format!("{ended:?}"));
        }
        let export = self.place.file("export-end");
        data::export(&self.place, &export);
        let child = verifier::begin(&self.place, &export, true, COMPARED_MIN);
        self.pending.push(Pending { row, child, export });
        for Pending { row, child, export } in std::mem::take(&mut self.pending) {
            let verdict = verifier::verdict(child);
            let _ = std::fs::remove_file(export);
            self.compared += verdict.compared;
            for (check, what) in verdict.failures {
                self.violated(row, &check, what);
            }
        }
    }
}
