//! The verifier: a program of its own, in another language.

use crate::round::Place;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where it lies.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifier").join(name)
}

fn python(name: &str) -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").arg(script(name));
    command
}

/// Writes the input of a round.
pub(crate) fn write_tape(place: &Place, seed: u64) {
    let status = python("tape.py").arg(seed.to_string()).arg(place.tape()).status();
    assert!(status.expect("python3 is there; run make setup").success(), "the tape is written");
}

/// Begins to compare an export with the model; see [`verdict`].
pub(crate) fn begin(place: &Place, export: &Path, finished: bool, minimum: u32) -> Child {
    let mut command = python("verify.py");
    command.arg(export).arg(place.tape()).args(["--minimum", &minimum.to_string()]);
    if finished {
        command.arg("--finished");
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("python3 is there; run make setup")
}

/// What it found.
pub(crate) struct Verdict {
    pub(crate) compared: u64,
    /// The check that failed, and what it saw.
    pub(crate) failures: Vec<(String, String)>,
}

/// Waits for its end. One that breaks down is a failure of the check `verifier`.
pub(crate) fn verdict(child: Child) -> Verdict {
    let output = child.wait_with_output().expect("the verifier ends");
    let text = String::from_utf8_lossy(&output.stdout);
    let failed = text.lines().filter_map(|line| line.strip_prefix("FAILED ")?.split_once(": "));
    let mut failures: Vec<_> = failed.map(|(check, what)| (check.to_owned(), what.to_owned())).collect();
    let last = text.lines().last().and_then(|line| line.strip_prefix("compared ")?.split(',').next()?.parse().ok());
    if last.is_none() || output.status.success() != failures.is_empty() {
        failures.push(("verifier".into(), format!("{text}{}", String::from_utf8_lossy(&output.stderr))));
    }
    Verdict { compared: last.unwrap_or(0), failures }
}
