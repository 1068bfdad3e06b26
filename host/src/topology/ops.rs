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

/// Words of Kafka Streams for what this version does not have yet, each with the op that it will be.
const LATER: [(&str, &str); 28] = [
    ("global-table", "global-table"),
    ("store", "store"),
    ("add-state-store", "store"),
    ("state-store", "store"),
    ("process", "process"),
    ("processor", "process"),
    ("transform", "process"),
    ("flat-transform", "process"),
    ("process-values", "process-values"),
    ("transform-values", "process-values"),
    ("flat-transform-values", "process-values"),
    ("cogroup", "cogroup"),
    ("window", "window"),
    ("windowed-by", "window"),
    ("suppress", "suppress"),
    ("join", JOIN),
    ("inner-join", JOIN),
    ("left-join", JOIN),
    ("outer-join", JOIN),
    ("stream-stream-join", "stream-stream-join"),
    ("stream-table-join", "stream-table-join"),
    ("stream-global-join", "stream-global-join"),
    ("table-table-join", "table-table-join"),
    ("fk-join", "fk-join"),
    ("foreign-key-join", "fk-join"),
    ("foreach", "foreach"),
    ("for-each", "foreach"),
    ("print", "print"),
];

/// A join says what it joins.
const JOIN: &str = "stream-stream-join, stream-table-join, stream-global-join, table-table-join or fk-join";

/// What a word of Kafka Streams (in its own spelling too: `windowedBy`) will be called when this version's successors
/// have it; none: it is no such word.
pub(super) fn later(word: &str) -> Option<&'static str> {
    let mut kebab = String::with_capacity(word.len());
    for letter in word.chars() {
        if letter.is_ascii_uppercase() {
            kebab.push('-');
        }
        kebab.push(if letter == '_' { '-' } else { letter.to_ascii_lowercase() });
    }
    LATER.iter().find(|(known, _)| *known == kebab.trim_start_matches('-')).map(|(_, name)| *name)
}

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
