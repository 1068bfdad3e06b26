//! `run`, `check`, `topology`, `state`.

use super::{colours, print};
use crate::record::Topic;
use crate::run::{Access, App, RunError, open};
use crate::topology::{Format, describe};
use crate::worker::Shared;
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Which manifest.
#[derive(Debug, Args)]
pub(super) struct Manifest {
    /// The manifest.
    #[arg(long, short, default_value = "millstream.toml")]
    manifest: PathBuf,
}

impl Manifest {
    fn load(&self) -> Result<App, RunError> {
        App::load(&self.manifest, colours())
    }

    pub(super) fn check(&self) -> Result<(), RunError> {
        let app = self.load()?;
        let plan = &app.blueprint.plan;
        let steps: usize = plan.subtopologies.iter().map(|part| part.steps.len()).sum();
        print(&format!(
            "{} is sound: {} sub-topologies, {steps} steps\n",
            self.manifest.display(),
            plan.subtopologies.len()
        ));
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    manifest: Manifest,
    /// Lines to put into a source before the run: NODE=FILE, or NODE=- for the standard input.
    #[arg(long, value_name = "NODE=FILE")]
    input: Vec<String>,
    /// Stop when all input is processed and committed, instead of going on until Ctrl-C.
    #[arg(long)]
    until_end: bool,
    /// Threads that process.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
}

impl Run {
    pub(super) fn run(self, data: &Path) -> Result<(), RunError> {
        let app = self.manifest.load()?;
        let (db, mut log) = open(data, app.manifest.settings.exactly_once)?;
        app.make_topics(&mut log)?;
        for input in &self.input {
            let (node, file) =
                input.split_once('=').ok_or_else(|| wrong(format!("{input:?} is not of the form NODE=FILE")))?;
            let topic =
                source(&app, node).ok_or_else(|| wrong(format!("{node:?} is no stream or table of the manifest")))?;
            super::topic::produce_lines(&mut log, &topic, file)?;
        }
        let shared = Shared::new(usize::from(self.workers));
        stop_on_signals(&shared)?;
        let result = app.run(&db, &mut log, usize::from(self.workers), self.until_end, &shared);
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        tracing::info!(
            records = count(&shared.records),
            dropped = count(&shared.dropped),
            dead_letters = count(&shared.dead_letters),
            "stopped"
        );
        result
    }
}

fn wrong(what: String) -> RunError {
    RunError::Manifest(format!("error[MS-C001]: {what}\n"))
}

/// The topic that a source node reads.
fn source(app: &App, node: &str) -> Option<Topic> {
    let spec = app.manifest.nodes.iter().find(|spec| spec.name == node)?;
    let reads = matches!(spec.fields.get("op")?.0.as_str()?, "stream" | "table");
    reads.then(|| spec.fields.get("topic")?.0.as_str().map(Topic::new)).flatten()
}

/// The first SIGINT or SIGTERM ends after a commit, the second at once.
fn stop_on_signals(shared: &Arc<Shared>) -> Result<(), RunError> {
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    let mut signals = signal_hook::iterator::Signals::new(signals).map_err(|error| wrong(error.to_string()))?;
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if shared.stop.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
            tracing::info!("stopping after a last commit; once more to stop at once");
        }
    });
    Ok(())
}

#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    manifest: Manifest,
    /// How to show it.
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    format: Shape,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    Text,
    Mermaid,
    Dot,
    Json,
}

impl Show {
    pub(super) fn show(&self) -> Result<(), RunError> {
        let app = self.manifest.load()?;
        let format = match self.format {
            Shape::Text => Format::Text,
            Shape::Mermaid => Format::Mermaid,
            Shape::Dot => Format::Dot,
            Shape::Json => Format::Json,
        };
        print(&describe(&app.blueprint.plan, format));
        Ok(())
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum State {
    /// Print one row of a store.
    Get {
        #[command(flatten)]
        at: Place,
        /// The key.
        key: String,
    },
    /// Print the rows of a store, in byte order of their keys.
    Range {
        #[command(flatten)]
        at: Place,
        /// First key.
        #[arg(default_value = "")]
        from: String,
    },
}

/// Which store.
#[derive(Debug, Args)]
pub(super) struct Place {
    #[command(flatten)]
    manifest: Manifest,
    /// How values are shown: s text, q 64-bit integer.
    #[arg(short = 's', default_value = "s")]
    value: String,
    /// The store.
    store: String,
}

impl State {
    pub(super) fn run(self, data: &Path) -> Result<(), RunError> {
        let (at, from, only) = match self {
            Self::Get { at, key } => (at, key, true),
            Self::Range { at, from } => (at, from, false),
        };
        let app = at.manifest.load()?;
        let mut access = Access::open(data)?;
        // The key right after this one is the one with a zero behind it.
        let to = only.then(|| [from.as_bytes(), &[0]].concat());
        for partition in 0..app.partitions_of(&at.store, access.log()?)? {
            let place = (app.manifest.app.as_str(), at.store.as_str(), partition);
            for (key, timestamp, value) in access.rows(place, from.as_bytes(), to.as_deref(), usize::MAX)? {
                let value = super::topic::field(Some(&value), &at.value);
                print(&format!("{} {value} {timestamp}\n", String::from_utf8_lossy(&key)));
            }
        }
        Ok(())
    }
}
