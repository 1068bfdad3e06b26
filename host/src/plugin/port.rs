//! What operators ask of a plugin, without a word of WebAssembly. The shapes follow `wit/plugin.wit` item by item.

use crate::record::{Arena, Cell};
use std::fmt;
use std::time::Duration;

/// Length of a null field.
pub const NULL: u32 = 0xffff_ffff;
/// Length of a field that is the same as in the input row (or, in folded states, as before).
pub const SAME: u32 = 0xffff_fffe;
/// Timestamp of a row that has the one of its input row.
pub const SAME_TIMESTAMP: i64 = i64::MIN;
/// Route of a row that goes to each output.
pub const EVERY_OUTPUT: u16 = 0xffff;

/// Records packed as columns, as they cross to the guest. Reused from call to call.
#[derive(Debug, Default)]
pub struct Columns {
    /// Event times; empty if the operator does not ask for them.
    pub timestamps: Vec<i64>,
    /// Key lengths; empty: every key is null or not asked for.
    pub key_lengths: Vec<u32>,
    /// Value lengths; one per row always.
    pub value_lengths: Vec<u32>,
    /// Header block lengths; empty: no row has headers, or they are not asked for.
    pub header_lengths: Vec<u32>,
    /// Keys, values and header blocks, row after row: where they lie in the arena. Their lengths are those of the
    /// columns above.
    pub fields: Vec<Cell>,
    /// The turn's bytes, lent for the call: they go to the guest from where they lie.
    pub arena: Arena,
}

impl Columns {
    /// Number of rows.
    pub const fn rows(&self) -> usize {
        self.value_lengths.len()
    }

    /// Appends a field and gives its length as the contract has it.
    #[expect(clippy::cast_possible_truncation, reason = "a cell is shorter than 4 GiB")]
    pub fn push(&mut self, field: Cell) -> u32 {
        if field.is_null() {
            return NULL;
        }
        if !field.is_empty() {
            self.fields.push(field);
        }
        field.len() as u32
    }

    /// Empties all columns and keeps their memory; the arena is not looked at.
    pub fn clear(&mut self) {
        self.timestamps.clear();
        self.key_lengths.clear();
        self.value_lengths.clear();
        self.header_lengths.clear();
        self.fields.clear();
    }
}

/// Nullable byte strings packed as columns.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    /// Lengths; [`NULL`] is null, [`SAME`] (in answers only) as before.
    pub lengths: Vec<u32>,
    /// The bytes, one cell after the other.
    pub bytes: Vec<u8>,
}

impl Cells {
    /// Appends one cell.
    #[expect(clippy::cast_possible_truncation, reason = "cells are bounded far below 4 GiB")]
    pub fn push(&mut self, cell: Option<&[u8]>) {
        self.lengths.push(cell.map_or(NULL, |bytes| bytes.len() as u32));
        self.bytes.extend_from_slice(cell.unwrap_or_default());
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.lengths.clear();
        self.bytes.clear();
    }
}

/// A row (step, pair) that the plugin gave up on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Its index in the batch.
    pub row: u32,
    /// The error's type in the plugin's language; empty: it has none.
    pub class: String,
    /// Text for people.
    pub reason: String,
}

/// What became of a batch. An adapter hands it over only after [`Outcome::check`] found it sound.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Input row of each output row; ascending.
    pub sources: Vec<u32>,
    /// Output of each row, or [`EVERY_OUTPUT`], which is what an empty column stands for.
    pub routes: Vec<u16>,
    /// Event times, or [`SAME_TIMESTAMP`]; empty: as in the input.
    pub timestamps: Vec<i64>,
    /// Key lengths; empty: as in the input.
    pub key_lengths: Vec<u32>,
    /// Value lengths; empty: as in the input.
    pub value_lengths: Vec<u32>,
    /// Header block lengths; empty: as in the input.
    pub header_lengths: Vec<u32>,
    /// Keys, values and header blocks, row after row.
    pub bytes: Vec<u8>,
    /// Rows given up on; ascending, and none of them in `sources`.
    pub failures: Vec<Failure>,
}

/// States after a fold, checked by [`Folded::check`].
#[derive(Clone, Debug, Default)]
pub struct Folded {
    /// One cell a slot ([`Reply::Last`]) or a step ([`Reply::Every`]).
    pub states: Cells,
    /// Steps given up on; ascending.
    pub failures: Vec<Failure>,
}

/// Steps of a fold, one entry a step.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    /// 0 add, 1 subtract, 2 merge; empty: all 0.
    pub actions: Vec<u8>,
    /// The slot that changes.
    pub slots: Vec<u32>,
    /// The row (or, for a merge, the slot) that it is about; empty: step `i` is about row `i`.
    pub arguments: Vec<u32>,
}

/// Which states a fold answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Where each slot stands after the last step.
    Last,
    /// The slot's state right after each step.
    Every,
}

