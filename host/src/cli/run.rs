//! `run`.

use super::cluster::Cluster;
use super::feed::{Shape, Source, feed};
use super::out::Error;
use super::{Manifest, progress};
use crate::record::Topic;
use crate::run::{App, Host, RunError};
use crate::task::Topics;
use crate::transport::{TopicSpec, Transport, TransportError};
use crate::worker::Shared;
use clap::Args;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// Run the app of a manifest, on the embedded log or a Kafka cluster.
///
/// On a terminal a line shows how far it is, once a second. Ctrl-C (or SIGTERM) ends after a last commit, with exit
/// code 0; once more ends at once, with exit code 130. Nothing is lost or doubled either way.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0    ended: by --until-end, or by one Ctrl-C or SIGTERM after a last commit
  1    processing stopped: a node with on-error = \"stop\" failed on a record, a plugin, file or disk failed
  2    the command line or the manifest is wrong
  130  interrupted twice; the last commit holds, and a restart goes on from there

Examples:
  millstream run                                             until Ctrl-C
  millstream run --input lines=input.txt --until-end         over a file; said again, over the file twice
  millstream run --until-end                                 over what is in the topics and not processed yet
  tail -F app.log | millstream run --input lines=-           over what comes, line by line
  millstream run --input orders=orders.txt -K ':'            lines of the form key:value
  millstream run --kafka localhost:9092                      on a Kafka cluster; once more elsewhere to share its tasks
  millstream run --config host.toml                          with TLS, passwords, standby copies")]
pub(super) struct Run {
    #[command(flatten)]
    manifest: Manifest,
    /// Lines to append to a source's topic while it runs: NODE=FILE, or NODE=- for the standard input; may be said
    /// several times. Every run appends the whole file anew, also after a crash; what is in the topic already needs no
    /// --input.
    #[arg(long, value_name = "NODE=FILE")]
    input: Vec<String>,
    /// What stands between key and value in lines of --input; \t, \n, \xNN as in formats.
    #[arg(short = 'K', long, value_name = "DELIMITER", requires = "input", value_parser = super::topic::format::delimiter)]
    input_key_delimiter: Option<Bytes>,
    /// Stop when all input is at its end, processed and committed, instead of going on until Ctrl-C.
    #[arg(long)]
    until_end: bool,
    #[command(flatten)]
    cluster: Cluster,
    /// Threads that process.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
}

/// Bytes of an argument: a name of its own, because clap takes a vector for a repeated argument.
type Bytes = Vec<u8>;

/// Why an input could not be read to its end; the first counts.
type Failed = Arc<Mutex<Option<Error>>>;

impl Run {
    pub(super) fn run(self, data: &Path, quiet: bool) -> Result<(), Error> {
        let app = self.manifest.load()?;
        let inputs = self.inputs(&app)?;
        let host = self.cluster.host(&app, data)?;
        app.begin(&host)?;
        let workers = usize::from(self.workers);
        let shared = Shared::new(workers);
        stop_on_signals(&shared)?;
        let failed = self.feed(inputs, &host, &shared)?;
        self.say_how(&app, data, &host);
        let mut progress_log = host.log();
        let result = std::thread::scope(|scope| {
            let (ended, until) = std::sync::mpsc::channel::<()>();
            if !quiet && progress::wanted() {
                let (app, shared) = (&app, &shared);
                scope.spawn(move || progress::report(app, progress_log.as_mut(), shared, &until));
            }
            let result = app.work(&host, workers, self.until_end, &shared);
            drop(ended);
            result
        });
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        // What was processed and not committed counts for nothing: after a failure the error alone is true.
        if result.is_ok() {
            tracing::info!(
                records = count(&shared.records),
                dropped = count(&shared.dropped),
                dead_letters = count(&shared.dead_letters),
                commits = shared.commits.count(),
                commit_p50_ms = shared.commits.percentile_ms(50),
                commit_p99_ms = shared.commits.percentile_ms(99),
                "stopped"
            );
        }
        let input = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        input.map_or(Ok(()), Err).and(result.map_err(Error::Run))
    }

