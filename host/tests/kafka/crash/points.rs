//! The places at which the host is killed on Kafka.

use super::point::{Phase, Point, at};

use Phase::{Creation, End, Handover, Restore, Work, Zombie};

/// How long a broker takes to end a transaction, roughly: kills are spread over it.
const END_MICROSECONDS: u64 = 8_000;
/// How long a group takes to form anew, roughly.
const REBALANCE_MICROSECONDS: u64 = 50_000;

pub(crate) const POINTS: [Point; 41] = [
    at("format-checked", Creation, 1),
    at("database-opened", Creation, 1),
    at("number-given", Creation, 2),
    at("workers-started", Work, 1),
    at("task-assembled", Work, 15),
    at("rebalance", Work, 2),
    at("rebalance-before-done", Work, 2),
    at("rebalance-after-done", Work, 2),
    Point { row: "while the group forms", delay: REBALANCE_MICROSECONDS, ..at("rebalance-after-done", Work, 2) },
    at("kafka-before-init", Work, 2),
    at("kafka-after-init", Work, 2),
    at("before-fetch", Work, 12),
    at("fetched", Work, 4),
    at("before-turn", Work, 12),
    at("before-plugin-call", Work, 20),
    at("after-plugin-call", Work, 20),
    at("before-fold-call", Work, 8),
    at("after-fold-call", Work, 8),
    at("after-turn", Work, 12),
    at("sent", Work, 12),
    at("before-commit", Work, 3),
    at("one-handed-in", Work, 12),
    at("handed-in", Work, 3),
    at("kafka-produced", Work, 3),
    at("kafka-before-offsets", Work, 3),
    at("kafka-before-end", Work, 3),
    Point { row: "EndTxn under way", delay: END_MICROSECONDS, ..at("kafka-before-end", Work, 3) },
    at("kafka-after-end", Work, 3),
    at("kafka-before-state", Work, 3),
    at("kafka-after-state", Work, 3),
    at("committed", Work, 3),
    at("one-knows-of-commit", Work, 12),
    at("kafka-before-abort", Zombie, 1),
    at("kafka-after-abort", Zombie, 1),
    at("lost", Zombie, 2),
    at("revoked", Handover, 2),
    at("restore-before-step", Restore, 8),
    at("restore-after-step", Restore, 8),
    Point { row: "restore: state written", ..at("kafka-after-state", Restore, 4) },
    at("worker-ends", End, 2),
    Point { row: "leaving the group", delay: REBALANCE_MICROSECONDS, ..at("worker-ends", End, 2) },
];
