//! A commit: all that a transaction holds, in one write.

use super::keys::{offset_key, place};
use super::{EmbeddedLog, State};
use crate::fault;
use crate::record::{Offset, TopicPartition, batch};
use crate::store::{Family, Writes};
use crate::transport::{Checkpoint, Transaction, TransportError};
use std::collections::HashMap;

/// What a commit writes, and what comes of it.
#[derive(Default)]
struct Appended<'a> {
    writes: Writes,
    /// Where partitions end with it.
    ends: HashMap<&'a TopicPartition, Offset>,
    /// By how many bytes partitions grow whose size is known.
    grown: Vec<(&'a TopicPartition, u64)>,
}

impl EmbeddedLog {
    /// Writes all of it, or nothing.
    ///
    /// # Errors
    /// If a topic is not there, an output is no batch, or the disk refuses.
    pub(super) fn write(&self, group: &str, transaction: &Transaction) -> Result<(), TransportError> {
        crate::killpoint::pass("embedded-commit-begin");
        let mut state = self.state();
        let mut appended = Appended::default();
        let again = fault::is("outputs-twice-on-restart") && state.appends == 0;
        for _ in 0..=usize::from(again) {
            appended.outputs(transaction, &state)?;
        }
        if fault::is("state-before-commit") {
            self.tear(&transaction.state)?;
        }
        if fault::is("outputs-before-offsets") {
            self.tear(&std::mem::take(&mut appended.writes))?;
        }
        appended.places(group, transaction, &state);
        appended.writes.append(&transaction.state);
        crate::killpoint::pass("embedded-before-write");
        self.db.apply(&appended.writes, self.sync)?;
        crate::killpoint::pass("embedded-after-write");
        if state.learn(appended.ends, appended.grown) {
            self.shared.appended.notify_all();
        }
        drop(state);
        crate::killpoint::pass("embedded-ends-known");
        Ok(())
    }

    /// Writes a part of a commit on its own: a mistake on purpose.
    fn tear(&self, part: &Writes) -> Result<(), TransportError> {
        self.db.apply(part, self.sync)?;
        crate::killpoint::pass("torn");
        Ok(())
    }
}

impl<'a> Appended<'a> {
    /// The outputs, each behind what its partition holds.
    fn outputs(&mut self, transaction: &'a Transaction, state: &State) -> Result<(), TransportError> {
        for (partition, bytes) in &transaction.outputs {
            let number = state.number(partition)?;
            let known = state.ends.get(partition).copied().unwrap_or(Offset::new(0));
            let base = *self.ends.entry(partition).or_insert(known);
            let no_batch = || TransportError::Corrupt("an output is no batch".into());
            let summary = batch::summary(bytes).ok_or_else(no_batch)?;
            let last = base.get() + (summary.last.get() - summary.base.get());
            self.ends.insert(partition, Offset::new(last).next());
            if state.sizes.contains_key(partition) {
                self.grown.push((partition, bytes.len() as u64));
            }
            // A batch begins with its base offset, which is known only now.
            let base_offset = base.get().to_be_bytes();
            let rest = bytes.get(base_offset.len()..).ok_or_else(no_batch)?;
            self.writes.put_parts(Family::Log, &[&place(number, partition, base)], &[&base_offset, rest]);
        }
        Ok(())
    }

    /// How far the group has read, and how far stores agree with their changelogs.
    fn places(&mut self, group: &str, transaction: &Transaction, state: &State) {
        for (partition, offset) in &transaction.offsets {
            self.writes.put(Family::Meta, offset_key(group, partition), offset.get().to_be_bytes());
        }
        for Checkpoint { changelog, key, at, .. } in &transaction.checkpoints {
            let end = at.or_else(|| self.ends.get(changelog).or_else(|| state.ends.get(changelog)).copied());
            self.writes.put(Family::Meta, key.clone(), end.unwrap_or(Offset::new(0)).get().to_be_bytes());
        }
    }
}

impl State {
    /// Takes over what was written; says whether anything was appended.
    fn learn(&mut self, ends: HashMap<&TopicPartition, Offset>, grown: Vec<(&TopicPartition, u64)>) -> bool {
        for (partition, bytes) in grown {
            if let Some(size) = self.sizes.get_mut(partition) {
                *size += bytes;
            }
        }
        let has_appended = !ends.is_empty();
        self.ends.extend(ends.into_iter().map(|(partition, end)| (partition.clone(), end)));
        self.appends += u64::from(has_appended);
        has_appended
    }
}
