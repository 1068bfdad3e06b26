//! The places at which the host is killed.

use super::point::{Phase, Point, at};

use Phase::{Creation, End, Production, Restore, Work};

/// How long a synced write takes at most, roughly: kills are spread over it.
const WRITE_MICROSECONDS: u64 = 3_000;

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
