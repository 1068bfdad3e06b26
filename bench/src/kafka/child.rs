//! A contender's process and what it took.

use crate::Failure;
use crate::clock::Span;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// After this a run is killed and void.
pub(super) const LIMIT: Duration = Duration::from_secs(600);

/// A process that ran to its end.
pub(super) struct Ran {
    /// What it took.
    pub(super) span: Span,
    /// Its standard output.
    pub(super) printed: String,
    /// Its standard error.
    pub(super) logged: String,
}

/// Runs a command to its end: CPU time of it and its children (as the kernel counts it, from the start of the process to
/// its end), time that passed, and what it printed and logged.
///
/// # Errors
/// If it fails, or takes too long.
pub(super) fn run(command: &Command) -> Result<Ran, Failure> {
    let mut limited = Command::new("timeout");
    limited.args(["--kill-after=5", &LIMIT.as_secs().to_string()]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    let (before, begin) = (children()?, Instant::now());
    let output = limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output()?;
    let wall = begin.elapsed().as_secs_f64();
    let cpu = children()? - before;
    let logged = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        eprintln!("{logged}");
        return Err(format!("{:?} ended with {}", command.get_program(), output.status).into());
    }
    Ok(Ran { span: Span { cpu, wall }, printed: String::from_utf8(output.stdout)?, logged })
}

/// CPU seconds of all children that have ended.
fn children() -> Result<f64, Failure> {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    #[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit")]
    let seconds = (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6;
    Ok(seconds)
}
