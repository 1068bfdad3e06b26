//! A Kafka of the test's own: one node or three, on ports of 127.0.0.1 that are free, in a directory that goes with it.
//!
//! An attendant (`tests/kafka/start --attend`) holds the nodes. It reads a pipe whose other end this process has: when
//! the test is over, panics or is killed, the pipe ends, and the attendant kills the nodes and deletes the directory. If
//! the attendant itself is killed, the kernel kills the nodes.

use crate::await_that;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Ports that brokers get: below those that the system hands out to connections.
const PORTS: std::ops::Range<u16> = 21_000..22_000;
/// Ports that one broker may use: a client port and a controller port for each of three nodes. What a single node does
/// not need of them is for listeners of a test's own.
const PORTS_EACH: u16 = 6;

/// What a controller says when it takes a node for dead.
const FENCED: &str = "because its session has timed out";

/// A Kafka cluster that runs.
pub(crate) struct Broker {
    attendant: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
    port: u16,
    nodes: u16,
    /// Locked as long as the ports are used.
    _ports: File,
}

impl Broker {
    /// Starts one node or three, with lines of `server.properties` beside the usual ones, and waits until they answer.
    pub(crate) fn start(nodes: u16, settings: &[&str]) -> Self {
        Self::start_on(nodes, |_, _| {
            settings.iter().flat_map(|line| ["--set".to_owned(), (*line).to_owned()]).collect()
        })
    }

    /// Starts one node beside a controller that stays when it is killed, and takes a node for dead after `session`.
    pub(crate) fn beside_controller(session: Duration) -> Self {
        let session = format!("broker.session.timeout.ms={}", session.as_millis());
        Self::start_on(1, |_, _| vec!["--isolated".into(), "--set".into(), session])
    }

    /// Starts one node or three with further arguments of the script, which may depend on the first port and on what was
    /// put into the directory.
    pub(crate) fn start_on(nodes: u16, arguments: impl FnOnce(u16, &Path) -> Vec<String>) -> Self {
        let (port, ports) = free_ports();
        let directory = tempfile::Builder::new().prefix("millstream-kafka-").tempdir().expect("a directory").keep();
        let mut command = Command::new(scripts().join("start"));
        command
            .args(["--attend", "--nodes", &nodes.to_string(), "--port", &port.to_string(), "--data"])
            .arg(&directory);
        command.args(arguments(port, &directory));
        // A group of its own: an interrupt from the terminal ends the test, and with it the pipe.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut attendant = command.spawn().expect("the attendant starts");
        let orders = attendant.stdin.take();
        let answers = BufReader::new(attendant.stdout.take().expect("it is piped"));
        let mut broker = Self { attendant, orders, answers, directory, port, nodes, _ports: ports };
        broker.await_answer("bootstrap=");
        broker
    }

    /// One node for all tests of this process that leave it as it is.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1, &[]))
    }

    /// Its addresses, as `bootstrap.servers` takes them.
    pub(crate) fn bootstrap(&self) -> String {
        (0..self.nodes).map(|node| format!("127.0.0.1:{}", self.port + node)).collect::<Vec<_>>().join(",")
    }

    /// A port of its own that no node needs, on a single one: 0 to 3.
    pub(crate) fn spare_port(port: u16, number: u16) -> u16 {
        port + 2 + number
    }

    /// The first port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills a node (1 is the first) and waits until it is gone.
    pub(crate) fn kill(&mut self, node: u16) {
        let process = self.process(node).expect("the node runs");
        kill_process(process, Signal::KILL).expect("a node can be killed");
        await_that("a killed node ends", || self.process(node).is_none());
    }

    /// Kills the node beside a controller and waits until that has taken it for dead. One that comes back before, or that is
    /// its own controller, believes itself the leader of partitions and then hears that nobody is: ends of transactions that
    /// fall between, it gives up, whoever their client is (docs/reliability.md).
    pub(crate) fn kill_until_fenced(&mut self) {
        let before = self.logged(FENCED).len();
        self.kill(1);
        await_that("the controller takes the node for dead", || self.logged(FENCED).len() > before);
    }

    /// Stops a node as if its machine had stopped: its connections stay and nothing answers.
    pub(crate) fn pause(&mut self, node: u16) {
        kill_process(self.process(node).expect("the node runs"), Signal::STOP).expect("a node can be paused");
    }

    /// Lets a paused node go on.
    pub(crate) fn resume(&mut self, node: u16) {
        kill_process(self.process(node).expect("the node runs"), Signal::CONT).expect("a node can go on");
    }

    /// Starts a node that was killed again, with what it had on its disk, and waits until it answers.
    pub(crate) fn restart(&mut self, node: u16) {
        assert!(self.process(node).is_none(), "node {node} runs");
        writeln!(self.orders.as_mut().expect("the pipe is open"), "start {node}").expect("the attendant reads");
        self.await_answer(&format!("started {node}"));
    }

    /// Its directory; it is deleted with the broker.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What its nodes logged, lines that hold this.
    pub(crate) fn logged(&self, what: &str) -> Vec<String> {
        // One more may be a controller.
        let files =
            (1..=self.nodes + 1).flat_map(|node| ["before.log", "out.log"].map(|name| self.files(node).join(name)));
        let texts: Vec<String> = files.filter_map(|file| std::fs::read_to_string(file).ok()).collect();
        texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// The process of a node, if it runs and is no other that got its number.
    pub(crate) fn process(&self, node: u16) -> Option<Pid> {
        let number = std::fs::read_to_string(self.files(node).join("pid")).ok()?;
        let process = number.trim().parse().ok().and_then(Pid::from_raw)?;
        let command = std::fs::read(format!("/proc/{}/cmdline", process.as_raw_nonzero())).ok()?;
        let settings = self.files(node).join("server.properties");
        command.ends_with(format!("{}\0", settings.display()).as_bytes()).then_some(process)
    }

    fn files(&self, node: u16) -> PathBuf {
        self.directory.join(format!("n{node}"))
    }

    fn await_answer(&mut self, wanted: &str) {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the attendant answers");
        if !answer.starts_with(wanted) {
            let mut why = String::new();
            drop(self.orders.take());
            let _ = self.attendant.stderr.take().expect("it is piped").read_to_string(&mut why);
            panic!("the broker did not start: {answer}{why}");
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.attendant.wait();
        // The attendant deletes what it made; it may have ended before it made anything.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Where the scripts lie.
pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kafka")
}

/// Ports that nobody uses and no other test of this user is about to: a lock holds them between the choice and the start.
fn free_ports() -> (u16, File) {
    let home = std::env::var("HOME").unwrap_or_default();
    let cache = std::env::var("KAFKA_CACHE").unwrap_or_else(|_| format!("{home}/.cache/millstream"));
    let locks = PathBuf::from(cache).join("ports");
    std::fs::create_dir_all(&locks).expect("the cache can be written");
    for port in PORTS.step_by(usize::from(PORTS_EACH)) {
        let lock = File::create(locks.join(port.to_string())).expect("the cache can be written");
        let free = || (port..port + PORTS_EACH).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if lock.try_lock().is_ok() && free() {
            return (port, lock);
        }
    }
    panic!("there are no free ports in {PORTS:?}");
}
