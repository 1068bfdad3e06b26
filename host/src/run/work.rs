//! Workers at work: each is started with what it needs, and all are waited for.

use super::agreement::Agreement;
use super::host::Equipment;
use super::maker::{Claims, Maker};
use super::upkeep::Upkeep;
use super::watch::Watch;
use super::{App, Host, RunError, stuck};
use crate::operator::Stop;
use crate::record::Topic;
use crate::store::Db;
use crate::task::TaskId;
use crate::worker::{FailureLog, Shared, State, Worker};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Stack of a worker's thread, bytes: the guest's megabyte and room for the host around it.
const WORKER_STACK_BYTES: usize = 8 << 20;

/// A worker that has been away for less is not stuck, whatever `max.poll.interval.ms` says: one step may wait for brokers by
/// several calls, each up to its deadline.
const STUCK_MIN: Duration = Duration::from_mins(3);
/// Calls into plugins that a step may let run into their deadlines: one for each of so many nodes.
const LATE_CALLS: u32 = 8;

/// A worker's thread, if it could be started.
type Thread = std::io::Result<JoinHandle<Result<(), Stop>>>;

/// What the workers of a run have in common.
struct Common {
    app: Arc<App>,
    db: Db,
    /// By their numbers.
    ids: Arc<[TaskId]>,
    claims: Arc<Mutex<Claims>>,
    agreement: Option<Arc<Mutex<Agreement>>>,
    repartitions: Arc<BTreeSet<Topic>>,
    until_end: bool,
    shared: Arc<Shared>,
}

impl App {
    /// After [`App::begin`]: works on the app's tasks with so many workers until it is told to stop or, if wanted, until
    /// the end of the input.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn work(&self, host: &Host, workers: usize, until_end: bool, shared: &Arc<Shared>) -> Result<(), RunError> {
        let ids = self.task_ids(host.log().as_mut())?;
        let agreement = self.announce(host)?;
        let watch = host.cluster_of().map(|_| Watch::start(self, &ids, host.log(), shared));
        let _server = host.serve();
        let _upkeep = host.embedded_log().map(|log| Upkeep::start(log.clone()));
        // All of it before the first thread begins: none is left alone where another's fails.
        let equipment = host.equip(self, workers, &ids)?;
        let common = Common {
            app: Arc::new(self.clone()),
            db: host.db.clone(),
            ids,
            claims: Arc::default(),
            agreement,
            repartitions: Arc::new(self.repartitions()),
            until_end,
            shared: Arc::clone(shared),
        };
        let (at_work, ended) = channel();
        let start = |(number, equipment)| common.start(number, equipment, at_work.clone());
        let threads: Vec<Thread> = equipment.into_iter().enumerate().map(start).collect();
        drop(at_work);
        crate::killpoint::pass("workers-started");
        let stuck = stuck::await_workers(&ended, self.patience(host), shared, stuck::abort_later);
        let ended = |thread: &Thread| stuck.is_ok() || thread.as_ref().map_or(true, JoinHandle::is_finished);
        let result = threads.into_iter().filter(ended).map(result).fold(Ok(()), Result::and);
        // What became of a topic is why a worker failed, and that may be why another is stuck.
        watch.map_or(Ok(()), |watch| watch.found()).and(result).and(stuck)
    }

    /// How long a worker may be away before it is stuck; none where nobody else could go on.
    fn patience(&self, host: &Host) -> Option<Duration> {
        let interval = host.cluster_of()?.poll_interval();
        let deadlines = self.manifest.plugins.values().map(|plugin| plugin.limits.deadline.saturating_mul(LATE_CALLS));
        let least = crate::killpoint::stuck().unwrap_or(STUCK_MIN);
        Some(deadlines.fold(interval.max(least), Duration::max))
    }

    /// Tells the group, where there is one, what is run here.
    fn announce(&self, host: &Host) -> Result<Option<Arc<Mutex<Agreement>>>, RunError> {
        let Some(mut agreement) = Agreement::of(self, host)? else { return Ok(None) };
        agreement.announce()?;
        Ok(Some(Arc::new(Mutex::new(agreement))))
    }

    /// Topics between subtopologies: only this app reads them.
    pub(super) fn repartitions(&self) -> BTreeSet<Topic> {
        let parts = self.blueprint.plan.subtopologies.iter();
        parts.flat_map(|part| &part.repartitions).map(|spec| spec.topic.clone()).collect()
    }
}

impl Common {
    /// Starts a worker, which has `at_work` until it ends.
    fn start(&self, number: usize, equipment: Equipment, at_work: Sender<Infallible>) -> Thread {
        let worker = self.worker(number, equipment);
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).stack_size(WORKER_STACK_BYTES);
        let started = thread.spawn(move || {
            let _at_work = at_work;
            worker.run()
        });
        // Without one of them its tasks would lie idle: the others end too.
        started.inspect_err(|_| self.shared.failed.store(true, Ordering::SeqCst))
    }

    fn worker(&self, number: usize, (log, coordinator): Equipment) -> Worker {
        let settings = &self.app.manifest.settings;
        Worker {
            number,
            app: self.app.manifest.app.clone(),
            log,
            coordinator,
            maker: Box::new(Maker {
                app: Arc::clone(&self.app),
                db: self.db.clone(),
                ids: Arc::clone(&self.ids),
                worker: number,
                claims: Arc::clone(&self.claims),
                agreement: self.agreement.clone(),
            }),
            commit_interval: settings.commit_interval,
            offset_reset: settings.auto_offset_reset,
            repartitions: Arc::clone(&self.repartitions),
            purge_interval: settings.purge_interval,
            until_end: self.until_end,
            shared: Arc::clone(&self.shared),
            failures: FailureLog::default(),
            state: State::default(),
        }
    }
}

/// How a worker ended.
fn result(thread: Thread) -> Result<(), RunError> {
    match thread.map(JoinHandle::join) {
        Ok(Ok(ended)) => ended.map_err(RunError::from),
        Ok(Err(_)) => Err(RunError::Stopped("a worker panicked".into())),
        Err(error) => Err(RunError::Stopped(error.to_string())),
    }
}
