//! Where a round takes place: a data directory, an app with topics of its own on a shared broker, the host as a child.

use super::export;
use crate::LOOK_EVERY;
use crate::guests;
use crate::proxy::program;
use millstream::store::{Db, Family, KeyValueStore, Settings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a run may take. Far more than any does: one that takes longer hangs.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Stores of the app, each with a changelog, and their partitions.
pub(crate) const STORES: [&str; 6] = ["stories", "runs", "counts", "totals", "profiles", "cities"];
const PARTITIONS: i32 = 4;
/// Threads of a process, if nothing else is said; each is a member of the group.
pub(crate) const WORKERS: u64 = 2;

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Exit code 0.
    Done,
    /// SIGKILL.
    Killed,
    /// Anything else, with what it said.
    Otherwise(String),
}

pub(crate) struct Place {
    directory: tempfile::TempDir,
    bootstrap: String,
    /// Where the host reaches the cluster: there, or behind a proxy.
    pub(crate) through: String,
    /// Threads of a process.
    pub(crate) workers: u64,
    /// Lines of the host's configuration, of librdkafka's properties.
    pub(crate) properties: &'static str,
    /// The app's name; its other topics begin with it and a full stop.
    pub(crate) app: String,
}

/// What an app has left to do.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    /// Records of the topics that are read first.
    pub(crate) text: u64,
    /// Records of all topics that it reads.
    pub(crate) all: u64,
    /// Partitions of the tape's topics for which its group has a committed offset.
    pub(crate) places: u64,
    /// Members of its group; none while it forms anew.
    pub(crate) members: Option<u64>,
    /// What nodes do for the app, by what it is.
    nodes: Value,
}

impl Left {
    /// The node that does this for the app.
    pub(crate) fn node(&self, role: &str) -> Option<u16> {
        self.nodes[role].as_u64().and_then(|node| u16::try_from(node).ok())
    }
}

