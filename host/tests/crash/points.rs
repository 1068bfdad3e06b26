//! The places at which the host is killed.

/// When a place is passed for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// While an empty data directory is set up.
    Creation,
    /// While the command `topic produce` puts lines into a topic.
    Production,
    /// While the app starts or works, as long as input is left.
    Work,
    /// While the app starts after its local state was lost.
    Restore,
    /// When all is done.
    End,
}

use Phase::{Creation, End, Production, Restore, Work};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Its row in the table.
    pub(crate) row: &'static str,
    /// The host's name of the place.
    pub(crate) place: &'static str,
    pub(crate) phase: Phase,
    /// The kill comes at a passage from the first to this one.
    pub(crate) passages: u64,
    /// The kill comes up to so many microseconds later.
    pub(crate) delay: u64,
}

const fn at(place: &'static str, phase: Phase, passages: u64) -> Point {
    Point { row: place, place, phase, passages, delay: 0 }
}

/// How long a synced write takes at most, roughly: kills are spread over it.
const WRITE_MICROSECONDS: u64 = 3_000;

/// Row of kills that come from outside, at any time.
pub(crate) const ANY_TIME: &str = "at a random time";

pub(crate) const POINTS: [Point; 31] = [
    at("format-checked", Creation, 1),
    at("topic-before-write", Creation, 3),
    at("topic-after-write", Creation, 3),
    at("number-given", Creation, 4),
    at("line-read", Production, 100),
    Point { row: "produce: before the write", ..at("embedded-before-write", Production, 1) },
    Point { row: "produce: inside the write", delay: WRITE_MICROSECONDS, ..at("embedded-before-write", Production, 1) },
    Point { row: "produce: after the write", ..at("embedded-after-write", Production, 1) },
    at("database-opened", Work, 1),
    at("task-assembled", Work, 15),
    at("workers-started", Work, 1),
    at("before-fetch", Work, 12),
    at("fetched", Work, 4),
    at("before-turn", Work, 12),
    at("before-plugin-call", Work, 20),
    at("after-plugin-call", Work, 20),
    at("before-fold-call", Work, 8),
    at("after-fold-call", Work, 8),
    at("after-turn", Work, 12),
    at("before-commit", Work, 3),
    at("one-handed-in", Work, 12),
    at("handed-in", Work, 3),
    at("embedded-before-write", Work, 3),
    Point { row: "inside the write", delay: WRITE_MICROSECONDS, ..at("embedded-before-write", Work, 3) },
    at("embedded-after-write", Work, 3),
    at("embedded-ends-known", Work, 3),
    at("committed", Work, 3),
    at("one-knows-of-commit", Work, 12),
    at("restore-before-step", Restore, 8),
    at("restore-after-step", Restore, 8),
    at("worker-ends", End, 2),
];
