//! Commits, and what follows when one fails.

use super::outputs::Written;
use super::pause::{Growth, Pause};
use super::{Owned, Shared, Worker};
use crate::operator::Stop;
use crate::transport::{Transaction, TransportError};
use std::time::{Duration, Instant};

/// How long a worker waits before it tries again what was refused.
const RETRY: Growth = Growth { min: Duration::from_millis(200), max: Duration::from_secs(5) };
/// Time between two lines about a transaction that cannot be made again and again.
const TOLD: Growth = Growth { min: Duration::from_secs(1), max: Duration::from_secs(10) };
/// How often it looks meanwhile whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);
/// Pause after a transaction that was aborted: what comes next should not be aborted for the same reason at once, and the
/// group is still followed several times a session.
const ABORTED: Growth = Growth { min: Duration::from_millis(20), max: Duration::from_millis(640) };

impl Worker {
    /// Commits all tasks in one transaction.
    pub(super) fn commit(&mut self) -> Result<(), Stop> {
        crate::killpoint::pass("before-commit");
        let began = Instant::now();
        for Owned { task, .. } in &mut self.state.tasks {
            let topics = &mut Written { log: self.log.as_mut(), outputs: &self.shared.outputs };
            let turned = task.hand_in(&mut self.state.open, topics)?;
            self.shared.count(&turned);
            self.failures.tell(turned);
            self.shared.came_back(self.number);
            crate::killpoint::pass("one-handed-in");
        }
        self.failures.catch_up();
        crate::killpoint::pass("handed-in");
        if self.log.sends_early() {
            self.log.send(std::mem::take(&mut self.state.open.outputs))?;
        }
        self.state.open.fence.clone_from(&self.state.fence);
        retry(self.number, &self.shared, || self.log.commit(&self.app, &self.state.open))?;
        crate::killpoint::pass("committed");
        self.shared.commits.add(began.elapsed());
        self.state.open = Transaction::default();
        self.state.uncommitted = false;
        self.state.aborted.end();
        self.state.refused.end();
        for Owned { task, .. } in &mut self.state.tasks {
            task.committed();
            crate::killpoint::pass("one-knows-of-commit");
        }
        Ok(())
    }

    /// Commits what the tasks did, if anything, or takes it back where that fails: afterwards nothing is open.
    pub(super) fn commit_first(&mut self) -> Result<(), Stop> {
        if self.state.uncommitted {
            let committed = self.commit();
            self.recover(committed)?;
        }
        Ok(())
    }

    /// Commits the offsets as they are: so that the group does not forget them, or as the `last` that is committed.
    pub(super) fn commit_again(&mut self, last: bool) -> Result<(), Stop> {
        let inputs = self.state.tasks.iter().flat_map(|owned| owned.task.inputs());
        let offsets = inputs.map(|input| (input.partition.clone(), input.position)).collect();
        let transaction = Transaction { offsets, fence: self.state.fence.clone(), last, ..Transaction::default() };
        if !transaction.offsets.is_empty() {
            self.log.commit(&self.app, &transaction)?;
            self.state.refused.end();
        }
        Ok(())
    }

    /// Takes what failed back where that is possible, so that the worker can go on; none if that was necessary.
    ///
    /// # Errors
    /// What cannot be taken back.
    pub(super) fn recover<T>(&mut self, result: Result<T, Stop>) -> Result<Option<T>, Stop> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Stop::Transport(TransportError::Aborted(why))) => {
                tracing::warn!(worker = self.number, "what was not committed is processed again: {why}");
                self.roll_back();
                std::thread::sleep(self.state.aborted.grow(ABORTED));
                Ok(None)
            }
            Err(Stop::Transport(TransportError::InDoubt(why))) => {
                tracing::warn!(worker = self.number, "tasks are opened anew: {why}");
                self.reopen_all();
                Ok(None)
            }
            Err(Stop::Transport(TransportError::Retry(why))) if !self.shared.ending() => {
                if self.state.refused.lasts() {
                    tracing::debug!(worker = self.number, "what was not committed is processed again: {why}");
                } else {
                    self.state.refused.grow(TOLD);
                    tracing::warn!(worker = self.number, "what was not committed is processed again: {why}");
                }
                self.give_up();
                std::thread::sleep(RETRY.min);
                Ok(None)
            }
            Err(stop) => Err(stop),
        }
    }

    /// Gives up the open transaction.
    pub(super) fn give_up(&mut self) {
        match self.log.abort() {
            Ok(()) => self.roll_back(),
            Err(error) => {
                tracing::warn!(worker = self.number, "tasks are opened anew: {error}");
                self.reopen_all();
            }
        }
    }

    fn roll_back(&mut self) {
        self.state.open = Transaction::default();
        self.state.uncommitted = false;
        self.state.tasks.iter_mut().for_each(|owned| owned.task.rollback());
    }
}

/// Does what the disk may refuse, again and again until it is done: what waits is kept, and nothing is lost when there is
/// room again. Gives up only when it is told to stop.
pub(super) fn retry(
    worker: usize,
    shared: &Shared,
    mut attempt: impl FnMut() -> Result<(), TransportError>,
) -> Result<(), TransportError> {
    let mut pause = Pause::default();
    loop {
        let why = match attempt() {
            Err(TransportError::Retry(why)) if !shared.ending() => why,
            other => return other,
        };
        let again_in = pause.grow(RETRY);
        tracing::warn!(worker, ?again_in, "commit refused; it is tried again until it succeeds: {why}");
        while pause.lasts() && !shared.ending() {
            std::thread::sleep(LOOK);
        }
    }
}
