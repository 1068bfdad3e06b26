//! The host as a child process.

use crate::round::Place;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

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

/// The arguments of `millstream` after the data directory.
pub(crate) fn start(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.arg("--data-dir").arg(place.data()).args(arguments).current_dir(&place.directory);
    command.env("RUST_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.envs(environment.iter().copied()).spawn().expect("the host can be started")
}

/// Waits for the child's end.
pub(crate) fn end(mut child: Child) -> Ended {
    let mut said = String::new();
    child.stderr.take().expect("it is a pipe").read_to_string(&mut said).expect("it is text");
    let status = child.wait().expect("a child can be waited for");
    match (status.signal(), status.code()) {
        (Some(9), _) => Ended::Killed,
        (_, Some(0)) => Ended::Done,
        _ => Ended::Otherwise(format!("{status}: {said}")),
    }
}
