//! A thread that owns tasks: fetches, turns, commits.

mod failures;
mod restore;

pub use failures::FailureLog;

use crate::operator::Stop;
use crate::record::Topic;
use crate::task::{Task, Topics, Turned};
use crate::topology::OffsetReset;
use crate::transport::{TopicSpec, Transaction, Transport, TransportError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Bytes fetched for a partition at once: a few turns' worth.
const FETCH_BYTES: usize = 512 * 1024;
/// Uncommitted bytes of a worker after which it commits before its interval is over.
const UNCOMMITTED_BYTES_MAX: usize = 32 << 20;
/// How long an idle worker sleeps at most before it looks again.
const IDLE: Duration = Duration::from_millis(20);
/// How long a worker waits before it tries again what the disk refused, the first time and at most.
const RETRY_PAUSE_MIN: Duration = Duration::from_millis(200);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// What the workers of an app share.
#[derive(Debug)]
pub struct Shared {
    /// Set to end all workers, after a last commit.
    pub stop: AtomicBool,
    /// Set if a worker failed: the others end too.
    pub failed: AtomicBool,
    /// Inputs that may still append to source topics: until they are done, the end of the input is not reached.
    pub feeding: AtomicUsize,
    /// For each worker the log's version at which it had nothing to do; `u64::MAX` while it works.
    idle: Vec<AtomicU64>,
    /// Set by the first worker that finds the end of the input: what others append afterwards is for the next run.
    over: AtomicBool,
    /// Input records processed.
    pub records: AtomicU64,
    /// Records dropped.
    pub dropped: AtomicU64,
    /// Records dead-lettered.
    pub dead_letters: AtomicU64,
}

impl Shared {
    /// For so many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        let idle = (0..workers).map(|_| AtomicU64::new(u64::MAX)).collect();
        let (stop, failed, over) = (AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let (records, dropped, dead_letters) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { stop, failed, feeding: AtomicUsize::new(0), idle, over, records, dropped, dead_letters })
    }

    /// Whether workers are to end.
    fn ending(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.failed.load(Ordering::SeqCst)
    }

    /// Whether the end of the input is reached: nothing feeds it, and no worker has anything to do at the `version` of the
    /// log that its caller has worked off, which is still `now`'s. Once it is reached it stays so: a worker that has ended
    /// does not look at what comes later, so that the others would wait for it for ever.
    fn is_over(&self, version: u64, now: impl FnOnce() -> u64) -> bool {
        let fed = self.feeding.load(Ordering::SeqCst) == 0;
        let idle = || self.idle.iter().all(|idle| idle.load(Ordering::SeqCst) == version);
        if fed && idle() && now() == version {
            self.over.store(true, Ordering::SeqCst);
        }
        self.over.load(Ordering::SeqCst)
    }

    /// Adds what a turn did.
    fn count(&self, turned: &Turned) {
        self.records.fetch_add(turned.records as u64, Ordering::Relaxed);
        self.dropped.fetch_add(turned.dropped, Ordering::Relaxed);
        self.dead_letters.fetch_add(turned.dead_letters as u64, Ordering::Relaxed);
    }
}

/// A worker and its tasks.
pub struct Worker {
    /// Its number, counted from 0.
    pub number: usize,
    /// The app: the group whose offsets are committed.
    pub app: String,
    /// Its connection.
    pub log: Box<dyn Transport>,
    /// Its tasks.
    pub tasks: Vec<Task>,
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
}

impl Topics for Box<dyn Transport> {
    fn partitions(&mut self, topic: &Topic) -> Result<i32, TransportError> {
        self.as_mut().partitions(topic)
    }
}

impl<T: Transport + ?Sized> Topics for T {
    fn partitions(&mut self, topic: &Topic) -> Result<i32, TransportError> {
        self.create_topic(&TopicSpec::new(topic.clone(), 1))?;
        Ok(self.topic(topic)?.map_or(1, |spec| spec.partitions))
    }
}

impl Worker {
    /// Works until told to stop, or until the end of the input.
    ///
    /// # Errors
    /// [`Stop`]: what was not committed is rolled back and will be processed again.
    pub fn run(mut self) -> Result<(), Stop> {
        let _alarm = Alarm(Arc::clone(&self.shared));
        let result = self.work();
        self.failures.end();
        if result.is_err() {
            self.shared.failed.store(true, Ordering::SeqCst);
            self.tasks.iter_mut().for_each(Task::rollback);
        }
        result
    }

    fn work(&mut self) -> Result<(), Stop> {
        self.restore()?;
        if self.shared.ending() {
            return Ok(());
        }
        let mut last_commit = Instant::now();
        let mut last_purge = Instant::now();
        let mut uncommitted = false;
        loop {
            let version = self.log.version();
            let progressed = self.step()?;
            uncommitted |= progressed;
            let stopping = self.shared.ending();
            let bytes: usize = self.tasks.iter().map(Task::uncommitted_bytes).sum();
            let due = last_commit.elapsed() >= self.commit_interval || bytes >= UNCOMMITTED_BYTES_MAX;
            if uncommitted && (due || stopping || (!progressed && self.until_end)) {
                self.commit()?;
                uncommitted = false;
                last_commit = Instant::now();
            }
            if !uncommitted && last_purge.elapsed() >= self.purge_interval {
                self.purge();
                last_purge = Instant::now();
            }
            if stopping {
                return Ok(());
            }
            if progressed || uncommitted {
                self.note(u64::MAX);
                if !progressed {
                    self.log.wait(self.commit_interval.saturating_sub(last_commit.elapsed()).min(IDLE));
                }
                continue;
            }
            self.note(version);
            if self.until_end && self.shared.is_over(version, || self.log.version()) {
                crate::killpoint::pass("worker-ends");
                return Ok(());
            }
            self.log.wait(IDLE);
        }
    }

