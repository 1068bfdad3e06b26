//! From rows to a plugin and back: batches are packed, poison rows are found and set aside.

mod columns;

pub(super) use columns::pack;

use super::{Context, Stop, settle};
use crate::plugin::port::{CallError, Columns, Each, Fields, Instance, Node, Outcome};
use crate::record::Row;
use crate::topology::plan::OnError;
use columns::unpack;
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
