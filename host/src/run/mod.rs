//! The composition root: everything is built and joined here. The only room that knows all others.

mod access;
mod app_reset;
mod layouts;
mod plugins;
mod reset;
mod topics;
mod upkeep;

pub use access::Access;
pub use app_reset::{AppParts, AppReset, ResetTo};
pub use reset::Reset;

use crate::operator::Stop;
use crate::plugin::port::Plugin;
use crate::plugin::{AdmissionError, Compiler, Plugins, check_params, default_cache_directory};
use crate::record::{Offset, Partition, Topic, TopicPartition, partitions};
use crate::store::{Db, KeyValueStore, StoreError};
use crate::task::{Assembly, Blueprint, Input, TURN_ROWS_MAX, TaskId};
use crate::topology::{Manifest, OffsetReset, Problem, Topology, check_calls, plan, render};
use crate::transport::embedded::EmbeddedLog;
use crate::transport::socket::Server;
use crate::transport::{TopicSpec, Transaction, Transport, TransportError};
use crate::worker::{FailureLog, Shared, Worker};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use upkeep::Upkeep;

/// Stack of a worker's thread, bytes: the guest's megabyte and room for the host around it.
const WORKER_STACK_BYTES: usize = 8 << 20;

/// Why an app cannot run, as text for people.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read.
    #[error("MS-R001: {path:?} cannot be read: {error}; name another with --manifest, or begin with millstream new")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The manifest does not make sense.
    #[error("{0}")]
    Manifest(String),
    /// The manifest makes sense, and plugins that it names may not run.
    #[error("{0}")]
    Plugins(String),
    /// A plugin may not run.
    #[error("plugin {name:?}: {error}")]
    Plugin {
        /// Its name in the manifest.
        name: String,
        /// Why.
        error: AdmissionError,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error("MS-R002: {0}")]
    Transport(#[from] TransportError),
    /// Processing stopped.
    #[error(
        "MS-R003: {0}; nothing of the open transaction was committed, and it will be processed again; run again, but without --input if its file was read to the end: it would be appended once more"
    )]
    Stopped(String),
    /// Processing stopped at a record, as the node's policy says.
    #[error(
        "MS-R003: {0}; mend the plugin, or set on-error = \"skip\" or \"dead-letter\" at the node: nothing of the open transaction was committed, and the record will be processed again at the next run (without --input if its file was read to the end: it would be appended once more)"
    )]
    Record(String),
    /// Nothing says where to begin.
    #[error(
        "MS-R005: nothing was committed for {partition}, and auto-offset-reset is \"none\"; set it to \"earliest\" or \"latest\" under [guarantee]"
    )]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The manifest sets up a topic that the app makes for itself.
    #[error("MS-R008: topic {0} is one that the app makes for itself; take [topic.{0}] out of the manifest")]
    Internal(Topic),
    /// A topic was made with another number of partitions.
    #[error(
        "MS-R009: topic {topic} has {} and cannot get others, but {wanted} are wanted; say {there} in the manifest, or name a topic that is not there yet",
        partitions(*.there)
    )]
    Partitions {
        /// The topic.
        topic: Topic,
        /// Its partitions.
        there: i32,
        /// What the manifest or the topics that are read ask for.
        wanted: i32,
    },
    /// A store was written by another op, or by another layout of states.
    #[error(
        "MS-R010: store {store:?} holds values of {was:?}, which would be misread as {now:?}; go back to what wrote them, name another store, or delete them, in the changelog too, with millstream state reset {store} --yes"
    )]
    Layout {
        /// The store.
        store: String,
        /// What its values are.
        was: String,
        /// What the app takes them for.
        now: String,
    },
    /// Source topics that belong together differ in partitions.
    #[error(
        "MS-R004: topics {left} and {right} are read together but have {left_count} and {right_count} partitions; give them the same number"
    )]
    Copartition {
        /// One topic.
        left: Topic,
        /// Another.
        right: Topic,
        /// Its partitions.
        left_count: i32,
        /// Its partitions.
        right_count: i32,
    },
    /// An input is named that the app does not read.
    #[error("MS-R021: app {app} reads no topic {topic}; {reads}")]
    NoInput {
        /// The app.
        app: String,
        /// What was named.
        topic: Topic,
        /// What it reads.
        reads: String,
    },
    /// Somebody is at work in a group that is to be reset.
    #[error("MS-R022: group {group} has {count} active members, {first} among them; stop them all first")]
    Busy {
        /// The group.
        group: String,
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// A reset was begun and not finished.
    #[error("MS-R023: a reset of app {app} was begun and not finished; finish it with millstream reset --yes")]
    HalfReset {
        /// The app.
        app: String,
    },
    /// A host runs on the data directory, and what is asked for needs it alone.
    #[error("MS-R024: a host runs on the data directory {0:?}; stop it first")]
    HostRuns(PathBuf),
}

/// Why processing stopped, with its remedy.
fn stopped(stop: Stop) -> RunError {
    match stop {
        Stop::Record { .. } => RunError::Record(stop.to_string()),
        other => RunError::Stopped(other.to_string()),
    }
}

