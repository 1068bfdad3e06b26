//! The frame-aware proxy (`tests/verifier/proxy.py`) as a child: it ends with this process, whose pipe it reads.

use crate::broker::Broker;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A program of `tests/verifier`.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifier").join(name));
    command
}

/// A proxy that runs.
pub(crate) struct Proxy {
    child: Child,
    orders: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    bootstrap: String,
    /// What it told and nobody waited for.
    passed: Vec<Value>,
}

impl Proxy {
    /// Starts one before all nodes of a broker.
    pub(crate) fn before(broker: &Broker) -> Self {
        let mut command = program("proxy.py");
        command.arg(broker.bootstrap()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python3 is there; run make setup");
        let orders = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut proxy = Self { child, orders, lines, bootstrap: String::new(), passed: Vec::new() };
        let told = proxy.told("listening");
        proxy.bootstrap = told["bootstrap"].as_str().expect("addresses").to_owned();
        proxy
    }

    /// Where clients reach the brokers through it.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Gives a command and returns its answer.
    pub(crate) fn order(&mut self, command: &str) -> Value {
        writeln!(self.orders.as_mut().expect("the pipe is open"), "{command}").expect("the proxy reads");
        self.told("done")
    }

    /// The next line about an event; those before it are put aside.
    pub(crate) fn told(&mut self, event: &str) -> Value {
        loop {
            let mut line = String::new();
            self.lines.read_line(&mut line).expect("text");
            assert!(!line.is_empty(), "the proxy ended before it told of {event:?}");
            let told: Value = serde_json::from_str(&line).expect("JSON");
            assert_ne!(told["event"], "refused", "{told}");
            if told["event"] == event {
                return told;
            }
            self.passed.push(told);
        }
    }

    /// What was put aside about an event.
    pub(crate) fn passed(&self, event: &str) -> Vec<&Value> {
        self.passed.iter().filter(|told| told["event"] == event).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}
