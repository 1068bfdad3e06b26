//! The command line as its users meet it, through the binary: what commands print, and what they say when something is
//! wrong.
#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

mod app;
mod manifest;
mod run;
mod topic;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a command left.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A command in a directory, with nothing of the user's own around it.
fn command(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.current_dir(at).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["RUST_LOG", "MILLSTREAM_DATA_DIR", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.env("MILLSTREAM_CACHE_DIR", at.join("cache"));
    command
}

fn finish(mut command: Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary starts");
    // A command that ends without reading its input closes the pipe, which is no fault.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn ran(at: &Path, arguments: &[&str]) -> Ran {
    finish(command(at, arguments), "")
}

/// What a command prints that must succeed.
#[track_caller]
fn prints(at: &Path, arguments: &[&str]) -> String {
    let Ran { code, out, err } = ran(at, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
    out
}

/// A command must fail with this exit code and say these words.
#[track_caller]
fn fails(at: &Path, arguments: &[&str], exit: i32, words: &[&str]) {
    let Ran { code, out, err } = ran(at, arguments);
    assert_eq!(code, Some(exit), "{arguments:?}: {out}{err}");
    for word in words {
        assert!(err.contains(word), "{arguments:?} do not say {word:?} but {err}");
    }
}

fn write(at: &Path, name: &str, text: &str) {
    std::fs::write(at.join(name), text).expect("a file can be written");
}