impl Place {
    /// Writes the app, and the input that it will get.
    pub(crate) fn new(bootstrap: &str, app: &str, seed: u64) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let (through, bootstrap, app) = (bootstrap.to_owned(), bootstrap.to_owned(), app.to_owned());
        let place = Self { directory, bootstrap, through, workers: WORKERS, properties: "", app };
        place.script("tape.py", &[&seed.to_string(), &place.path("tape")]);
        std::fs::copy(guests::built("conformance"), place.path("conformance.wasm")).expect("the plugin is copied");
        let manifest = include_str!("../../crash/millstream.toml");
        std::fs::write(place.path("millstream.toml"), named(manifest, &place.app)).expect("the manifest is written");
        place
    }

    /// Has the app begin where its inputs end.
    pub(crate) fn begin_at_the_end(&self) {
        let manifest = std::fs::read_to_string(self.path("millstream.toml")).expect("the manifest is there");
        let manifest = manifest.replace("[guarantee]\n", "[guarantee]\nauto-offset-reset = \"latest\"\n");
        std::fs::write(self.path("millstream.toml"), manifest).expect("the manifest is written");
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn prefix(&self) -> String {
        format!("{}.", self.app)
    }

    /// Runs a script of the verifier to its end and returns what it said.
    fn script(&self, name: &str, arguments: &[&str]) -> String {
        let output = program(name).args(arguments).output().expect("python3 is there; run make setup");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}{why}");
        said
    }

    /// Puts the tape into the app's topics, or one part of so many.
    pub(crate) fn fill(&self, part: usize, of: usize) {
        let (prefix, part) = (self.prefix(), format!("{part}/{of}"));
        self.script("fill.py", &[&self.bootstrap, &self.path("tape"), "--prefix", &prefix, "--part", &part]);
    }

    pub(crate) fn left(&self) -> Left {
        let said = self.script("left.py", &[&self.bootstrap, "--app", &self.app, "--prefix", &self.prefix()]);
        let left: Value = serde_json::from_str(&said).expect("JSON");
        let number = |name: &str| left[name].as_u64().expect("a number");
        Left {
            text: number("text"),
            all: number("all"),
            places: number("places"),
            members: left["members"].as_u64(),
            nodes: left["nodes"].clone(),
        }
    }

    /// Starts the host, to run until the end of the input.
    pub(crate) fn start(&self, environment: &[(&str, &str)]) -> Child {
        self.start_in(0, &["--until-end"], environment)
    }

    /// A configuration by which the dead are noticed soon; most of a campaign is waiting for that.
    fn config(&self) -> String {
        let path = self.path("host.toml");
        let text =
            format!("[transport.kafka]\nsession-timeout = \"1s\"\n[transport.kafka.properties]\n{}", self.properties);
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Starts the host in a data directory of its own.
    pub(crate) fn start_in(&self, data: usize, arguments: &[&str], environment: &[(&str, &str)]) -> Child {
        let said = std::fs::File::create(self.path(&format!("said-{data}"))).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.args(["--data-dir", &self.data(data), "run", "--kafka", &self.through, "--config", &self.config()]);
        command.args(["--workers", &self.workers.to_string()]).args(arguments);
        command.current_dir(self.directory.path()).env("RUST_LOG", "error");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        command.envs(environment.iter().copied()).spawn().expect("the host can be started")
    }

    /// Waits for the child's end.
    pub(crate) fn end(&self, child: Child) -> Ended {
        self.end_in(0, child)
    }

    /// Waits for the end of the one that runs in a data directory of its own.
    pub(crate) fn end_in(&self, data: usize, mut child: Child) -> Ended {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if began.elapsed() > RUN_MAX {
                let _ = child.kill();
                let _ = child.wait();
                return Ended::Otherwise(format!("it did not end within {RUN_MAX:?}: {}", self.said(data)));
            }
            std::thread::sleep(LOOK_EVERY);
        };
        match (status.signal(), status.code()) {
            (Some(9), _) => Ended::Killed,
            (_, Some(0)) => Ended::Done,
            _ => Ended::Otherwise(format!("{status}: {}", self.said(data))),
        }
    }

    pub(crate) fn said(&self, data: usize) -> String {
        std::fs::read_to_string(self.path(&format!("said-{data}"))).unwrap_or_default()
    }

    /// How many workers said that they have got tasks; they do under `RUST_LOG=millstream::worker::membership=info`.
    pub(crate) fn workers_with_tasks(&self, data: usize) -> u64 {
        let said = self.said(data);
        let lines = said.lines().filter(|line| line.contains("got tasks from the group"));
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| line["fields"]["worker"].as_u64()).collect::<BTreeSet<_>>().len() as u64
    }

    /// Whether a child was stopped by a signal.
    pub(crate) fn is_stopped(&self, child: &Child) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Copies a data directory, as who thinks that another process needs one like it.
    pub(crate) fn copy(&self, from: usize, to: usize) {
        let copied = Command::new("cp").args(["-r", &self.data(from), &self.data(to)]).status();
        assert!(copied.expect("there is cp").success(), "the data directory is copied");
    }

    fn data(&self, number: usize) -> String {
        self.path(&format!("data-{number}"))
    }

    /// Takes all rows of all stores away, as if another machine went on with the topics alone. Says how many there were.
    pub(crate) fn lose_state(&self) -> u64 {
        let db = self.open(0);
        let mut rows = 0;
        for (store, partition) in STORES.iter().flat_map(|store| (0..PARTITIONS).map(move |number| (store, number))) {
            let mut store = KeyValueStore::open(&db, &self.app, store, partition).expect("a store");
            rows += store.count().expect("a store can be read");
            store.reset().expect("a store can be cleared");
        }
        rows
    }

    fn open(&self, data: usize) -> Db {
        Db::open(Path::new(&self.data(data)), Settings::default()).expect("the data directory opens after a kill")
    }

    /// Compares the cluster and the data directories with the model.
    pub(crate) fn verify(&self, directories: usize, arguments: &[&str], minimum: u64) -> Verdict {
        let mut command = program("verify_kafka.py");
        command.args([&self.bootstrap, &self.path("tape"), "--app", &self.app, "--prefix", &self.prefix()]);
        command.args(["--minimum", &minimum.to_string()]).args(arguments);
        for data in (0..directories).filter(|data| Path::new(&self.data(*data)).exists()) {
            let dump = self.path(&format!("dump-{data}"));
            let families = [(Family::Meta, "meta"), (Family::KeyValue, "key-value")];
            export::export(&self.open(data), &families, Path::new(&dump));
            command.args(["--store", &dump]);
        }
        let output = command.output().expect("python3 is there; run make setup");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let summary: Option<Value> = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let Some(summary) = summary else {
            let why = String::from_utf8_lossy(&output.stderr);
            return Verdict { compared: 0, failures: vec![("verifier".into(), format!("{text}{why}"))] };
        };
        Verdict::of(&summary)
    }
}

/// Sends a child a signal.
pub(crate) fn signal(host: &Child, signal: Signal) {
    kill_process(Pid::from_child(host), signal).expect("the signal is sent");
}

/// Whether a child has ended.
pub(crate) fn has_ended(host: &mut Child) -> bool {
    !matches!(host.try_wait(), Ok(None))
}

/// What the verifier found.
pub(crate) struct Verdict {
    pub(crate) compared: u64,
    /// The check that failed, and what it saw.
    pub(crate) failures: Vec<(String, String)>,
}

impl Verdict {
    fn of(summary: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut failures: Vec<_> = summary["failures"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|failure| (text(&failure["check"]), text(&failure["what"])))
            .collect();
        if summary["verdict"] != "passed" && failures.is_empty() {
            failures.push((text(&summary["verdict"]), summary.to_string()));
        }
        Self { compared: summary["compared"].as_u64().expect("a number"), failures }
    }
}

/// The manifest under another name, with topics of its own.
fn named(manifest: &str, app: &str) -> String {
    let mut table = false;
    let lines = manifest.lines().map(|line| {
        table = if line.starts_with('[') { line == "[topic]" } else { table };
        if line.starts_with("app = ") {
            format!("app = \"{app}\"\n")
        } else if line.starts_with("topic = ") || line.starts_with("dead-letter-topic = ") {
            format!("{}\n", line.replacen("= \"", &format!("= \"{app}."), 1))
        } else if let Some((topic, rest)) = line.split_once(" = ").filter(|_| table) {
            format!("\"{app}.{topic}\" = {rest}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}
