//! The composition root: everything is built and joined here. The only room that knows all others.

mod access;
mod agreement;
mod app_reset;
mod grown;
mod host;
mod layouts;
mod left_over;
mod maker;
mod numbered;
mod outline;
mod plugins;
mod reset;
mod topics;
mod upkeep;

pub use access::Access;
pub use app_reset::{AppParts, AppReset, ResetTo};
pub use host::{Host, open};
pub use reset::Reset;

use crate::operator::Stop;
use crate::plugin::port::Plugin;
use crate::plugin::{AdmissionError, Compiler, Plugins, check_params, default_cache_directory};
use crate::record::{Partition, Topic, TopicPartition, partitions};
use crate::store::StoreError;
use crate::task::{Blueprint, TaskId};
use crate::topology::{Manifest, Problem, Topology, check_calls, plan, render};
use crate::transport::{TopicSpec, Transport, TransportError};
use crate::worker::{FailureLog, Shared, State, Worker};
use agreement::{Agreement, Asked};
use grown::Watch;
use maker::{Claims, Maker};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
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
        "MS-R010: store {store:?} holds values of {was:?}, which would be misread as {now:?}; go back to what wrote them, name another store, or delete them, in the changelog too, with millstream state reset {store} --yes (on a cluster, with all else that the app made, with millstream reset)"
    )]
    Layout {
        /// The store.
        store: String,
        /// What its values are.
        was: String,
        /// What the app takes them for.
        now: String,
    },
    /// A topic that others are to make is not there.
    #[error(
        "MS-R011: there is no topic {0}; make it, or have the app make it: say [topic] {0} = {{ partitions = 1 }} in the manifest, with as many partitions as it should have"
    )]
    NoTopic(Topic),
    /// An internal topic is kept in a way that loses what the app needs.
    #[error(
        "MS-R012: topic {topic} has cleanup.policy={there}, and the app needs {wanted}; alter it, or take another app name"
    )]
    Cleanup {
        /// The topic.
        topic: Topic,
        /// How it is kept.
        there: &'static str,
        /// How it should be.
        wanted: &'static str,
    },
    /// The group runs another topology.
    #[error(
        "MS-R013: other processes run another topology by the name of app {app}, {member} among them: here {differences}; end them all first (one that was killed counts until its session-timeout), or give this app another name"
    )]
    Topology {
        /// The app.
        app: String,
        /// One of them.
        member: String,
        /// What is otherwise here.
        differences: String,
    },
    /// The topology that ran before left records between its tasks that this one would never read, or misread.
    #[error(
        "MS-R014: topic {topic} holds up to {records} records that were not processed: the topology that ran before took them for {was}, and this one {now}; run the manifest that wrote them with --until-end first, or give them up and begin anew with millstream reset"
    )]
    Between {
        /// The topic.
        topic: Topic,
        /// Offsets that were not processed: so many records at most.
        records: u64,
        /// What they were taken for.
        was: String,
        /// What this topology does with them.
        now: String,
    },
    /// A topic got partitions while the app ran.
    #[error("MS-R015: topic {topic} has {} and had {was} when this run began; {remedy}", partitions(*.now))]
    Grown {
        /// The topic.
        topic: Topic,
        /// Its partitions when the run began.
        was: i32,
        /// Its partitions now.
        now: i32,
        /// What to do.
        remedy: &'static str,
    },
    /// Another form of the app wrote records between its tasks that this one would never read.
    #[error(
        "MS-R030: topic {topic} holds up to {records} records that were not processed, and counts that hand on another way (emit) read {now} instead; run the manifest that wrote them with --until-end first, or give them up by deleting that topic (on the embedded log with millstream topic delete {topic} --yes)"
    )]
    LeftOver {
        /// The topic.
        topic: Topic,
        /// Offsets that were not processed: so many records at most.
        records: u64,
        /// What is read in its place.
        now: Topic,
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
        Stop::Opening(error) => match error.downcast::<RunError>() {
            Ok(error) => *error,
            Err(error) => RunError::Stopped(error.to_string()),
        },
        other => RunError::Stopped(other.to_string()),
    }
}

/// A manifest, and what shows its problems where they stand in it.
fn read(path: &Path, colours: bool) -> Result<(Manifest, impl Fn(Vec<Problem>) -> RunError), RunError> {
    let text = std::fs::read_to_string(path).map_err(|error| RunError::File { path: path.into(), error })?;
    let parsed = Manifest::parse(&text);
    let name = path.display().to_string();
    let refuse = move |problems: Vec<Problem>| RunError::Manifest(render(&problems, &text, &name, colours));
    Ok((parsed.map_err(&refuse)?, refuse))
}

