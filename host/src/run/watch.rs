//! What becomes of topics while the app runs on them: they are looked at from time to time, beside the workers. Partitions
//! that a topic gets which is read have no tasks, and keys move to other partitions; those of a topic which is written are
//! written, too, from then on. A topic that was deleted ends the app.

use super::{App, RunError};
use crate::record::Topic;
use crate::task::TaskId;
use crate::transport::{MISSING, Transport};
use crate::worker::Shared;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks.
const LOOK: Duration = Duration::from_secs(3);

/// Looks until it is dropped.
pub(super) struct Watch {
    found: Arc<Mutex<Option<RunError>>>,
    /// Dropped to end the thread, which is not waited for: brokers that are away may hold it.
    _wake: Sender<()>,
}

/// A topic that is read.
struct Read {
    partitions: i32,
    /// Whether what its tasks keep is kept by partition, too.
    keeps: bool,
}

/// What is looked at.
struct Watched {
    log: Box<dyn Transport>,
    shared: Arc<Shared>,
    read: BTreeMap<Topic, Read>,
    /// Those that are written, apart from those that plugins choose.
    written: BTreeSet<Topic>,
    /// Those that brokers did not know, or not whole, when they were last asked, and since when.
    missing: BTreeMap<Topic, Instant>,
}

impl Watch {
    /// Ends the workers, after a commit, when a topic has not as many partitions any more as the tasks were made for, or is
    /// gone; has them write to all partitions that a topic gets.
    pub(super) fn start(app: &App, ids: &[TaskId], log: Box<dyn Transport>, shared: &Arc<Shared>) -> Self {
        let (read, written) = (app.read_by(ids), app.written());
        // Who writes them, too, knows them from the start: their keys must not move before the app ends for that.
        for (topic, Read { partitions, .. }) in read.iter().filter(|(_, read)| read.partitions > 0) {
            shared.outputs.note(topic, *partitions);
        }
        let mut watched = Watched { log, shared: Arc::clone(shared), read, written, missing: BTreeMap::new() };
        let (found, shared) = (Arc::<Mutex<Option<RunError>>>::default(), Arc::clone(shared));
        let (wake, woken) = channel::<()>();
        let told = Arc::clone(&found);
        let thread = std::thread::Builder::new().name("topics".into()).spawn(move || {
            while woken.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if let Err(error) = watched.look() {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    shared.stop.store(true, Ordering::SeqCst);
                    return;
                }
            }
        });
        // Without the thread they are noticed at the next start.
        let _ = thread.inspect_err(|error| tracing::warn!("nobody looks at what becomes of topics: {error}"));
        Self { found, _wake: wake }
    }

    /// What was found.
    pub(super) fn found(&self) -> Result<(), RunError> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

impl Watched {
    fn look(&mut self) -> Result<(), RunError> {
        let read: Vec<(Topic, i32)> = self.read.iter().map(|(topic, read)| (topic.clone(), read.partitions)).collect();
        for (topic, was) in &read {
            let now = self.partitions(topic, *was).map_err(RunError::Deleted)?;
            if let (Some(now), Some(read)) = (now, self.read.get(topic)) {
                read.check(topic, now)?;
            }
        }
        let known = self.shared.outputs.known();
        let mut written: BTreeSet<Topic> = known.keys().chain(&self.written).cloned().collect();
        written.retain(|topic| !self.read.contains_key(topic));
        for topic in written {
            match self.partitions(&topic, known.get(&topic).copied().unwrap_or(1)) {
                Ok(now) => now.into_iter().for_each(|now| self.shared.outputs.note(&topic, now)),
                Err(topic) if self.written.contains(&topic) => return Err(RunError::Deleted(topic)),
                // Chosen by a plugin some time ago: it is made anew if it is chosen again.
                Err(topic) => self.shared.outputs.forget(&topic),
            }
        }
        Ok(())
    }

    /// How many partitions a topic has that had so many; none if that cannot be seen now.
    ///
    /// # Errors
    /// The topic, if it is gone.
    fn partitions(&mut self, topic: &Topic, was: i32) -> Result<Option<i32>, Topic> {
        let found = self.log.topic(topic).map(|found| found.map_or(0, |spec| spec.partitions));
        // Brokers that are away may know of none when they are back.
        if found.as_ref().map_or(true, |now| *now >= was) {
            self.missing.remove(topic);
            return Ok(found.ok());
        }
        let since = *self.missing.entry(topic.clone()).or_insert_with(Instant::now);
        if since.elapsed() >= MISSING { Err(topic.clone()) } else { Ok(None) }
    }
}

impl Read {
    fn check(&self, topic: &Topic, now: i32) -> Result<(), RunError> {
        let remedy = if self.keeps {
            "its keys may lie in other partitions now than what is kept of them; end all processes of the app, say millstream reset and run again to process all input anew"
        } else {
            "run it again when all processes of the app have ended: every partition has a task then"
        };
        let (topic, was) = (topic.clone(), self.partitions);
        if now == was { Ok(()) } else { Err(RunError::Grown { topic, was, now, remedy }) }
    }
}

impl App {
    /// The topics that are read by these tasks.
    fn read_by(&self, ids: &[TaskId]) -> BTreeMap<Topic, Read> {
        let mut topics: BTreeMap<Topic, Read> = BTreeMap::new();
        for (number, part) in self.blueprint.plan.subtopologies.iter().enumerate() {
            let partitions = ids.iter().filter(|id| id.subtopology == number).count();
            let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
            for source in self.blueprint.sources(number) {
                let read = topics.entry(source.topic).or_insert(Read { partitions, keeps: false });
                read.keeps |= !part.stores.is_empty();
            }
        }
        topics
    }
}
