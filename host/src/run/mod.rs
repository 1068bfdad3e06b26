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
mod tasks;
mod topics;
mod upkeep;
mod watch;
mod work;

pub use access::Access;
pub use app_reset::{AppParts, AppReset, ResetTo};
pub use carrier::holds_embedded_state;
pub use error::RunError;
pub use host::{Host, open};
pub use reset::Reset;

use crate::plugin::port::Plugin;
use crate::plugin::{Compiler, Plugins, check_params, default_cache_directory};
use crate::task::Blueprint;
use crate::topology::{Manifest, Problem, Topology, check_calls, nearest, plan, render};
use crate::transport::{TopicSpec, Transport, TransportError};
use crate::worker::Shared;
use agreement::Agreement;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

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
}

/// What admits plugins: it compiles in a process of its own and keeps what was compiled in the user's cache.
pub fn admission() -> Plugins {
    Plugins::new(Compiler::default(), default_cache_directory().as_deref())
}