/// A manifest that was checked, and its plugins, admitted.
#[derive(Clone)]
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
        let (manifest, refuse) = read(path, colours)?;
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
        let (manifest, refuse) = read(path, colours)?;
        let topology = Topology::check(&manifest.app, &manifest.plugins, &manifest.nodes, &manifest.settings);
        let plan = Arc::new(plan(&topology.map_err(&refuse)?));
        Ok(Self { manifest, blueprint: Blueprint { plan, plugins: BTreeMap::new() } })
    }

    /// Checks the stores, makes the topics, and notes for each source where it is read from: what is appended from now on
    /// will be processed, even if reading begins at the end. On a cluster each task does so when it begins.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn begin(&self, host: &Host) -> Result<(), RunError> {
        let mut log = host.log();
        Agreement::of(self, host)?.map_or(Ok(()), |mut agreement| agreement.check_start())?;
        self.check_layouts(&host.db, log.as_mut())?;
        self.check_left_over(log.as_mut())?;
        self.make_topics(log.as_mut())?;
        if host.embedded_log().is_none() {
            return Ok(());
        }
        for subtopology in 0..self.blueprint.plan.subtopologies.len() {
            for source in self.blueprint.sources(subtopology) {
                for partition in log.topic(&source.topic)?.iter().flat_map(TopicSpec::all_partitions) {
                    self.position(&partition, None, log.as_mut())?;
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
                lag += self.unprocessed(&source.topic, log)?;
            }
        }
        Ok(lag)
    }

    /// Begins, and works.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn run(&self, host: &Host, workers: usize, until_end: bool, shared: &Arc<Shared>) -> Result<(), RunError> {
        self.begin(host)?;
        self.work(host, workers, until_end, shared)
    }

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
        let (repartitions, claims) = (Arc::new(self.repartitions()), Arc::<Mutex<Claims>>::default());
        let shared_app = Arc::new(self.clone());
        let settings = &self.manifest.settings;
        let equipment = (0..workers).map(|number| host.equip(self, number, workers, ids.len()));
        // All of it before the first thread begins: none is left alone where another's fails.
        let equipment: Vec<_> = equipment.collect::<Result<_, _>>()?;
        let mut threads = Vec::new();
        for (number, (log, coordinator)) in equipment.into_iter().enumerate() {
            let (app, ids, claims) = (Arc::clone(&shared_app), Arc::clone(&ids), Arc::clone(&claims));
            let worker = Worker {
                number,
                app: self.manifest.app.clone(),
                log,
                coordinator,
                maker: Box::new(Maker {
                    app,
                    db: host.db.clone(),
                    ids,
                    worker: number,
                    claims,
                    agreement: agreement.clone(),
                    asked: Asked::default(),
                }),
                commit_interval: settings.commit_interval,
                offset_reset: settings.auto_offset_reset,
                repartitions: Arc::clone(&repartitions),
                purge_interval: settings.purge_interval,
                until_end,
                shared: Arc::clone(shared),
                failures: FailureLog::default(),
                state: State::default(),
            };
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).stack_size(WORKER_STACK_BYTES);
            // Without one of them its tasks would lie idle: the others end too.
            let started = thread.spawn(move || worker.run());
            threads.push(started.inspect_err(|_| shared.failed.store(true, Ordering::SeqCst)));
        }
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
        result.and_then(|()| watch.map_or(Ok(()), |watch| watch.found()))
    }

    /// Tells the group, where there is one, what is run here.
    fn announce(&self, host: &Host) -> Result<Option<Arc<Mutex<Agreement>>>, RunError> {
        let Some(mut agreement) = Agreement::of(self, host)? else { return Ok(None) };
        agreement.announce()?;
        Ok(Some(Arc::new(Mutex::new(agreement))))
    }

    /// The tasks, in the order of their numbers.
    fn task_ids(&self, log: &mut dyn Transport) -> Result<Arc<[TaskId]>, RunError> {
        let mut ids = Vec::new();
        for subtopology in 0..self.blueprint.plan.subtopologies.len() {
            let width = self.width(subtopology, log)?.unwrap_or(0);
            ids.extend((0..width).map(|partition| TaskId { subtopology, partition: Partition::new(partition) }));
        }
        Ok(ids.into())
    }

    /// Topics between subtopologies: only this app reads them.
    fn repartitions(&self) -> BTreeSet<Topic> {
        let parts = self.blueprint.plan.subtopologies.iter();
        parts.flat_map(|part| &part.repartitions).map(|spec| spec.topic.clone()).collect()
    }
}

/// What admits plugins: it compiles in a process of its own and keeps what was compiled in the user's cache.
pub fn admission() -> Plugins {
    Plugins::new(Compiler::default(), default_cache_directory().as_deref())
}
