//! A thread that owns tasks: is told which, opens and restores them, fetches, turns, commits.
//!
//! ```text
//!   assigned -> coming (opened, restored) -> owned (fetch, turn, commit) -> revoked (after a commit) or lost
//! ```

mod coming;
mod commit;
mod failures;
mod latency;
mod membership;
mod narrow;
mod outputs;
mod pause;
mod report;
mod shared;
mod standby;
mod turns;

pub use failures::FailureLog;
pub use latency::Latency;
pub use outputs::Outputs;
pub use report::{Restored, Restores};
pub use shared::Shared;

use crate::operator::Stop;
use crate::record::{Offset, Topic, TopicPartition};
use crate::store::KeyValueStore;
use crate::task::{Task, Topics};
use crate::topology::OffsetReset;
use crate::transport::{Coordinator, Fence, TopicSpec, Transaction, Transport, TransportError};
use coming::Coming;
use narrow::Narrow;
use pause::Pause;
use shared::Alarm;
use standby::Standby;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Uncommitted bytes of a worker after which it commits before its interval is over.
const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;
/// How long an idle worker sleeps at most before it looks again.
const IDLE: Duration = Duration::from_millis(20);
/// Time between two commits of offsets that did not change: a group forgets those of topics that it is not subscribed to,
/// after a day at the earliest (`offsets.retention.minutes`, a week by default).
const REFRESH: Duration = Duration::from_hours(6);

/// Who makes tasks.
pub trait Tasks: Send {
    /// Makes sure that the group's members, which may be others by now, do the same work: before any is begun.
    ///
    /// # Errors
    /// [`TransportError::Retry`] if that is not known yet; else the worker stops.
    fn agree(&mut self) -> Result<(), Stop> {
        Ok(())
    }

    /// Makes a task, to go on where the group's committed offsets say.
    ///
    /// # Errors
    /// [`TransportError::Retry`] if it may be made later; else the worker stops.
    fn open(&mut self, number: usize, fence: Option<&Fence>, log: &mut dyn Transport) -> Result<Task, Stop>;

    /// The stores of a task that have changelogs, each with its changelog, to keep copies of them up to date.
    ///
    /// # Errors
    /// As for [`Tasks::open`].
    fn copy(&mut self, number: usize) -> Result<Vec<(KeyValueStore, TopicPartition)>, Stop>;

    /// Whether another worker waits for the task.
    fn is_wanted(&self, number: usize) -> bool;

    /// The task, or the copy, is closed: another worker may have it.
    fn close(&mut self, number: usize);

    /// The task could not be opened, and will be: another worker may have it meanwhile.
    fn put_off(&mut self, number: usize);
}

/// A worker and its tasks.
pub struct Worker {
    /// Its number, counted from 0.
    pub number: usize,
    /// The app: the group whose offsets are committed.
    pub app: String,
    /// Its connection.
    pub log: Box<dyn Transport>,
    /// Its membership.
    pub coordinator: Box<dyn Coordinator>,
    /// Who makes its tasks.
    pub maker: Box<dyn Tasks>,
    /// Time between commits.
    pub commit_interval: Duration,
    /// Where it goes on where the log begins later than it was asked to read.
    pub offset_reset: OffsetReset,
    /// Topics that only this app reads: what is processed and committed is deleted from them, so often.
    pub repartitions: Arc<BTreeSet<Topic>>,
    /// Time between two such deletions.
    pub purge_interval: Duration,
    /// Whether to end when all input is processed and committed.
    pub until_end: bool,
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// Where it tells of records that failed.
    pub failures: FailureLog,
    /// Its tasks, and what else changes while it works.
    pub state: State,
}

/// What a worker has at the moment; at first nothing.
#[derive(Default)]
pub struct State {
    tasks: Vec<Owned>,
    coming: Vec<Coming>,
    standbys: Vec<Standby>,
    /// Whether it was ever told of its tasks.
    joined: bool,
    /// Whether the members that the group has now were found to do the same work.
    agreed: bool,
    /// Before that is asked again.
    asking: Pause,
    /// Since when it is asked, or was last told that it is.
    asking_since: Option<Instant>,
    /// The membership under which its tasks read.
    fence: Option<Fence>,
    /// What waits for the commit apart from what the tasks hold.
    open: Transaction,
    /// Whether anything does.
    uncommitted: bool,
    /// The rest after a transaction that was aborted; it grows until one is committed.
    aborted: Pause,
    /// For how long nothing is told of one that could not be made; it grows, too.
    refused: Pause,
    /// How often topics had got partitions when its tasks last heard of it.
    grown: u64,
    /// The tasks that take few records at a time for a while, by their numbers.
    narrow: BTreeMap<usize, Narrow>,
}

