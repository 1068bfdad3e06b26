//! `build`: from a crate to a component, with cargo and nothing else.

use super::out::{Error, print};
use super::plugin::admitted;
use crate::plugin::componentize;
use crate::run::RunError;
use clap::Args;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The target that plugins are compiled for: no WASI, nothing to deny.
const TARGET: &str = "wasm32-unknown-unknown";

/// Compile the plugin in a directory and wrap it into a component.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs cargo and the Rust target wasm32-unknown-unknown. What Cargo.lock names is taken from where cargo has it; only if
something is missing is the network used.

Example:
  millstream build && millstream plugin inspect my_app.wasm")]
pub(super) struct Build {
    /// Directory of the plugin's Cargo.toml.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Where the component goes; default: NAME.wasm in the plugin's directory.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(&self) -> Result<(), Error> {
        if !self.directory.join("Cargo.toml").is_file() {
            let what = format!("there is no Cargo.toml in {}", self.directory.display());
            return Err(Error::usage("MS-B001", what, "name the plugin's directory, or begin with millstream new"));
        }
        self.check_target()?;
        let artifact = self.compile()?;
        let bytes = std::fs::read(&artifact).map_err(|error| Error::file(&artifact, &error))?;
        let name = artifact.file_name().map_or_else(|| "plugin.wasm".into(), PathBuf::from);
        let here = self.directory == Path::new(".");
        let beside = if here { name } else { self.directory.join(name) };
        let to = self.output.clone().unwrap_or(beside);
        let component = componentize(&bytes)
            .map_err(|refusal| RunError::Plugin { name: artifact.display().to_string(), error: refusal.into() })?;
        replace(&to, &component).map_err(|error| Error::file(&to, &error))?;
        let (plugin, size) = admitted(&to)?;
        let about = plugin.description();
        let operators: Vec<&str> = about.operators.iter().map(|operator| operator.name.as_str()).collect();
        print(&format!("built {}: {} KiB, operators {}\n", to.display(), size.div_ceil(1024), operators.join(", ")));
        Ok(())
    }

    /// A missing target makes cargo speak of a missing `std`: better said before.
    fn check_target(&self) -> Result<(), Error> {
        let asked = self.tool("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
        let asked = asked.map_err(|error| {
            let what = format!("rustc cannot be run: {error}");
            Error::failed("MS-B002", what, "install Rust, from https://rustup.rs")
        })?;
        let directory = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
        if asked.status.success() && directory.is_dir() {
            return Ok(());
        }
        let what = format!("the Rust target {TARGET} is not installed");
        Err(Error::failed("MS-B003", what, format!("rustup target add {TARGET}")))
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    /// Whether all that it needs is there, so that no network is asked.
    fn is_complete(&self) -> bool {
        let mut command = self.tool("cargo");
        command.args(["metadata", "--offline", "--format-version", "1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Compiles. Says which file came of it.
    fn compile(&self) -> Result<PathBuf, Error> {
        let mut command = self.tool("cargo");
        command.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
        let offline = self.is_complete();
        if offline {
            command.arg("--offline");
        }
        let output = command.stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| {
            Error::failed("MS-B002", format!("cargo cannot be run: {error}"), "install Rust, from https://rustup.rs")
        })?;
        if !output.status.success() {
            let remedy = if offline {
                "mend what cargo says above"
            } else {
                "mend what cargo says above; a crate that cannot be found may be kept out by the vendored sources of .cargo/config.toml, which may be deleted where there is a network"
            };
            return Err(Error::failed("MS-B004", "cargo build failed", remedy));
        }
        let built = artifact(&String::from_utf8_lossy(&output.stdout));
        built.ok_or_else(|| {
            let remedy = "set crate-type = [\"cdylib\", \"rlib\"] under [lib] in Cargo.toml";
            Error::failed("MS-B005", "cargo built no .wasm", remedy)
        })
    }
}

/// The last .wasm file among cargo's messages.
fn artifact(messages: &str) -> Option<PathBuf> {
    let files = messages
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message.get("filenames")?.as_array().cloned());
    let wasm = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
    files.flatten().filter_map(|file| file.as_str().map(PathBuf::from)).find(wasm)
}

/// Puts a file in place at once: who reads it has the old one or the new one.
fn replace(to: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = to.with_file_name(name);
    std::fs::write(&new, bytes)?;
    std::fs::rename(&new, to).inspect_err(|_| drop(std::fs::remove_file(&new)))
}
