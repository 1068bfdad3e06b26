//! From rows to a plugin and back: batches are packed, poison rows are found and set aside.

use super::{Context, Stop, settle};
use crate::plugin::port::{CallError, Columns, Each, Fields, Instance, NULL, Node, Outcome, SAME, SAME_TIMESTAMP};
use crate::record::{Arena, Cell, Chunk, Row, headers};
use crate::topology::plan::OnError;
use std::borrow::Cow;

/// Rows a call at most: from 256 rows on a call's fixed cost is noise; more than this and the batch falls out of the
/// second-level cache.
pub(super) const CALL_ROWS_MAX: usize = 1024;
/// Bytes a call at most, unless a single row is larger: what fits into a second-level cache beside the guest's copy.
pub(super) const CALL_BYTES_MAX: usize = 256 * 1024;

/// A row that a user's function failed on.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The row as it reached the node.
    pub row: Row,
    /// The node's name.
    pub node: String,
    /// The plugin's name in the manifest and its digest.
    pub plugin: (String, String),
    /// The operator's name in the plugin.
    pub operator: String,
    /// What kind of failure it was, for `__streams.errors.exception`.
    pub class: Cow<'static, str>,
    /// What the plugin said.
    pub reason: String,
    /// Guest frames if it trapped.
    pub backtrace: String,
}

/// One use of a plugin's operator by a node.
#[derive(Debug)]
pub struct Caller {
    plugin: usize,
    node: Node,
    reads: Fields,
    each: Each,
    name: String,
    operator: String,
    policy: OnError,
    columns: Box<Columns>,
}

/// What a call brought, row by row.
#[derive(Debug, Default)]
pub struct Answer {
    /// Output rows.
    pub rows: Vec<Row>,
    /// For each output row the index of the input row that it comes from.
    pub sources: Vec<u32>,
    /// Whether some rows may have other keys than their inputs.
    pub rekeyed: bool,
    /// Input rows that failed, ascending. They were dealt with by the node's policy.
    pub failed: Vec<u32>,
}

impl Answer {
    /// Whether input row `index` failed.
    pub fn has_failed(&self, index: u32) -> bool {
        self.failed.binary_search(&index).is_ok()
    }
}

/// What a [`Caller`] is made of.
#[derive(Clone, Debug)]
pub struct Use {
    /// Index of the instance in [`Context::plugins`].
    pub plugin: usize,
    /// The number that the instance knows this use by.
    pub node: Node,
    /// What the operator reads.
    pub reads: Fields,
    /// How many rows it answers with for a row.
    pub each: Each,
    /// The node's name in the manifest.
    pub name: String,
    /// The operator's name in the plugin.
    pub operator: String,
    /// What happens to rows that fail.
    pub policy: OnError,
}

impl Caller {
    /// A caller for one use of an operator, which was opened on the instance.
    pub fn new(usage: Use) -> Self {
        let Use { plugin, node, reads, each, name, operator, policy } = usage;
        Self { plugin, node, reads, each, name, operator, policy, columns: Box::default() }
    }

    /// The node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The instance's index, the node's number and what the operator reads.
    pub(super) fn target(&self) -> (usize, Node, Fields) {
        (self.plugin, self.node, self.reads)
    }

    /// Runs a stateless operator over all rows, in calls of bounded size. Rows that fail follow the node's policy.
    ///
    /// # Errors
    /// See [`Stop`].
    pub fn transform(&mut self, rows: &[Row], cx: &mut Context<'_>) -> Result<Answer, Stop> {
        let mut answer = Answer::default();
        let mut from = 0;
        while from < rows.len() {
            let until = from + fitting(rows.get(from..).unwrap_or_default());
            self.attempt(rows, from..until, cx, &mut answer)?;
            from = until;
        }
        Ok(answer)
    }

    /// One call; if the plugin breaks down the rows are halved (or cut at the row that it named) until the culprit
    /// stands alone.
    fn attempt(
        &mut self,
        rows: &[Row],
        range: std::ops::Range<usize>,
        cx: &mut Context<'_>,
        answer: &mut Answer,
    ) -> Result<(), Stop> {
        let Some(batch) = rows.get(range.clone()).filter(|batch| !batch.is_empty()) else {
            return Ok(());
        };
        let columns = self.columns.as_mut();
        pack(batch, self.reads, &mut cx.turn.arena, columns);
        let instance = instance(cx.plugins, self.plugin);
        crate::killpoint::pass("before-plugin-call");
        columns.arena = std::mem::take(&mut cx.turn.arena);
        let result = instance.transform(self.node, columns);
        cx.turn.arena = std::mem::take(&mut columns.arena);
        crate::killpoint::pass("after-plugin-call");
        let counted = result.and_then(|outcome| {
            let sound = outcome.check_each(batch.len(), self.each);
            sound.map(|()| outcome).map_err(|reason| CallError::Invalid { reason })
        });
        match counted {
            Ok(outcome) => self.accept(outcome, batch, range.start, cx, answer),
            Err(error) => {
                self.recover(cx)?;
                self.note_late(&error, batch.len(), cx)?;
                if batch.len() == 1 {
                    return self.give_up(batch, range.start, &error, cx, answer);
                }
                for part in isolate(&range, &error) {
                    self.attempt(rows, part, cx, answer)?;
                }
                Ok(())
            }
        }
    }

