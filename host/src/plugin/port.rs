//! What operators ask of a plugin, without a word of WebAssembly. The shapes follow `wit/plugin.wit` item by item.

use crate::record::{Arena, Cell, headers};
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
    /// Stores that it opens.
    pub stores: Vec<String>,
    /// JSON Schema of its parameters; empty: it takes none.
    pub params_schema: String,
    /// Further properties by name.
    pub properties: Vec<(String, String)>,
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

impl Outcome {
    /// Checks everything that the guest could lie about: `rows` input rows and `outputs` outputs.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self, rows: usize, outputs: usize) -> Result<(), String> {
        let count = self.sources.len();
        if self.sources.windows(2).any(|pair| matches!(pair, [a, b] if a > b)) {
            return Err("the sources of its output rows decrease".into());
        }
        if let Some(last) = self.sources.last().filter(|last| **last as usize >= rows) {
            return Err(format!("an output row comes from row {last} of a batch of {rows}"));
        }
        for (name, length) in [
            ("routes", self.routes.len()),
            ("timestamps", self.timestamps.len()),
            ("key lengths", self.key_lengths.len()),
            ("value lengths", self.value_lengths.len()),
            ("header lengths", self.header_lengths.len()),
        ] {
            if length != 0 && length != count {
                return Err(format!("{length} {name} for {count} output rows"));
            }
        }
        let known = |route: u16| route == EVERY_OUTPUT || usize::from(route) < outputs;
        if let Some(route) = self.routes.iter().find(|route| !known(**route)) {
            return Err(format!("a row goes to output {route}, but there are {outputs}"));
        }
        let early = |timestamp: &&i64| **timestamp < 0 && **timestamp != SAME_TIMESTAMP;
        if let Some(timestamp) = self.timestamps.iter().find(early) {
            return Err(format!("an output row has the invalid timestamp {timestamp}"));
        }
        let lengths = self.key_lengths.iter().chain(&self.value_lengths).chain(&self.header_lengths);
        check_bytes(lengths, self.bytes.len())?;
        self.check_headers()?;
        check_failures(&self.failures, rows)?;
        let failed = |source: &&u32| self.failures.binary_search_by_key(*source, |failure| failure.row).is_ok();
        if !self.failures.is_empty()
            && let Some(row) = self.sources.iter().find(failed)
        {
            return Err(format!("row {row} both failed and has an output row"));
        }
        Ok(())
    }
}

impl Outcome {
    /// Checks that every header block is one; the lengths were found to fit the bytes.
    fn check_headers(&self) -> Result<(), String> {
        let length = |lengths: &[u32], place: usize| match lengths.get(place) {
            Some(length) if *length < SAME => *length as usize,
            _ => 0,
        };
        let mut at = 0;
        for place in 0..self.header_lengths.len() {
            at += length(&self.key_lengths, place) + length(&self.value_lengths, place);
            let end = at + length(&self.header_lengths, place);
            if !headers::is_block(self.bytes.get(at..end).unwrap_or_default()) {
                return Err(format!("the header block of output row {place} is damaged"));
            }
            at = end;
        }
        Ok(())
    }
}

impl Folded {
    /// Checks the answer to a fold of `steps` steps over `slots` slots.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self, slots: usize, steps: usize, reply: Reply) -> Result<(), String> {
        let expected = match reply {
            Reply::Last => slots,
            Reply::Every => steps,
        };
        if self.states.lengths.len() != expected {
            return Err(format!("{} states where {expected} were asked for", self.states.lengths.len()));
        }
        check_bytes(self.states.lengths.iter(), self.states.bytes.len())?;
        check_failures(&self.failures, steps)
    }
}

fn check_bytes<'a>(lengths: impl Iterator<Item = &'a u32>, bytes: usize) -> Result<(), String> {
    let sum: u64 = lengths.filter(|length| **length < SAME).map(|length| u64::from(*length)).sum();
    if sum == bytes as u64 {
        return Ok(());
    }
    Err(format!("its lengths add up to {sum} bytes, but it returned {bytes}"))
}

fn check_failures(failures: &[Failure], rows: usize) -> Result<(), String> {
    if failures.windows(2).any(|pair| matches!(pair, [a, b] if a.row >= b.row)) {
        return Err("its failures are not in ascending order".into());
    }
    match failures.last() {
        Some(last) if last.row as usize >= rows => Err(format!("row {} of {rows} failed", last.row)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        Outcome { sources: vec![0, 2], value_lengths: vec![1, SAME], bytes: b"x".to_vec(), ..Outcome::default() }
    }

    type Lie = fn(&mut Outcome);

    #[test]
    fn finds_every_lie() {
        assert_eq!(outcome().check(3, 1), Ok(()));
        let lies: [(Lie, &str); 10] = [
            (|o| o.timestamps = vec![SAME_TIMESTAMP, -1], "invalid timestamp -1"),
            (|o| o.header_lengths = vec![SAME, SAME - 1], "add up to"),
            (|o| o.sources = vec![2, 0], "decrease"),
            (|o| o.sources = vec![0, 3], "comes from row 3"),
            (|o| o.value_lengths = vec![1], "1 value lengths for 2"),
            (|o| o.value_lengths = vec![2, 0], "add up to 2"),
            (|o| o.value_lengths = vec![SAME - 1, SAME - 1], "add up to"),
            (|o| o.routes = vec![0, 1], "goes to output 1"),
            (|o| o.failures = vec![Failure { row: 3, ..Failure::default() }], "row 3 of 3 failed"),
            (|o| o.failures = vec![Failure { row: 2, ..Failure::default() }], "both failed"),
        ];
        for (lie, message) in lies {
            let mut outcome = outcome();
            lie(&mut outcome);
            let error = outcome.check(3, 1).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn reads_header_blocks_where_they_lie() {
        let mut outcome = Outcome {
            sources: vec![0, 1],
            key_lengths: vec![NULL, 1],
            header_lengths: vec![SAME, 9],
            bytes: b"k\x01\0\0\0n\xff\xff\xff\xff".to_vec(),
            ..Outcome::default()
        };
        assert_eq!(outcome.check(2, 1), Ok(()));
        if let Some(byte) = outcome.bytes.get_mut(1) {
            *byte = 2;
        }
        assert!(outcome.check(2, 1).expect_err("a lie").contains("output row 1"));
    }

    #[test]
    fn counts_folded_states() {
        let mut folded = Folded::default();
        folded.states.push(None);
        assert_eq!(folded.check(1, 5, Reply::Last), Ok(()));
        assert!(folded.check(1, 5, Reply::Every).is_err());
    }
}