/// Fields of a record that an operator reads.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts, as in the contract")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// The key.
    pub key: bool,
    /// The value.
    pub value: bool,
    /// The timestamp.
    pub timestamp: bool,
    /// The headers.
    pub headers: bool,
}

/// Layout of states, as far as the plugin names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Rises with every change of the layout.
    pub version: u32,
}

/// One operator that a plugin offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its name, kebab-case.
    pub name: String,
    /// Its kind, a word of the contract: `filter`, `map-values`, `aggregate` and so on.
    pub kind: String,
    /// Markdown for people.
    pub docs: String,
    /// What it reads.
    pub reads: Fields,
    /// Names of its outputs; empty: one, called `out`.
    pub outputs: Vec<String>,
    /// Layout of its states (folds only); none: it says nothing of it.
    pub state: Option<Schema>,
    /// Stores that it opens.
    pub stores: Vec<String>,
    /// JSON Schema of its parameters; empty: it takes none.
    pub params_schema: String,
    /// Further properties by name.
    pub properties: Vec<(String, String)>,
}

/// How many rows an operator answers with for an input row that does not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// Any number.
    Any,
    /// At most one: a predicate.
    AtMostOne,
    /// One.
    One,
}

impl Operator {
    /// What its kind promises, see `operator.kind` in the contract.
    pub fn each(&self) -> Each {
        match self.kind.as_str() {
            "filter" => Each::AtMostOne,
            "map-values" | "select-key" | "map" | "extract-topic" | "extract-timestamp" => Each::One,
            _ => Each::Any,
        }
    }
}

/// A plugin's account of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// SDK and its version.
    pub sdk: String,
    /// Operators.
    pub operators: Vec<Operator>,
}

/// Why a call into a plugin brought nothing. After each of these but [`CallError::Refused`] the instance is gone and
/// [`Instance::reset`] must be called before the next call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// It trapped: a panic, an out-of-bounds access, exhausted stack.
    Trap {
        /// The row that the plugin said it was at, if it could.
        row: Option<u32>,
        /// The panic's text and place, or the trap's name.
        message: String,
        /// Guest frames, innermost first, one a line; may be empty.
        backtrace: String,
    },
    /// It did not come back within its deadline.
    Timeout {
        /// The deadline.
        after: Duration,
    },
    /// It asked for more memory or table space than it may have.
    Memory {
        /// The limit in bytes.
        limit: usize,
    },
    /// What it returned breaks the contract (lengths that lie, rows out of range) or is larger than allowed.
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// The plugin refused to be set up with these parameters; the instance is sound.
    Refused {
        /// What it said.
        reason: String,
    },
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { message, .. } => f.write_str(message),
            Self::Timeout { after } => write!(f, "the plugin did not return within {} ms", after.as_millis()),
            Self::Memory { limit } => write!(f, "the plugin asked for more than its {limit} bytes of memory"),
            Self::Invalid { reason } => write!(f, "the plugin broke the contract: {reason}"),
            Self::Refused { reason } => write!(f, "the plugin refused its parameters: {reason}"),
        }
    }
}

impl std::error::Error for CallError {}

/// The number by which a task and an instance name one use of an operator.
pub type Node = u32;

/// One plugin inside one task. Not shared between threads; moves with its task.
pub trait Instance: Send {
    /// Sets up one use of an operator. Remembered, and said again by [`Instance::reset`].
    ///
    /// # Errors
    /// [`CallError::Refused`] if the plugin does not take the parameters; any other if it broke down.
    fn open(&mut self, node: Node, operator: &str, params: &str) -> Result<(), CallError>;

    /// Throws the instance away and makes a new one with the same nodes.
    ///
    /// # Errors
    /// If the new one cannot be set up.
    fn reset(&mut self) -> Result<(), CallError>;

    /// Runs a stateless operator over a batch, which it borrows whole and gives back unchanged.
    ///
    /// # Errors
    /// See [`CallError`].
    fn transform(&mut self, node: Node, batch: &mut Columns) -> Result<Outcome, CallError>;

    /// Runs a fold over a batch; what it borrows it gives back unchanged.
    ///
    /// # Errors
    /// See [`CallError`].
    fn fold(
        &mut self,
        node: Node,
        batch: &mut Columns,
        states: &mut Cells,
        steps: &mut Steps,
        reply: Reply,
    ) -> Result<Folded, CallError>;

    /// Identity for dead letters: the plugin's name in the manifest and its content digest.
    fn identity(&self) -> (&str, &str);
}

/// A plugin that was admitted and can be instantiated in any task.
pub trait Plugin: Send + Sync {
    /// What it says of itself.
    fn description(&self) -> &Description;

    /// SHA-256 of the component, lower-case hex.
    fn digest(&self) -> &str;

    /// Makes an instance for one task.
    ///
    /// # Errors
    /// If it cannot be instantiated within its limits.
    fn instantiate(&self) -> Result<Box<dyn Instance>, CallError>;
}
