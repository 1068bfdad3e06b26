//! Partitions that a topic gets while the app runs on it: they have no tasks, and keys move to other partitions. It is
//! looked for from time to time, beside the workers.

use super::{App, RunError};
use crate::record::Topic;
use crate::task::TaskId;
use crate::transport::Transport;
use crate::worker::Shared;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time between two looks at the topics that are read.
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

impl Watch {
    /// Ends the workers, after a commit, when a topic has not as many partitions any more as the tasks were made for.
    pub(super) fn start(app: &App, ids: &[TaskId], mut log: Box<dyn Transport>, shared: &Arc<Shared>) -> Self {
        let mut topics: BTreeMap<Topic, Read> = BTreeMap::new();
        for (number, part) in app.blueprint.plan.subtopologies.iter().enumerate() {
            let partitions = ids.iter().filter(|id| id.subtopology == number).count();
            let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
            for source in app.blueprint.sources(number) {
                let read = topics.entry(source.topic).or_insert(Read { partitions, keeps: false });
                read.keeps |= !part.stores.is_empty();
            }
        }
        let (found, shared) = (Arc::<Mutex<Option<RunError>>>::default(), Arc::clone(shared));
        let (wake, woken) = channel::<()>();
        let told = Arc::clone(&found);
        let thread = std::thread::Builder::new().name("partitions".into()).spawn(move || {
            while woken.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if let Some(error) = look(&topics, log.as_mut()) {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    shared.stop.store(true, Ordering::SeqCst);
                    return;
                }
            }
        });
        // Without the thread they are noticed at the next start.
        let _ = thread.inspect_err(|error| tracing::warn!("nobody looks for new partitions: {error}"));
        Self { found, _wake: wake }
    }

    /// What was found.
    pub(super) fn found(&self) -> Result<(), RunError> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

/// The first topic that changed; what cannot be seen now is looked at again.
fn look(topics: &BTreeMap<Topic, Read>, log: &mut dyn Transport) -> Option<RunError> {
    topics.iter().find_map(|(topic, read)| {
        let now = log.topic(topic).ok().flatten()?.partitions;
        let remedy = if read.keeps {
            "its keys may lie in other partitions now than what is kept of them; end all processes of the app, say millstream reset and run again to process all input anew"
        } else {
            "run it again when all processes of the app have ended: every partition has a task then"
        };
        let (topic, was) = (topic.clone(), read.partitions);
        (now != was).then_some(RunError::Grown { topic, was, now, remedy })
    })
}