/// A task at work.
struct Owned {
    number: usize,
    task: Task,
}

impl<T: Transport + ?Sized> Topics for T {
    fn partitions(&mut self, topic: &Topic) -> Result<i32, TransportError> {
        if let Some(spec) = self.topic(topic)? {
            return Ok(spec.partitions);
        }
        self.create_topic(&TopicSpec::new(topic.clone(), 1))?;
        Ok(self.topic(topic)?.map_or(1, |spec| spec.partitions))
    }

    fn batch_bytes_max(&mut self, topic: &Topic) -> Result<Option<usize>, TransportError> {
        self.message_bytes_max(topic)
    }
}

impl Worker {
    /// Works until told to stop, or until the end of the input.
    ///
    /// # Errors
    /// [`Stop`]: what was not committed is rolled back and will be processed again.
    pub fn run(mut self) -> Result<(), Stop> {
        let _alarm = Alarm::new(&self.shared, self.number);
        let result = self.work();
        self.failures.end();
        if result.is_err() {
            self.shared.failed.store(true, Ordering::SeqCst);
            let _ = self.log.abort();
        } else if self.state.fence.is_some()
            && let Err(stop) = self.commit_again(true)
        {
            // Whoever goes on loses half a second by it, and nothing else.
            tracing::debug!(worker = self.number, "left without a last word: {stop}");
        }
        self.close_all();
        self.coordinator.leave();
        result
    }

    fn work(&mut self) -> Result<(), Stop> {
        let (mut last_commit, mut last_purge, mut last_refresh) = (Instant::now(), Instant::now(), Instant::now());
        let commit_interval = self.commit_interval.min(self.log.open_max());
        let refresh = crate::killpoint::refresh().unwrap_or(REFRESH);
        loop {
            self.follow_membership()?;
            let version = self.log.version();
            let stepped = self.step();
            let mut progressed = self.recover(stepped)?.unwrap_or(false);
            self.state.uncommitted |= progressed || self.state.tasks.iter().any(|owned| owned.task.has_moved());
            if self.agrees()? {
                progressed |= self.bring_in()?;
                progressed |= self.keep_copies()?;
            }
            let stopping = self.shared.ending();
            let due = last_commit.elapsed() >= commit_interval || self.uncommitted_bytes() >= UNCOMMITTED_BYTES_MAX;
            if self.state.uncommitted && (due || stopping || (!progressed && self.until_end)) {
                let committed = self.commit();
                self.recover(committed)?;
                last_commit = Instant::now();
            }
            if stopping {
                return Ok(());
            }
            if !self.state.uncommitted && last_purge.elapsed() >= self.purge_interval {
                self.purge();
                last_purge = Instant::now();
            }
            if !self.state.uncommitted && last_refresh.elapsed() >= refresh {
                let committed = self.commit_again(false);
                self.recover(committed)?;
                last_refresh = Instant::now();
            }
            if progressed || self.state.uncommitted {
                self.note(u64::MAX);
                if !progressed {
                    self.log.wait(commit_interval.saturating_sub(last_commit.elapsed()).min(IDLE));
                }
                continue;
            }
            if self.is_done(version) {
                crate::killpoint::pass("worker-ends");
                return Ok(());
            }
            self.log.wait(IDLE);
        }
    }

    /// Whether the end of the input is reached, if that matters; the worker had nothing to do at `version`.
    fn is_done(&mut self, version: u64) -> bool {
        let settled = self.state.joined && self.state.coming.is_empty() && self.is_at_end() && self.is_settled();
        self.note(if settled { version } else { u64::MAX });
        settled && self.until_end && self.shared.is_over(version, || self.log.version())
    }

    fn is_at_end(&mut self) -> bool {
        if !self.until_end {
            return true;
        }
        let inputs = self.state.tasks.iter().flat_map(|owned| owned.task.inputs());
        let positions: Vec<(TopicPartition, Offset)> =
            inputs.map(|input| (input.partition.clone(), input.position)).collect();
        self.log.is_at_end(&positions).unwrap_or(false)
    }

    /// Whether no task is on its way to anybody, if that matters.
    fn is_settled(&mut self) -> bool {
        if !self.until_end {
            return true;
        }
        let own: Vec<usize> = self.state.tasks.iter().map(|owned| owned.number).collect();
        self.coordinator.is_settled(&own)
    }

    fn note(&self, version: u64) {
        if let Some(idle) = self.shared.idle.get(self.number) {
            idle.store(version, Ordering::SeqCst);
        }
    }

    fn uncommitted_bytes(&self) -> usize {
        self.state.tasks.iter().map(|owned| owned.task.uncommitted_bytes()).sum()
    }
}