    /// A new instance in place of one that broke down.
    pub(super) fn recover(&self, cx: &mut Context<'_>) -> Result<(), Stop> {
        let reset = instance(cx.plugins, self.plugin).reset();
        reset.map_err(|error| Stop::Plugin { node: self.name.clone(), error })
    }

    /// Notes that a call over so many rows was late. Every part of them may be late again, so that it could take longer than a
    /// transaction may be open until the culprits are found.
    ///
    /// # Errors
    /// [`Stop::Late`] if that is to end here.
    pub(super) fn note_late(&self, error: &CallError, rows: usize, cx: &mut Context<'_>) -> Result<(), Stop> {
        let CallError::Timeout { after } = error else { return Ok(()) };
        let effects = &mut *cx.effects;
        effects.late += *after;
        match effects.late_max.filter(|max| rows > 1 && effects.late >= *max) {
            Some(_) => Err(Stop::Late { node: self.name.clone(), late: effects.late }),
            None => Ok(()),
        }
    }

    fn give_up(
        &self,
        batch: &[Row],
        start: usize,
        error: &CallError,
        cx: &mut Context<'_>,
        answer: &mut Answer,
    ) -> Result<(), Stop> {
        let Some(row) = batch.first() else { return Ok(()) };
        answer.failed.push(index(start));
        self.fail(*row, error, cx)
    }

    /// Deals with a row on which the plugin broke down.
    pub(super) fn fail(&self, row: Row, error: &CallError, cx: &mut Context<'_>) -> Result<(), Stop> {
        let (class, backtrace) = match error {
            CallError::Trap { backtrace, .. } => ("millstream.PluginTrapped", backtrace.clone()),
            CallError::Timeout { .. } => ("millstream.PluginTimedOut", String::new()),
            CallError::Memory { .. } => ("millstream.PluginMemoryExceeded", String::new()),
            CallError::Invalid { .. } | CallError::Refused { .. } => ("millstream.PluginBrokeContract", String::new()),
        };
        self.settle(row, class.into(), error.to_string(), backtrace, cx)
    }

    /// Deals with a row that the plugin itself declared failed; `class` is the error's type if it has one.
    pub(super) fn refuse(&self, row: Row, class: String, reason: String, cx: &mut Context<'_>) -> Result<(), Stop> {
        let class = if class.is_empty() { "millstream.RecordFailed".into() } else { class.into() };
        self.settle(row, class, reason, String::new(), cx)
    }

    fn settle(
        &self,
        row: Row,
        class: Cow<'static, str>,
        reason: String,
        backtrace: String,
        cx: &mut Context<'_>,
    ) -> Result<(), Stop> {
        let (plugin, digest) = instance(cx.plugins, self.plugin).identity();
        let plugin = (plugin.to_owned(), digest.to_owned());
        let operator = self.operator.clone();
        let failure = Failure { row, node: self.name.clone(), plugin, operator, class, reason, backtrace };
        settle(failure, self.policy, &self.name, cx.effects)
    }

    fn accept(
        &self,
        outcome: Outcome,
        batch: &[Row],
        start: usize,
        cx: &mut Context<'_>,
        answer: &mut Answer,
    ) -> Result<(), Stop> {
        let failures = unpack(outcome, batch, start, &mut cx.turn.arena, answer);
        for failure in failures {
            let Some(row) = batch.get(failure.row as usize) else { continue };
            answer.failed.push(index(start) + failure.row);
            self.refuse(*row, failure.class, failure.reason, cx)?;
        }
        Ok(())
    }
}

/// The instance that a caller speaks to.
#[expect(clippy::indexing_slicing, reason = "the task that made the caller made its instance")]
pub(super) fn instance(plugins: &mut [Box<dyn Instance>], plugin: usize) -> &mut dyn Instance {
    plugins[plugin].as_mut()
}

/// A row's place as the contract counts.
#[expect(clippy::cast_possible_truncation, reason = "a turn has far fewer than 2^32 rows")]
pub(super) const fn index(place: usize) -> u32 {
    place as u32
}