    /// Says what is run, where and how: a terminal where nothing arrives yet would stay empty.
    fn say_how(&self, app: &App, data: &Path, host: &Host) {
        let plan = &app.blueprint.plan;
        let internal: Vec<_> = plan.subtopologies.iter().flat_map(|part| &part.repartitions).collect();
        let sources = (0..plan.subtopologies.len()).flat_map(|subtopology| app.blueprint.sources(subtopology));
        let topics: BTreeSet<Topic> = sources
            .map(|source| source.topic)
            .filter(|topic| internal.iter().all(|spec| spec.topic != *topic))
            .collect();
        let topics: Vec<&str> = topics.iter().map(Topic::as_str).collect();
        tracing::info!(
            app = app.manifest.app,
            on = host.carried_by(),
            data = %data.display(),
            topics = topics.join(", "),
            workers = self.workers,
            guarantee = app.manifest.settings.guarantee(),
            "running; Ctrl-C ends after a last commit"
        );
    }

    /// The inputs, open, each with the topic that it goes to.
    fn inputs(&self, app: &App) -> Result<Vec<(Topic, Source)>, Error> {
        let open = |input: &String| {
            let (node, file) = input.split_once('=').ok_or_else(|| {
                Error::usage(
                    "MS-C001",
                    format!("--input {input:?} names no file"),
                    "write NODE=FILE, or NODE=- for the standard input",
                )
            })?;
            Ok((source(app, node)?, Source::open(file)?))
        };
        self.input.iter().map(open).collect()
    }

    /// Begins to feed the inputs, each on a thread of its own: one that waits for somebody must not hold up the end.
    fn feed(&self, inputs: Vec<(Topic, Source)>, host: &Host, shared: &Arc<Shared>) -> Result<Failed, Error> {
        let failed = Failed::default();
        for (topic, _) in inputs.iter().filter(|(_, source)| source.is_file()) {
            warn_of_records(topic, host.log().as_mut())?;
        }
        shared.feeding.store(inputs.len(), Ordering::SeqCst);
        for (topic, source) in inputs {
            let mut log = host.log();
            let partitions = log.partitions(&topic)?;
            let shape = Shape { delimiter: self.input_key_delimiter.clone(), ..Shape::default() };
            let (shared, failed) = (Arc::clone(shared), Arc::clone(&failed));
            std::thread::spawn(move || {
                if let Err(error) = feed(log.as_mut(), &topic, partitions, source, &shape) {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                    shared.stop.store(true, Ordering::SeqCst);
                }
                shared.feeding.fetch_sub(1, Ordering::SeqCst);
            });
        }
        Ok(failed)
    }
}

/// Says if a topic holds records before a file is appended to it: they may well be the same ones.
fn warn_of_records(topic: &Topic, log: &mut dyn Transport) -> Result<(), TransportError> {
    let mut records = 0;
    for partition in log.topic(topic)?.iter().flat_map(TopicSpec::all_partitions) {
        let (start, end) = log.bounds(&partition)?;
        records += end.get() - start.get();
    }
    if records > 0 {
        tracing::warn!(%topic, records, "the topic holds records already, and --input appends its whole file to them");
    }
    Ok(())
}

/// The topic that a source node reads.
fn source(app: &App, node: &str) -> Result<Topic, Error> {
    let text = |spec: &crate::topology::NodeSpec, field| {
        spec.fields.get(field).and_then(|(value, _)| value.as_str().map(String::from))
    };
    let reads = |spec: &&crate::topology::NodeSpec| matches!(text(spec, "op").as_deref(), Some("stream" | "table"));
    let sources: Vec<_> = app.manifest.nodes.iter().filter(reads).collect();
    let found = sources.iter().find(|spec| spec.name == node).and_then(|spec| text(spec, "topic"));
    found.map(|topic| Topic::new(&topic)).ok_or_else(|| {
        let names: Vec<String> = sources.iter().map(|spec| spec.name.clone()).collect();
        Error::usage("MS-C001", format!("{node:?} is no stream or table of the manifest"), super::nearest(node, &names))
    })
}

/// The first SIGINT or SIGTERM ends after a commit, the second at once.
fn stop_on_signals(shared: &Arc<Shared>) -> Result<(), RunError> {
    let signals = [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM];
    let signals = signal_hook::iterator::Signals::new(signals);
    let mut signals = signals.map_err(|error| RunError::Stopped(format!("signals cannot be caught: {error}")))?;
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if shared.stop.swap(true, Ordering::SeqCst) {
                progress::clear();
                std::process::exit(130);
            }
            tracing::info!("stopping after a last commit; once more to stop at once");
        }
    });
    Ok(())
}
