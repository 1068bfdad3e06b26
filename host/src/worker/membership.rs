//! Following the group: which tasks come, and which go.

use super::coming::{Coming, TELL};
use super::pause::OPENING;
use super::{Owned, Worker};
use crate::operator::Stop;
use crate::task::Task;
use crate::transport::{Change, Transaction, TransportError};
use std::time::Instant;

impl Worker {
    /// Carries out what changed.
    pub(super) fn follow_membership(&mut self) -> Result<(), Stop> {
        self.shared.came_back(self.number);
        loop {
            let change = match self.coordinator.poll() {
                Ok(Some(change)) => change,
                Ok(None) => return Ok(()),
                Err(TransportError::Retry(why)) => {
                    tracing::warn!(worker = self.number, "the group does not answer: {why}");
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.carry_out(change)?;
            match self.coordinator.done() {
                Err(TransportError::Retry(why)) => tracing::warn!(worker = self.number, "{why}"),
                done => done?,
            }
        }
    }

    /// Whether the group's members do the same work. Until that is known no task and no copy is opened.
    pub(super) fn agrees(&mut self) -> Result<bool, Stop> {
        // Who makes copies before it joins asks, too.
        let asks = self.state.joined || self.coordinator.waits_for_copies();
        if self.state.agreed || !asks || self.state.asking.lasts() {
            return Ok(self.state.agreed);
        }
        if self.log.sends_early() {
            // It asks the cluster, which may take longer than a transaction may be open.
            self.commit_first()?;
        }
        match self.maker.agree() {
            Ok(()) => {
                self.state.agreed = true;
                self.state.asking_since = None;
            }
            // Nothing is open, so nothing is to be taken back.
            Err(Stop::Transport(
                TransportError::Retry(why) | TransportError::Aborted(why) | TransportError::InDoubt(why),
            )) => {
                let (worker, again_in) = (self.number, self.state.asking.grow(OPENING));
                let since = self.state.asking_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= TELL {
                    *since = Instant::now();
                    tracing::warn!(worker, ?again_in, "not known yet whether all run one topology: {why}");
                }
                tracing::debug!(worker, ?again_in, "not yet: {why}");
            }
            Err(stop) => return Err(stop),
        }
        Ok(self.state.agreed)
    }

    fn carry_out(&mut self, change: Change) -> Result<(), Stop> {
        match change {
            // What it keeps it has had all the time: had it been taken away between, that would have come before. So
            // what was read under the generation before may be committed under this one.
            Change::Assigned { tasks, fence } => {
                (self.state.joined, self.state.agreed) = (true, false);
                self.state.asking.end();
                self.state.fence = fence;
                // Who is alone has them all from the start.
                if !tasks.is_empty() && self.state.fence.is_some() {
                    let now = self.state.tasks.len() + self.state.coming.len() + tasks.len();
                    tracing::info!(worker = self.number, tasks = tasks.len(), now, "got tasks from the group");
                }
                // A copy becomes the task.
                self.close_copies(|number| tasks.contains(&number));
                self.state.coming.extend(tasks.into_iter().map(Coming::closed));
            }
            // The group is in its next generation by now, and takes nothing under the one before; the tasks are nobody
            // else's before they are given back.
            Change::Revoked { tasks, fence } => {
                crate::killpoint::pass("revoked");
                tracing::info!(worker = self.number, tasks = tasks.len(), "gives tasks up to others");
                self.state.fence = fence;
                self.commit_first()?;
                self.close(&tasks);
            }
            Change::Lost { tasks } => {
                crate::killpoint::pass("lost");
                tracing::warn!(
                    worker = self.number,
                    tasks = tasks.len(),
                    "lost its tasks: the group took it for dead, as it heard nothing of it for its session (or max.poll.interval.ms)"
                );
                self.give_up();
                self.close(&tasks);
                self.state.fence = None;
            }
        }
        Ok(())
    }

    /// Closes tasks of which nothing is uncommitted.
    fn close(&mut self, numbers: &[usize]) {
        let Self { state, log, maker, .. } = self;
        for coming in state.coming.extract_if(.., |coming| numbers.contains(&coming.number)) {
            coming.changelog().iter().for_each(|changelog| log.release(changelog));
            let number = coming.number;
            drop(coming);
            maker.close(number);
        }
        for Owned { number, task } in state.tasks.extract_if(.., |owned| numbers.contains(&owned.number)) {
            release(&task, log.as_mut());
            drop(task);
            maker.close(number);
        }
    }

    /// Closes all tasks; what was not committed is forgotten.
    pub(super) fn close_all(&mut self) {
        let numbers = self.state.tasks.iter().map(|owned| owned.number);
        let numbers: Vec<usize> = numbers.chain(self.state.coming.iter().map(|coming| coming.number)).collect();
        self.close(&numbers);
        self.close_copies(|_| true);
    }

    /// Opens all tasks anew; what was not committed is forgotten.
    pub(super) fn reopen_all(&mut self) {
        let numbers: Vec<usize> = self.state.tasks.iter().map(|owned| owned.number).collect();
        self.state.open = Transaction::default();
        self.state.uncommitted = false;
        self.close(&numbers);
        self.state.coming.extend(numbers.into_iter().map(Coming::closed));
    }
}

fn release(task: &Task, log: &mut dyn crate::transport::Transport) {
    for input in task.inputs() {
        log.release(&input.partition);
    }
}
