//! What a task runs: subtopologies of steps. Made from a checked [`super::Topology`]; holds no reference to it.

use crate::record::Topic;
use serde_json::Value;

/// All subtopologies of an app and the topics between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Kafka Streams' `application.id`.
    pub app: String,
    /// In the order of their first source; a task's id is `<index>_<partition>`.
    pub subtopologies: Vec<Subtopology>,
    /// Where dead letters go; set whenever a step's policy is [`OnError::DeadLetter`].
    pub dead_letter_topic: Option<Topic>,
}

/// A part of the topology that no topic cuts: what one task runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Subtopology {
    /// In an order in which every step comes after its inputs, and steps that are children of the same step come in
    /// the order in which the manifest declares them.
    pub steps: Vec<Step>,
    /// Stores of its steps.
    pub stores: Vec<StoreSpec>,
    /// Repartition topics that it writes to.
    pub repartitions: Vec<RepartitionSpec>,
}

/// A store of a subtopology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSpec {
    /// Its name: what the manifest calls it, or one made from the node's name.
    pub name: String,
    /// Whether a changelog topic (`<app>-<name>-changelog`) is written.
    pub changelog: bool,
    /// What its values are.
    pub values: Values,
}

/// What the values of a store are: another op would misread them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Values of records.
    Table,
    /// Numbers of `count`.
    Count(CountFormat),
    /// States of a user's reducer or aggregator.
    Fold {
        /// The plugin's name in the manifest.
        plugin: String,
        /// The operator's name in the plugin.
        operator: String,
    },
}

/// A topic between two subtopologies, `<app>-<name>-repartition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepartitionSpec {
    /// The topic.
    pub topic: Topic,
    /// The topic that stands in its place where the manifest differs in how what reads it hands on: of a group that
    /// only counts read, [`Payload::Plain`]'s or [`Payload::Count`]'s. This app does not read it.
    pub other: Option<Topic>,
    /// Number of partitions; none: as many as the widest source topic of the subtopology that writes it.
    pub partitions: Option<i32>,
}

/// One step: an operator at its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The node's name in the manifest; steps that the planner adds are named after the node they serve
    /// (`counts-repartition-sink`).
    pub name: String,
    /// Where its rows come from; empty for sources.
    pub inputs: Vec<Input>,
    /// What it does.
    pub op: StepOp,
    /// What happens to a record that it fails on.
    pub on_error: OnError,
}

/// An output of an earlier step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Index of the step.
    pub step: usize,
    /// Which of its outputs; 0 for all but [`StepOp::Split`].
    pub output: usize,
}

/// What happens to a record that a user's function fails on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It goes to the dead-letter topic, in the same transaction.
    DeadLetter,
    /// It is dropped and counted.
    Skip,
    /// The app stops; nothing of the open transaction is committed.
    Stop,
}

/// A use of a plugin's operator.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The plugin's name in the manifest.
    pub plugin: String,
    /// The operator's name in the plugin.
    pub operator: String,
    /// Its parameters: the plugin's, with the node's own on top. An object.
    pub params: Value,
}

/// How a repartition topic's records carry their value, and what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The value as it is.
    Plain,
    /// A change of a table, old and new value.
    Change,
    /// How many records of the key it stands for, which were counted before they were written; their values are gone.
    Count,
}

/// What a step does to its rows.
#[derive(Clone, Debug, PartialEq)]
pub enum StepOp {
    /// Reads a topic as a stream.
    Source {
        /// The topic.
        topic: Topic,
        /// How to read the values.
        payload: Payload,
    },
    /// Keeps a table: the input's rows become changes. Null keys are dropped and counted, null values delete. Serves
    /// `table`, `to-table`.
    Table {
        /// Index into the subtopology's stores; none: nothing is stored, and old values are not known.
        store: Option<usize>,
    },
    /// A stateless operator over a stream.
    Transform {
        /// Which.
        kind: TransformKind,
        /// The user's function.
        call: Call,
    },
    /// `filter`, `filter-not` over a table.
    TableFilter {
        /// The predicate.
        call: Call,
        /// The predicate's answer for rows to keep.
        keep: bool,
        /// Store of the result, if it has one.
        store: Option<usize>,
        /// Whether the input's old values are known.
        olds: bool,
    },
    /// `map-values` over a table.
    TableMapValues {
        /// The mapper.
        call: Call,
        /// Store of the result, if it has one.
        store: Option<usize>,
        /// Whether old values are wanted by a later step (and known).
        olds: bool,
    },
    /// Sends each row to the first output whose predicate says yes.
    Split {
        /// One predicate an output.
        predicates: Vec<Call>,
        /// Whether one more output takes the rest.
        default: bool,
    },
    /// Joins its inputs' rows into one stream; also stands for `to-stream` (old values are dropped).
    Merge,
    /// Groups a table: each change becomes a change under its new key, or two if the key changed. Goes to a sink with
    /// [`Payload::Change`].
    GroupTable {
        /// The mapper of key and value; none: identity.
        call: Option<Call>,
    },
    /// `count`, `reduce`, `aggregate`: the rows (of a stream, or changes of a grouped table) become changes of a table.
    Fold {
        /// The function.
        fold: Fold,
        /// Index into the subtopology's stores.
        store: usize,
        /// When its changes go on.
        emit: Emit,
        /// What its rows are: of changes, a grouped table's, old values are subtracted.
        rows: Payload,
    },
    /// Writes to a topic.
    Sink {
        /// Where to.
        target: Target,
    },
}

/// Stateless operators over streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransformKind {
    /// Keeps rows for which the predicate says yes.
    Filter,
    /// Keeps rows for which it says no.
    FilterNot,
    /// New value.
    MapValues,
    /// New key and value.
    Map,
    /// Any number of rows, same key.
    FlatMapValues,
    /// Any number of rows.
    FlatMap,
    /// New key.
    SelectKey,
    /// Looks and changes nothing.
    Peek,
}

/// The function of an aggregate.
#[derive(Clone, Debug, PartialEq)]
pub enum Fold {
    /// Native: the number of records.
    Count(CountFormat),
    /// The user's reducer or aggregator.
    Call(Call),
}

/// How `count` writes its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountFormat {
    /// Eight bytes, big-endian: what Kafka's `LongSerializer` writes.
    Long,
    /// Decimal text.
    Text,
}

/// When an aggregate's changes go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// Each.
    EveryUpdate,
    /// The last one of every key, when the task commits.
    OnCommit,
}

/// Where a sink writes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A topic.
    Topic(Topic),
    /// The topic that the plugin names for each record.
    Call(Call),
    /// A repartition topic; rows with a null key are left out, uncounted. With [`Payload::Count`] rows are counted by
    /// key first, and what was counted is written at the commit.
    Repartition {
        /// The topic.
        topic: Topic,
        /// How values are written.
        payload: Payload,
    },
}
