//! Tasks on their way: opened, then restored store by store, beside those that are at work already.

use super::commit::retry;
use super::pause::{OPENING, Pause};
use super::report::Report;
use super::{Shared, Worker};
use crate::operator::Stop;
use crate::record::{Offset, TopicPartition};
use crate::store::{KeyValueStore, Local, Writes};
use crate::task::{Need, Restore, Task};
use crate::transport::{Fetch, Transaction, Transport, TransportError, Truth};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a changelog that are read and written into the state at once.
const RESTORE_BYTES: usize = 4 << 20;
/// So long a changelog that ends before the local state's checkpoint is waited for: the marker of a transaction that was
/// just committed may be on its way. A changelog that was made anew stays shorter.
const SHORTER: Duration = Duration::from_secs(10);
/// Time between two lines about what keeps tasks from being opened.
pub(super) const TELL: Duration = Duration::from_secs(10);

/// A task that does not work yet.
pub(super) struct Coming {
    pub(super) number: usize,
    stage: Stage,
    /// Not before it is over.
    pause: Pause,
    /// When it came.
    since: Instant,
    /// When it was last told why it waits.
    told: Instant,
}

enum Stage {
    /// Not open, or not any more.
    Closed,
    Restoring(Box<Restoring>),
}

/// A task whose stores are brought into agreement with their changelogs.
struct Restoring {
    task: Task,
    /// The store that is next, or under way.
    store: usize,
    under_way: Option<(Restore, Report)>,
}

impl Coming {
    pub(super) fn closed(number: usize) -> Self {
        Self { number, stage: Stage::Closed, pause: Pause::default(), since: Instant::now(), told: Instant::now() }
    }

    /// Whether it is to be opened now.
    fn opens(&self) -> bool {
        matches!(self.stage, Stage::Closed) && !self.pause.lasts()
    }

    /// What it reads from.
    pub(super) fn changelog(&self) -> Option<&TopicPartition> {
        match &self.stage {
            Stage::Closed => None,
            Stage::Restoring(restoring) => restoring.under_way.as_ref().map(|(restore, _)| restore.changelog()),
        }
    }

    /// It is opened anew a little later.
    fn put_off(&mut self, worker: usize, why: &str) {
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            tracing::warn!(worker, task = self.number, "the task cannot be opened yet: {why}");
        }
        tracing::debug!(worker, task = self.number, "not yet: {why}");
        self.pause.grow(OPENING);
    }
}

impl Worker {
    /// Takes every task on its way one step further. Says whether that was possible for any.
    pub(super) fn bring_in(&mut self) -> Result<bool, Stop> {
        if self.state.coming.is_empty() || self.shared.ending() {
            return Ok(false);
        }
        // Decided once: a pause that is over a moment later waits for the next round.
        let opens: Vec<bool> = self.state.coming.iter().map(Coming::opens).collect();
        if self.log.sends_early() && opens.contains(&true) {
            // Opening asks the cluster, which may take longer than a transaction may be open, and may commit where the
            // task begins: what the others have sent must not be in that commit.
            self.commit_first()?;
        }
        let (mut progressed, mut refused) = (false, false);
        // A commit that failed may have added tasks that are opened anew.
        let opens = opens.into_iter().chain(std::iter::repeat(false));
        for (mut coming, opens) in std::mem::take(&mut self.state.coming).into_iter().zip(opens) {
            let closed = matches!(coming.stage, Stage::Closed);
            // What a cluster did not answer for one task it hardly answers for the next: the tasks at work do not wait.
            let asks = closed || coming.changelog().is_none();
            if (closed && !opens) || (asks && refused) || (!closed && coming.pause.lasts()) {
                self.state.coming.push(coming);
                continue;
            }
            let changelog = coming.changelog().cloned();
            let stage = std::mem::replace(&mut coming.stage, Stage::Closed);
            self.shared.came_back(self.number);
            match self.advance(coming.number, coming.since, stage) {
                Ok(Advanced::Ready(task)) => {
                    let (worker, number, took) = (self.number, coming.number, coming.since.elapsed());
                    tracing::debug!(worker, task = number, ?took, "the task is ready");
                    self.take_up(coming.number, *task);
                    progressed = true;
                    continue;
                }
                Ok(Advanced::On(stage)) => {
                    coming.stage = stage;
                    progressed = true;
                }
                Ok(Advanced::Waits(stage)) => coming.stage = stage,
                // Nothing else is open, so nothing but the task itself is to be taken back.
                Err(Stop::Transport(
                    TransportError::Retry(why) | TransportError::Aborted(why) | TransportError::InDoubt(why),
                )) => {
                    changelog.iter().for_each(|changelog| self.log.release(changelog));
                    self.maker.put_off(coming.number);
                    coming.put_off(self.number, &why);
                    refused = true;
                }
                Err(stop) => return Err(stop),
            }
            self.state.coming.push(coming);
        }
        Ok(progressed)
    }

    fn advance(&mut self, number: usize, since: Instant, stage: Stage) -> Result<Advanced, Stop> {
        match stage {
            Stage::Closed => {
                let mut task = self.maker.open(number, self.state.fence.as_ref(), self.log.as_mut())?;
                crate::killpoint::pass("task-assembled");
                unlog(&mut task, &self.app, self.log.as_mut())?;
                Ok(Advanced::On(Stage::Restoring(Box::new(Restoring { task, store: 0, under_way: None }))))
            }
            Stage::Restoring(restoring) => self.restore(since, restoring),
        }
    }