/// A manifest that was checked, and its plugins, admitted.
pub struct App {
    /// The manifest.
    pub manifest: Manifest,
    /// What its tasks are made from.
    pub blueprint: Blueprint,
}

impl App {
    /// Reads and checks a manifest, and admits its plugins.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn load(path: &Path, colours: bool) -> Result<Self, RunError> {
        let text = std::fs::read_to_string(path).map_err(|error| RunError::File { path: path.into(), error })?;
        let refuse =
            |problems: Vec<Problem>| RunError::Manifest(render(&problems, &text, &path.display().to_string(), colours));
        let manifest = Manifest::parse(&text).map_err(refuse)?;
        let checked = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
        let (plugins, mut unfit) = plugins::admitted(&manifest, path.parent().unwrap_or(Path::new(".")));
        let describe = |name: &str| plugins.get(name).map(|plugin: &Arc<dyn Plugin>| plugin.description());
        let (topology, mut problems) = match checked {
            Ok(topology) => {
                let problems = check_calls(&topology, &describe, &check_params);
                (Some(topology), problems)
            }
            Err(problems) => (None, problems),
        };
        let only_plugins = problems.is_empty();
        problems.append(&mut unfit);
        let Some(topology) = topology.filter(|_| problems.is_empty()) else {
            problems.sort_by_key(|problem| problem.line);
            return Err(match refuse(problems) {
                RunError::Manifest(text) if only_plugins => RunError::Plugins(text),
                other => other,
            });
        };
        Ok(Self { manifest, blueprint: Blueprint { plan: Arc::new(plan(&topology)), plugins } })
    }

    /// Reads and checks a manifest, and leaves its plugins alone: for those who only need to know the app's topics.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn outline(path: &Path, colours: bool) -> Result<Self, RunError> {
        let text = std::fs::read_to_string(path).map_err(|error| RunError::File { path: path.into(), error })?;
        let refuse =
            |problems: Vec<Problem>| RunError::Manifest(render(&problems, &text, &path.display().to_string(), colours));
        let manifest = Manifest::parse(&text).map_err(refuse)?;
        let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
        let plan = Arc::new(plan(&topology.map_err(refuse)?));
        Ok(Self { manifest, blueprint: Blueprint { plan, plugins: BTreeMap::new() } })
    }

    /// Checks the stores, makes the topics, and notes for each source where it is read from: what is appended from now on
    /// will be processed, even if reading begins at the end.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn begin(&self, db: &Db, log: &mut dyn Transport) -> Result<(), RunError> {
        self.check_layouts(db, log)?;
        self.make_topics(log)?;
        for subtopology in 0..self.blueprint.plan.subtopologies.len() {
            for source in self.blueprint.sources(subtopology) {
                for partition in log.topic(&source.topic)?.iter().flat_map(TopicSpec::all_partitions) {
                    self.position(&partition, log)?;
                }
            }
        }
        Ok(())
    }

    /// Number of partitions of a store.
    ///
    /// # Errors
    /// If there is no such store.
    pub fn partitions_of(&self, store: &str, log: &mut dyn Transport) -> Result<i32, RunError> {
        let parts = self.blueprint.plan.subtopologies.iter();
        let names: Vec<&str> = parts.clone().flat_map(|part| &part.stores).map(|spec| spec.name.as_str()).collect();
        let found = parts.enumerate().find(|(_, part)| part.stores.iter().any(|spec| spec.name == store));
        let Some((number, _)) = found else {
            let has = if names.is_empty() { "none".into() } else { names.join(", ") };
            let what = format!("error[MS-C002]: there is no store {store:?}; the app has {has}\n");
            return Err(RunError::Manifest(what));
        };
        Ok(self.width(number, log)?.unwrap_or(0))
    }

    /// Records of its input topics that it has not processed and committed.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn lag(&self, log: &mut dyn Transport) -> Result<u64, TransportError> {
        let mut lag = 0;
        for subtopology in 0..self.blueprint.plan.subtopologies.len() {
            for source in self.blueprint.sources(subtopology) {
                for partition in log.topic(&source.topic)?.iter().flat_map(TopicSpec::all_partitions) {
                    let (start, end) = log.bounds(&partition)?;
                    let committed = log.committed(&self.manifest.app, &partition)?.unwrap_or(start).max(start);
                    lag += u64::try_from(end.get() - committed.get()).unwrap_or(0);
                }
            }
        }
        Ok(lag)
    }

    /// Runs the app's tasks on so many workers until it is told to stop or, if wanted, until the end of the input.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run(
        &self,
        db: &Db,
        log: &mut EmbeddedLog,
        workers: usize,
        until_end: bool,
        shared: &Arc<Shared>,
    ) -> Result<(), RunError> {
        self.check_layouts(db, log)?;
        self.make_topics(log)?;
        let mut tasks: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
        let mut next = 0;
        for subtopology in 0..self.blueprint.plan.subtopologies.len() {
            for partition in 0..self.width(subtopology, log)?.unwrap_or(0) {
                let id = TaskId { subtopology, partition: Partition::new(partition) };
                let assembly = self.assemble(id, db, log)?;
                crate::killpoint::pass("task-assembled");
                let task = self.blueprint.task(id, assembly).map_err(|stop| RunError::Stopped(stop.to_string()))?;
                if let Some(tasks) = tasks.get_mut(next % workers) {
                    tasks.push(task);
                }
                next += 1;
            }
        }
        // Without it tools cannot look in while the app runs; the app itself needs no socket.
        let _server = Server::start(db, log)
            .inspect_err(|error| tracing::warn!("no socket for topic and state commands beside this host: {error}"));
        let _upkeep = Upkeep::start(log.clone());
        let repartitions = Arc::new(self.repartitions());
        let threads: Vec<_> = tasks
            .into_iter()
            .enumerate()
            .map(|(number, tasks)| {
                let worker = Worker {
                    number,
                    app: self.manifest.app.clone(),
                    log: Box::new(log.clone()),
                    tasks,
                    commit_interval: self.manifest.settings.commit_interval,
                    offset_reset: self.manifest.settings.auto_offset_reset,
                    repartitions: Arc::clone(&repartitions),
                    purge_interval: self.manifest.settings.purge_interval,
                    until_end,
                    shared: Arc::clone(shared),
                    failures: FailureLog::default(),
                };
                let thread =
                    std::thread::Builder::new().name(format!("worker-{number}")).stack_size(WORKER_STACK_BYTES);
                // Without one of them its tasks would lie idle: the others end too.
                thread.spawn(move || worker.run()).inspect_err(|_| shared.failed.store(true, Ordering::SeqCst))
            })
            .collect();
        crate::killpoint::pass("workers-started");
        let mut result = Ok(());
        for thread in threads {
            let ended = match thread.map(std::thread::JoinHandle::join) {
                Ok(Ok(ended)) => ended.map_err(stopped),
                Ok(Err(_)) => Err(RunError::Stopped("a worker panicked".into())),
                Err(error) => Err(RunError::Stopped(error.to_string())),
            };
            result = result.and(ended);
        }
        result
    }

    /// Topics between subtopologies: only this app reads them.
    fn repartitions(&self) -> BTreeSet<Topic> {
        let parts = self.blueprint.plan.subtopologies.iter();
        parts.flat_map(|part| &part.repartitions).map(|spec| spec.topic.clone()).collect()
    }

    /// Where a partition is read on.
    fn position(&self, partition: &TopicPartition, log: &mut dyn Transport) -> Result<Offset, RunError> {
        let (start, end) = log.bounds(partition)?;
        let committed = log.committed(&self.manifest.app, partition)?;
        if let Some(position) = committed.filter(|position| *position <= end) {
            return Ok(position);
        }
        if let Some(committed) = committed {
            tracing::warn!(%partition, %committed, %end, "the topic is shorter than what was read of it; was it made anew?");
        }
        let reset = self.manifest.settings.auto_offset_reset;
        match reset {
            OffsetReset::Latest if !self.repartitions().contains(&partition.topic) => {
                // Kept, so that a restart before the first record does not begin later still.
                let offsets = vec![(partition.clone(), end)];
                log.commit(&self.manifest.app, &Transaction { offsets, ..Transaction::default() })?;
                Ok(end)
            }
            OffsetReset::None if !self.repartitions().contains(&partition.topic) => {
                Err(RunError::NoOffset { partition: partition.clone() })
            }
            _ => Ok(start),
        }
    }

    fn assemble(&self, id: TaskId, db: &Db, log: &mut dyn Transport) -> Result<Assembly, RunError> {
        let app = self.manifest.app.as_str();
        let stores = self.blueprint.plan.subtopologies.get(id.subtopology).map_or(&[][..], |part| &part.stores);
        let stores = stores.iter().map(|store| KeyValueStore::open(db, app, &store.name, id.partition.get()));
        let stores = stores.collect::<Result<Vec<_>, _>>()?;
        let mut inputs = Vec::new();
        for source in self.blueprint.sources(id.subtopology) {
            let partition = TopicPartition::new(source.topic, id.partition);
            let position = self.position(&partition, log)?;
            inputs.push(Input::new(partition, source.step, source.payload, position));
        }
        Ok(Assembly { stores, inputs, turn_rows_max: crate::killpoint::turn_rows().unwrap_or(TURN_ROWS_MAX) })
    }
}

/// Opens a data directory and its log.
///
/// # Errors
/// See [`RunError`].
pub fn open(directory: &Path, sync: bool) -> Result<(Db, EmbeddedLog), RunError> {
    let db = access::take(directory)?;
    let log = EmbeddedLog::open(db.clone(), sync)?;
    Ok((db, log))
}

/// What admits plugins: it compiles in a process of its own and keeps what was compiled in the user's cache.
pub fn admission() -> Plugins {
    Plugins::new(Compiler::default(), default_cache_directory().as_deref())
}
