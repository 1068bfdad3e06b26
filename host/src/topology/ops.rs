//! The vocabulary: which op reads what, takes which fields, and results in what.

/// What a node results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream of records.
    Stream,
    /// A table, as the stream of its changes.
    Table,
    /// A grouped stream.
    GroupedStream,
    /// A grouped table.
    GroupedTable,
    /// Several streams, read by the ids of the branches.
    Branches,
    /// Nothing: a sink.
    Nothing,
}

impl Kind {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Stream => "a stream",
            Self::Table => "a table",
            Self::GroupedStream => "a grouped stream",
            Self::GroupedTable => "a grouped table",
            Self::Branches => "the branches of a split",
            Self::Nothing => "nothing (it is a sink)",
        }
    }
}

/// An op of the vocabulary.
#[derive(Debug)]
pub(super) struct Op {
    pub(super) name: &'static str,
    /// Fields that must be there, besides `op` and `from`.
    pub(super) required: &'static [&'static str],
    /// Fields that may be there.
    pub(super) optional: &'static [&'static str],
    /// Number of inputs: none, one or several.
    pub(super) inputs: Inputs,
    /// From the kind of its input to the kind of its result.
    pub(super) kinds: &'static [(Kind, Kind)],
    /// Kinds of a plugin's operator that may be called, for streams and for tables.
    pub(super) calls: (&'static [&'static str], &'static [&'static str]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inputs {
    None,
    One,
    Several,
}

use Kind::{Branches, GroupedStream, GroupedTable, Nothing, Stream, Table};

const STREAM: &[(Kind, Kind)] = &[(Stream, Stream)];
const BOTH: &[(Kind, Kind)] = &[(Stream, Stream), (Table, Table)];
const FOLD: &[(Kind, Kind)] = &[(GroupedStream, Table), (GroupedTable, Table)];
const CALL: &[&str] = &["call"];
const PARAMS: &[&str] = &["params", "on-error"];
const TABLE: &[&str] = &["params", "on-error", "store", "changelog"];
const AGGREGATE: &[&str] = &["params", "on-error", "store", "changelog", "emit"];

const fn op(
    name: &'static str,
    (required, optional): (&'static [&'static str], &'static [&'static str]),
    inputs: Inputs,
    kinds: &'static [(Kind, Kind)],
    calls: (&'static [&'static str], &'static [&'static str]),
) -> Op {
    Op { name, required, optional, inputs, kinds, calls }
}

/// All ops that exist.
pub(super) const OPS: [Op; 20] = [
    op("stream", (&["topic"], &[]), Inputs::None, &[(Nothing, Stream)], (&[], &[])),
    op("table", (&["topic"], &["store", "changelog"]), Inputs::None, &[(Nothing, Table)], (&[], &[])),
    op("filter", (CALL, TABLE), Inputs::One, BOTH, (&["filter"], &["filter"])),
    op("filter-not", (CALL, TABLE), Inputs::One, BOTH, (&["filter"], &["filter"])),
    op("map-values", (CALL, TABLE), Inputs::One, BOTH, (&["map-values"], &["map-values"])),
    op("map", (CALL, PARAMS), Inputs::One, STREAM, (&["map"], &[])),
    op("flat-map", (CALL, PARAMS), Inputs::One, STREAM, (&["flat-map"], &[])),
    op("flat-map-values", (CALL, PARAMS), Inputs::One, STREAM, (&["flat-map-values"], &[])),
    op("select-key", (CALL, PARAMS), Inputs::One, STREAM, (&["select-key"], &[])),
    op("peek", (CALL, PARAMS), Inputs::One, STREAM, (&["peek"], &[])),
    op("merge", (&[], &[]), Inputs::Several, STREAM, (&[], &[])),
    op("split", (&["branches"], &["default", "on-error"]), Inputs::One, &[(Stream, Branches)], (&["filter"], &[])),
    op("repartition", (&[], &["partitions"]), Inputs::One, STREAM, (&[], &[])),
    op(
        "group-by",
        (CALL, PARAMS),
        Inputs::One,
        &[(Stream, GroupedStream), (Table, GroupedTable)],
        (&["select-key"], &["map"]),
    ),
    op("group-by-key", (&[], &[]), Inputs::One, &[(Stream, GroupedStream)], (&[], &[])),
    op("count", (&[], &["store", "changelog", "emit", "format", "on-error"]), Inputs::One, FOLD, (&[], &[])),
    op("reduce", (CALL, AGGREGATE), Inputs::One, FOLD, (&["reduce"], &["reduce"])),
    op("aggregate", (CALL, AGGREGATE), Inputs::One, FOLD, (&["aggregate"], &["aggregate"])),
    op("to-stream", (&[], &["call", "params", "on-error"]), Inputs::One, &[(Table, Stream)], (&[], &["select-key"])),
    op("to-table", (&[], &["store", "changelog"]), Inputs::One, &[(Stream, Table)], (&[], &[])),
];

/// `to` stands apart: it takes either a topic or a call.
pub(super) const TO: Op = op(
    "to",
    (&[], &["topic", "call", "params", "on-error"]),
    Inputs::One,
    &[(Stream, Nothing), (Table, Nothing)],
    (&["extract-topic"], &["extract-topic"]),
);

/// Ops of Kafka Streams that this version does not have yet.
pub(super) const LATER: [&str; 14] = [
    "global-table",
    "store",
    "process",
    "process-values",
    "cogroup",
    "window",
    "suppress",
    "stream-stream-join",
    "stream-table-join",
    "stream-global-join",
    "table-table-join",
    "fk-join",
    "foreach",
    "print",
];

/// Fields of ops that exist which this version does not have yet.
pub(super) const LATER_FIELDS: [&str; 4] = ["history_ms", "retention_ms", "timestamp_extractor", "grace_ms"];

/// The op of this name.
pub(super) fn find(name: &str) -> Option<&'static Op> {
    static ALL: [Op; 20] = OPS;
    static SINK: Op = TO;
    if name == SINK.name { Some(&SINK) } else { ALL.iter().find(|op| op.name == name) }
}

/// Names of all ops that exist.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OPS.iter().map(|op| op.name).chain([TO.name]).collect::<Vec<_>>().into_iter()
}
