//! What a transaction gets of a task, and what becomes of the task when it is committed and when it is not.

use super::outbox::BATCH_BYTES_MAX;
use super::{ChangelogOf, Task, Topics, Turned};
use crate::operator::{Effects, Stop};
use crate::record::{Offset, Topic};
use crate::store::KeyValueStore;
use crate::transport::{Checkpoint, Transaction};

impl Task {
    /// Writes from now on to all partitions that its topics have, as is known of some of them.
    pub fn widen(&mut self, partitions: &dyn Fn(&Topic) -> Option<i32>) {
        self.outbox.widen(partitions);
    }

    /// Moves the outputs so far into the transaction, for a transport that sends them before the commit.
    pub fn drain(&mut self, transaction: &mut Transaction) {
        self.outbox.drain(transaction);
    }

    /// Hands in everything since the last commit. May be followed by [`Task::committed`] or [`Task::rollback`] only.
    ///
    /// # Errors
    /// See [`Stop`]; the task must then be rolled back.
    pub fn hand_in(&mut self, transaction: &mut Transaction, topics: &mut dyn Topics) -> Result<Turned, Stop> {
        self.begin();
        self.effects.late_max = None;
        if !crate::fault::is("held-back-is-lost") {
            self.run(true).map_err(|stop| self.origins.locate(stop))?;
        }
        let turned = self.settle(0, 0, topics)?;
        self.outbox.drain(transaction);
        for (store, changelog) in self.stores.iter_mut().zip(&mut self.changelogs) {
            log_changes(store, changelog.as_mut(), transaction);
        }
        for (input, committed) in self.inputs.iter().zip(&self.committed) {
            if input.position != *committed {
                let behind = i64::from(crate::fault::is("offset-without-next"));
                transaction.offsets.push((input.partition.clone(), Offset::new(input.position.get() - behind)));
            }
        }
        Ok(turned)
    }

    /// The transaction that it handed in to was committed.
    pub fn committed(&mut self) {
        self.stores.iter_mut().for_each(KeyValueStore::committed);
        self.committed = self.inputs.iter().map(|input| input.position).collect();
    }

    /// The transaction was not committed: back to where the last commit left it.
    pub fn rollback(&mut self) {
        self.outbox.clear();
        self.effects = Effects::default();
        self.steps.iter_mut().for_each(|step| step.operator.rollback());
        self.stores.iter_mut().for_each(KeyValueStore::rollback);
        for (input, committed) in self.inputs.iter_mut().zip(&self.committed) {
            input.rewind(*committed);
        }
    }
}

/// Writes a store's changes, and their changelog records, into the transaction.
fn log_changes(store: &mut KeyValueStore, changelog: Option<&mut ChangelogOf>, transaction: &mut Transaction) {
    let Some(ChangelogOf { partition, builder }) = changelog else {
        store.prepare(&mut transaction.state, None);
        return;
    };
    let outputs = &mut transaction.outputs;
    store.prepare(
        &mut transaction.state,
        Some(&mut |key, timestamp, value| {
            builder.append(timestamp, Some(key), value, &[]);
            if builder.size() >= BATCH_BYTES_MAX {
                outputs.push((partition.clone(), builder.finish()));
            }
        }),
    );
    if builder.count() > 0 {
        outputs.push((partition.clone(), builder.finish()));
    }
    if store.uncommitted_bytes() > 0 {
        let (changelog, key) = (partition.clone(), store.checkpoint_key());
        transaction.checkpoints.push(Checkpoint { changelog, key, at: None, whole: true });
    }
}