    fn note(&self, version: u64) {
        if let Some(idle) = self.shared.idle.get(self.number) {
            idle.store(version, Ordering::SeqCst);
        }
    }

    /// Fetches what there is room for and takes every task through one turn. Says whether anything was done.
    fn step(&mut self) -> Result<bool, Stop> {
        let mut progressed = false;
        for number in 0..self.tasks.len() {
            progressed |= self.fill(number)?;
            let Some(task) = self.tasks.get_mut(number) else { break };
            crate::killpoint::pass("before-turn");
            let turned = task.turn(&mut self.log)?;
            crate::killpoint::pass("after-turn");
            progressed |= turned.records > 0;
            self.shared.count(&turned);
            self.failures.tell(turned);
        }
        Ok(progressed)
    }

    /// Fetches what a task has room for. Says whether there was anything.
    fn fill(&mut self, number: usize) -> Result<bool, Stop> {
        let Some(task) = self.tasks.get_mut(number) else { return Ok(false) };
        let mut found = false;
        for index in 0..task.inputs().len() {
            let Some(input) = task.inputs().get(index).filter(|input| input.has_room()) else { continue };
            let (partition, from) = (input.partition.clone(), input.fetch);
            crate::killpoint::pass("before-fetch");
            let fetched = match self.log.fetch(&partition, from, FETCH_BYTES) {
                Err(TransportError::OutOfRange { asked, start, .. }) => {
                    let internal = self.repartitions.contains(&partition.topic);
                    let position = match self.offset_reset {
                        OffsetReset::Latest if !internal => self.log.bounds(&partition)?.1,
                        OffsetReset::None if !internal => return Err(Stop::Gone { partition, asked, start }),
                        _ => start,
                    };
                    tracing::warn!(%partition, %asked, %position, "records were deleted before they were read");
                    task.skip_to(index, position);
                    // Something is to be committed: the new position.
                    found = true;
                    self.log.fetch(&partition, position, FETCH_BYTES)?
                }
                other => other?,
            };
            crate::killpoint::pass("fetched");
            found |= fetched.is_some();
            task.feed(index, fetched)?;
        }
        Ok(found)
    }

    /// Deletes from repartition topics what is processed; nothing may be uncommitted. What cannot be deleted now can be later.
    fn purge(&mut self) {
        for input in self.tasks.iter().flat_map(Task::inputs) {
            if self.repartitions.contains(&input.partition.topic) {
                let deleted = self.log.delete_records(&input.partition, input.position);
                if let Err(error) = deleted {
                    tracing::warn!(partition = %input.partition, "processed records were not deleted: {error}");
                }
            }
        }
    }

    /// Commits all tasks in one transaction.
    fn commit(&mut self) -> Result<(), Stop> {
        crate::killpoint::pass("before-commit");
        let mut transaction = Transaction::default();
        for task in &mut self.tasks {
            let turned = task.hand_in(&mut transaction, &mut self.log)?;
            self.shared.count(&turned);
            self.failures.tell(turned);
            crate::killpoint::pass("one-handed-in");
        }
        self.failures.catch_up();
        crate::killpoint::pass("handed-in");
        retry(self.number, &self.shared, || self.log.commit(&self.app, &transaction))?;
        crate::killpoint::pass("committed");
        for task in &mut self.tasks {
            task.committed();
            crate::killpoint::pass("one-knows-of-commit");
        }
        Ok(())
    }
}

/// Tells the other workers if this one panics: they must not go on as if its tasks were worked on.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed.store(true, Ordering::SeqCst);
        }
    }
}

/// Does what the disk may refuse, again and again until it is done: what waits is kept, and nothing is lost when there is
/// room again. Gives up only when it is told to stop.
fn retry(
    worker: usize,
    shared: &Shared,
    mut attempt: impl FnMut() -> Result<(), TransportError>,
) -> Result<(), TransportError> {
    let mut pause = RETRY_PAUSE_MIN;
    loop {
        let why = match attempt() {
            Err(TransportError::Retry(why)) if !shared.ending() => why,
            other => return other,
        };
        tracing::warn!(worker, again_in = ?pause, "commit refused; it is tried again until it succeeds: {why}");
        let waited = Instant::now();
        while waited.elapsed() < pause && !shared.ending() {
            std::thread::sleep(IDLE);
        }
        pause = (pause * 2).min(RETRY_PAUSE_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_reached_once_for_all_workers() {
        let shared = Shared::new(2);
        let idle = |worker: usize, version| shared.idle[worker].store(version, Ordering::SeqCst);
        idle(0, 7);
        assert!(!shared.is_over(7, || 7), "the other works");
        idle(1, 7);
        assert!(!shared.is_over(7, || 8), "something came");
        shared.feeding.store(1, Ordering::SeqCst);
        assert!(!shared.is_over(7, || 7), "more may come");
        shared.feeding.store(0, Ordering::SeqCst);
        assert!(shared.is_over(7, || 7), "the first worker ends here");
        // Before the second looks, somebody else appends: the first is gone and never notes this version.
        idle(1, 8);
        assert!(shared.is_over(8, || 8), "the second waits for no one");
    }

    #[test]
    fn a_panic_ends_the_others() {
        let shared = Shared::new(2);
        let alarm = Alarm(Arc::clone(&shared));
        drop(alarm);
        assert!(!shared.ending());
        let alarm = Alarm(Arc::clone(&shared));
        let thread = std::thread::spawn(move || {
            let _alarm = alarm;
            panic!("on purpose");
        });
        assert!(thread.join().is_err() && shared.ending());
    }
}