    /// Restores a piece.
    fn restore(&mut self, since: Instant, mut restoring: Box<Restoring>) -> Result<Advanced, Stop> {
        let Restoring { task, store: index, under_way } = restoring.as_mut();
        if *index >= task.stores().len() {
            return Ok(Advanced::Ready(Box::new(restoring.task)));
        }
        let log = self.log.as_mut();
        let Some((restore, report)) = under_way else {
            *under_way = begin(task, *index, since, log, &self.shared)?;
            *index += usize::from(under_way.is_none());
            return Ok(Advanced::On(Stage::Restoring(restoring)));
        };
        let fetched = match restore.need() {
            Some(Need::Batches(from)) => {
                crate::killpoint::pass("restore-before-step");
                match log.fetch(restore.changelog(), from, RESTORE_BYTES) {
                    // The changelog begins later than it did: the store is looked at again.
                    Err(TransportError::OutOfRange { .. }) => {
                        *under_way = None;
                        return Ok(Advanced::On(Stage::Restoring(restoring)));
                    }
                    other => other?,
                }
            }
            Some(Need::Nothing) => Fetch::Pending,
            None => {
                report.tell(restore, true);
                log.release(restore.changelog());
                (*under_way, *index) = (None, *index + 1);
                return Ok(Advanced::On(Stage::Restoring(restoring)));
            }
        };
        let waits = restore.is_waiting(&fetched);
        let Some(store) = task.stores().get(*index) else { return Ok(Advanced::Waits(Stage::Closed)) };
        if !waits {
            let mut transaction = restore.step(store, fetched)?;
            if log.sends_early() && !transaction.outputs.is_empty() {
                // Offsets let the group refuse it, should the task be another's by now.
                let inputs = task.inputs().iter();
                transaction.offsets = inputs.map(|input| (input.partition.clone(), input.position)).collect();
                self.commit_first()?;
            }
            let transaction = Transaction { fence: self.state.fence.clone(), ..transaction };
            let log = self.log.as_mut();
            retry(self.number, &self.shared, || log.commit(&self.app, &transaction))?;
            crate::killpoint::pass("restore-after-step");
            report.tell(restore, false);
        }
        let stage = Stage::Restoring(restoring);
        Ok(if waits { Advanced::Waits(stage) } else { Advanced::On(stage) })
    }
}

/// How far a task came.
enum Advanced {
    Ready(Box<Task>),
    On(Stage),
    /// Nothing could be done.
    Waits(Stage),
}

fn begin(
    task: &mut Task,
    index: usize,
    since: Instant,
    log: &mut dyn Transport,
    shared: &Arc<Shared>,
) -> Result<Option<(Restore, Report)>, Stop> {
    let Some(changelog) = task.changelog(index).cloned() else { return Ok(None) };
    let bounds = log.bounds(&changelog)?;
    let truth = log.truth();
    let Some(store) = task.stores().get_mut(index) else { return Ok(None) };
    forget_false_copy(store, &changelog, log)?;
    if truth == Truth::Changelog && since.elapsed() < SHORTER && Restore::is_ahead(store, bounds.1)? {
        return Err(TransportError::Retry(format!("{changelog} ends at {}, before its store", bounds.1)).into());
    }
    if truth == Truth::Changelog {
        tell_of_a_stranger(store, &changelog, bounds)?;
    }
    let Some(restore) = Restore::begin(store, changelog, bounds, truth)? else { return Ok(None) };
    let report = Report::new(task, &restore, shared);
    Ok(Some((restore, report)))
}

/// Notes which stores go on without a changelog: should they get one, theirs will not be complete.
fn unlog(task: &mut Task, app: &str, log: &mut dyn Transport) -> Result<(), Stop> {
    let mut state = Writes::default();
    for index in 0..task.stores().len() {
        let logged = task.changelog(index).is_some();
        if let Some(store) = task.stores().get(index).filter(|_| !logged) {
            store.unlog(&mut state)?;
        }
    }
    if !state.is_empty() {
        log.commit(app, &Transaction { state, ..Transaction::default() })?;
    }
    Ok(())
}

/// Throws local state away that its changelog may not know of.
pub(super) fn forget_false_copy(
    store: &mut KeyValueStore,
    changelog: &TopicPartition,
    log: &mut dyn Transport,
) -> Result<(), Stop> {
    // Asked without a checkpoint, too: what is written next names the topic.
    let checkpoint = store.checkpoint()?;
    let trusted = log.trusts(changelog, checkpoint.as_deref().unwrap_or_default())?;
    if checkpoint.is_some() && !trusted {
        store.reset()?;
    }
    Ok(())
}

/// Says why a copy of a changelog with these bounds will be read anew, if so.
pub(super) fn tell_of_a_stranger(
    store: &KeyValueStore,
    changelog: &TopicPartition,
    (start, end): (Offset, Offset),
) -> Result<(), Stop> {
    let why = match store.local()? {
        Local::Current(at) if at < start => "its changelog begins behind what was read of it",
        Local::Current(at) if at > end => "its changelog ends before what was read of it",
        Local::Unknown if !store.is_empty()? => "it is not known of which changelog it is one",
        _ => return Ok(()),
    };
    tracing::warn!(%changelog, %start, %end, "the local copy of a store is read anew: {why}");
    Ok(())
}
