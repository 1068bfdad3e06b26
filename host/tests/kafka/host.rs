//! The host as a child process, as its users start it.

use crate::await_some;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A host that runs. It is killed with its test.
pub(crate) struct Host {
    child: Child,
    log: PathBuf,
}

/// How a host ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; none if it was killed.
    pub(crate) code: Option<i32>,
    /// What it logged, a line of JSON each.
    pub(crate) log: String,
}

impl Host {
    /// Runs the app whose manifest lies in a directory; data and log lie there too.
    pub(crate) fn run(at: &Path, bootstrap: &str, arguments: &[&str]) -> Self {
        Self::run_in(at, bootstrap, arguments, &[])
    }

    /// The same, in an environment that says more.
    pub(crate) fn run_in(at: &Path, bootstrap: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = at.join("host.log");
        // The kernel kills it when the test is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_millstream"), "run", "--kafka", bootstrap]);
        command.args(arguments).current_dir(at).stdin(Stdio::null()).stdout(Stdio::null());
        for name in ["RUST_LOG", "MILLSTREAM_DATA_DIR", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("MILLSTREAM_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins"));
        command.envs(environment.iter().copied());
        command.stderr(File::create(&log).expect("a log can be made"));
        Self { child: command.spawn().expect("the host starts"), log }
    }

    /// Runs it to the end of its input.
    pub(crate) fn until_end(at: &Path, bootstrap: &str) -> Ended {
        Self::run(at, bootstrap, &["--until-end"]).end()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        let status = self.child.try_wait().expect("a child can be asked")?;
        Some(self.how(status))
    }

    /// Waits until it ends.
    pub(crate) fn end(mut self) -> Ended {
        await_some("the host ends", || self.ended())
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }

    /// What it logged until now.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log can be read")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a child gets a signal");
    }

    fn how(&self, status: ExitStatus) -> Ended {
        Ended { code: status.code(), log: self.log() }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the host logged:\n{}", self.log());
        }
    }
}

impl Ended {
    /// It failed, and said all of this.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.log);
        for word in words {
            assert!(self.log.contains(word), "it does not say {word:?} but {}", self.log);
        }
    }

    /// A number of the line that says what was done.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        let mut lines = self.log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let last = lines.rfind(|line| line["fields"]["message"] == "stopped")?;
        last["fields"][name].as_u64()
    }
}
