//! The composition root: everything is built and joined here. The only room that knows all others.

mod access;
mod agreement;
mod app_reset;
mod carrier;
mod error;
mod host;
mod layouts;
mod left_over;
mod local_state;
mod maker;
mod numbered;
mod outline;
mod plugins;
mod reset;
mod stuck;
mod topics;
mod upkeep;
mod watch;

pub use access::Access;
pub use app_reset::{AppParts, AppReset, ResetTo};
pub use error::RunError;
pub use host::{Host, open};
pub use reset::Reset;

use crate::plugin::port::Plugin;
use crate::plugin::{Compiler, Plugins, check_params, default_cache_directory};
use crate::record::{Partition, Topic};
use crate::task::{Blueprint, TaskId};
use crate::topology::{Manifest, Problem, Topology, check_calls, nearest, plan, render};
use crate::transport::kafka::Kafka;
use crate::transport::{TopicSpec, Transport, TransportError};
use crate::worker::{FailureLog, Shared, State, Worker};
use agreement::Agreement;
use maker::{Claims, Maker};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use upkeep::Upkeep;
use watch::Watch;

/// Stack of a worker's thread, bytes: the guest's megabyte and room for the host around it.
const WORKER_STACK_BYTES: usize = 8 << 20;

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
        self.check_carrier(host)?;
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
            let near = nearest(store, names);
            let help = if near.is_empty() { format!("the app has {has}") } else { near };
            return Err(RunError::Manifest(format!("error[MS-C002]: there is no store {store:?}\n  = help: {help}\n")));
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
        // All of it before the first thread begins: none is left alone where another's fails.
        let equipment = host.equip(self, workers, &ids)?;
        let (mut threads, (at_work, ended)) = (Vec::new(), std::sync::mpsc::channel());
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
            let at_work = at_work.clone();
            let started = thread.spawn(move || {
                let _at_work: Sender<Infallible> = at_work;
                worker.run()
            });
            threads.push(started.inspect_err(|_| shared.failed.store(true, Ordering::SeqCst)));
        }
        crate::killpoint::pass("workers-started");
        drop(at_work);
        stuck::await_workers(&ended, host.cluster_of().map(Kafka::poll_interval), shared)?;
        let mut result = Ok(());
        for thread in threads {
            let ended = match thread.map(std::thread::JoinHandle::join) {
                Ok(Ok(ended)) => ended.map_err(RunError::from),
                Ok(Err(_)) => Err(RunError::Stopped("a worker panicked".into())),
                Err(error) => Err(RunError::Stopped(error.to_string())),
            };
            result = result.and(ended);
        }
        // What became of a topic is why a worker failed.
        watch.map_or(Ok(()), |watch| watch.found()).and(result)
    }

    /// Tells the group, where there is one, what is run here.
    fn announce(&self, host: &Host) -> Result<Option<Arc<Mutex<Agreement>>>, RunError> {
        let Some(mut agreement) = Agreement::of(self, host)? else { return Ok(None) };
        agreement.announce()?;
        Ok(Some(Arc::new(Mutex::new(agreement))))
    }

    /// The tasks, in the order of their numbers.
    fn task_ids(&self, log: &mut dyn Transport) -> Result<Arc<[TaskId]>, RunError> {
        let parts = 0..self.blueprint.plan.subtopologies.len();
        let widths = parts.map(|part| Ok(self.width(part, log)?.unwrap_or(0))).collect::<Result<Vec<_>, RunError>>()?;
        Ok(numbered(&widths).into())
    }

    /// Topics between subtopologies: only this app reads them.
    fn repartitions(&self) -> BTreeSet<Topic> {
        let parts = self.blueprint.plan.subtopologies.iter();
        parts.flat_map(|part| &part.repartitions).map(|spec| spec.topic.clone()).collect()
    }
}

/// The tasks of subtopologies of these widths, in the order of their numbers: partition by partition, the subtopologies to
/// and fro. Whoever gets a stretch of them, or every second one, gets as many of each subtopology, and so its part of the
/// work and of the stores; groups and workers share them so.
fn numbered(widths: &[i32]) -> Vec<TaskId> {
    let of = |partition: i32| {
        let mut parts: Vec<usize> = (0..widths.len()).collect();
        if partition % 2 == 1 {
            parts.reverse();
        }
        let has = move |part: &usize| widths.get(*part).is_some_and(|width| partition < *width);
        parts
            .into_iter()
            .filter(has)
            .map(move |subtopology| TaskId { subtopology, partition: Partition::new(partition) })
    };
    (0..widths.iter().copied().max().unwrap_or(0)).flat_map(of).collect()
}

/// What admits plugins: it compiles in a process of its own and keeps what was compiled in the user's cache.
pub fn admission() -> Plugins {
    Plugins::new(Compiler::default(), default_cache_directory().as_deref())
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn half_of_the_tasks_are_half_of_each_subtopology() {
        let tasks = numbered(&[4, 4]);
        let names: Vec<String> = tasks.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["0_0", "1_0", "1_1", "0_1", "0_2", "1_2", "1_3", "0_3"]);
        let of_the_first = |tasks: &mut dyn Iterator<Item = usize>| tasks.filter(|part| *part == 0).count();
        let part = |place: usize| tasks[place].subtopology;
        assert_eq!(of_the_first(&mut (0..4).map(part)), 2);
        assert_eq!(of_the_first(&mut (4..8).map(part)), 2);
        assert_eq!(of_the_first(&mut (0..8).step_by(2).map(part)), 2);
        assert_eq!(of_the_first(&mut (1..8).step_by(2).map(part)), 2);
    }

    #[test]
    fn every_task_has_a_number() {
        let names: Vec<String> = numbered(&[1, 3, 0]).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["0_0", "1_0", "1_1", "1_2"]);
        assert!(numbered(&[]).is_empty());
    }
}
