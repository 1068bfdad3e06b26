//! Apps of the host that run on their own, beside a feeder and a reader.

use super::data::PARTITIONS;
use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// An app of the host: its manifest, and how it is started.
pub(super) struct App<'a> {
    millstream: &'a Path,
    bootstrap: &'a str,
    manifest: PathBuf,
    /// How the cluster is used, if that is said.
    config: Option<PathBuf>,
}

impl<'a> App<'a> {
    /// Writes the manifest of an app that reads a topic and commits every 100 ms, exactly once.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn new(
        millstream: &'a Path,
        bootstrap: &'a str,
        directory: &Path,
        (name, input): (&str, &str),
        nodes: &str,
    ) -> Result<Self, Failure> {
        let text = format!(
            "manifest = 1\napp = {name:?}\n[guarantee]\nprocessing = \"exactly-once\"\ncommit-interval = \"100ms\"\n\
             [topic.{input}]\npartitions = {PARTITIONS}\n[node.in]\nop = \"stream\"\ntopic = {input:?}\n{nodes}"
        );
        let manifest = directory.join("millstream.toml");
        std::fs::write(&manifest, text)?;
        Ok(Self { millstream, bootstrap, manifest, config: None })
    }

    /// Has each process keep copies of the others' stores.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub(super) fn keep_standbys(&mut self, directory: &Path) -> Result<(), Failure> {
        let config = directory.join("host.toml");
        std::fs::write(&config, "[transport.kafka]\nstandby = 1\n")?;
        self.config = Some(config);
        Ok(())
    }

    /// The command that runs it on a data directory.
    pub(super) fn run(&self, data: &Path) -> Command {
        let mut command = Command::new(self.millstream);
        command.arg("--data-dir").arg(data).args(["run", "--kafka", self.bootstrap, "--manifest"]).arg(&self.manifest);
        command.args(self.config.iter().flat_map(|config| [std::ffi::OsStr::new("--config"), config.as_os_str()]));
        command.env("RUST_LOG", "warn");
        command
    }

    /// Starts it, to run until it is told to end.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(&self, data: &Path) -> Result<Running, Failure> {
        Self::spawn(&mut self.run(data))
    }

    /// The same, with what it logs in a file.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start_logged(&self, data: &Path, log: &Path) -> Result<Running, Failure> {
        Self::spawn(self.run(data).env("RUST_LOG", "info").stderr(std::fs::File::create(log)?))
    }

    fn spawn(command: &mut Command) -> Result<Running, Failure> {
        Ok(Running(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }
}

/// A process that is killed at the latest when this goes.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