/// How many of the rows go into one call; at least one.
pub(super) fn fitting(rows: &[Row]) -> usize {
    let mut bytes = 0;
    for (count, row) in rows.iter().take(CALL_ROWS_MAX).enumerate() {
        bytes += row.key.len() + row.value.len() + row.headers.len();
        if bytes > CALL_BYTES_MAX && count > 0 {
            return count;
        }
    }
    rows.len().min(CALL_ROWS_MAX)
}

/// The parts to try in turn after the range broke down: before, at and after the row that the plugin named, or halves.
pub(super) fn isolate(range: &std::ops::Range<usize>, error: &CallError) -> Vec<std::ops::Range<usize>> {
    let named = match error {
        CallError::Trap { row: Some(row), .. } => Some(range.start + *row as usize).filter(|row| range.contains(row)),
        _ => None,
    };
    match named {
        Some(row) => vec![range.start..row, row..row + 1, row + 1..range.end],
        None => {
            let middle = range.start + range.len() / 2;
            vec![range.start..middle, middle..range.end]
        }
    }
}

/// Packs rows into columns; only the fields that the operator reads.
pub(super) fn pack(rows: &[Row], reads: Fields, arena: &mut Arena, columns: &mut Columns) {
    columns.clear();
    if reads.timestamp {
        columns.timestamps.extend(rows.iter().map(|row| row.timestamp));
    }
    columns.value_lengths.reserve(rows.len());
    columns.fields.reserve(2 * rows.len());
    let mut block = Vec::new();
    let headers = reads.headers && rows.iter().any(|row| !row.headers.is_empty());
    for row in rows {
        if reads.key {
            let length = columns.push(row.key);
            columns.key_lengths.push(length);
        }
        let length = columns.push(if reads.value { row.value } else { Cell::EMPTY });
        columns.value_lengths.push(length);
        if headers {
            block.clear();
            headers::to_block(arena.bytes(row.headers), &mut block);
            let length = columns.push(arena.copy(Some(&block)));
            columns.header_lengths.push(length);
        }
    }
}

/// Turns a checked outcome into rows, each derived from its input row; returns the failures.
fn unpack(
    outcome: Outcome,
    batch: &[Row],
    start: usize,
    arena: &mut Arena,
    answer: &mut Answer,
) -> Vec<crate::plugin::port::Failure> {
    let Outcome { sources, routes: _, timestamps, key_lengths, value_lengths, header_lengths, bytes, failures } =
        outcome;
    let chunk = arena.push(bytes);
    let mut at = 0;
    answer.rekeyed |= !key_lengths.is_empty();
    answer.rows.reserve(sources.len());
    answer.sources.reserve(sources.len());
    let lengths = [&key_lengths, &value_lengths, &header_lengths];
    if timestamps.is_empty() && lengths.iter().all(|lengths| lengths.is_empty()) {
        // As of a filter: rows as they were.
        answer.rows.extend(sources.iter().filter_map(|source| batch.get(*source as usize)));
        answer.sources.extend(sources.iter().map(|source| index(start) + source));
        return failures;
    }
    for (place, source) in sources.iter().enumerate() {
        let Some(mut row) = batch.get(*source as usize).copied() else { continue };
        if let Some(timestamp) = timestamps.get(place).filter(|timestamp| **timestamp != SAME_TIMESTAMP) {
            row.timestamp = *timestamp;
        }
        replace(&mut row.key, key_lengths.get(place), chunk, &mut at);
        replace(&mut row.value, value_lengths.get(place), chunk, &mut at);
        let mut block = Cell::EMPTY;
        if replace(&mut block, header_lengths.get(place), chunk, &mut at) {
            row.headers = own_headers(block, arena);
        }
        answer.rows.push(row);
        answer.sources.push(index(start) + source);
    }
    failures
}

/// A header block from the guest as a record's headers. The adapter checked the block, so that a fault here can only
/// leave the row without headers.
fn own_headers(block: Cell, arena: &mut Arena) -> Cell {
    let section = headers::from_block(arena.bytes(block)).unwrap_or_default();
    arena.copy(Some(&section))
}

/// Puts the next field of the chunk into the cell, unless it is the same as before. Says whether it was replaced.
fn replace(cell: &mut Cell, length: Option<&u32>, chunk: Chunk, at: &mut u32) -> bool {
    match length {
        None | Some(&SAME) => return false,
        Some(&NULL) => *cell = Cell::NULL,
        Some(&length) => {
            *cell = chunk.cell(*at, length);
            *at += length;
        }
    }
    true
}
