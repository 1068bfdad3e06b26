//! The command line.

mod app;
mod plugin;
mod topic;

use crate::run::RunError;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Kafka Streams for every language: transforms in WebAssembly over a durable log.
///
/// Exit codes: 0 done; 1 processing stopped or a file, plugin or data directory cannot be used; 2 the command line or
/// the manifest is wrong; 130 interrupted twice.
///
/// Compiled plugins are kept in MILLSTREAM_CACHE_DIR, or else in millstream/plugins in the user's cache directory.
#[derive(Debug, Parser)]
#[command(name = "millstream", version, propagate_version = true)]
pub struct Cli {
    /// Directory of topics, offsets and state.
    #[arg(long, global = true, env = "MILLSTREAM_DATA_DIR", default_value = ".millstream")]
    data_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the app of a manifest on the embedded log.
    Run(app::Run),
    /// Check a manifest and its plugins without running anything.
    Check(app::Manifest),
    /// Show how an app is taken apart into tasks.
    Topology(app::Show),
    /// Compile the plugin in this directory and wrap it into a component.
    Build(plugin::Build),
    /// Look into plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Work with the topics of the embedded log.
    #[command(subcommand)]
    Topic(topic::Command),
    /// Look into the stores of an app that is not running.
    #[command(subcommand)]
    State(app::State),
    #[command(name = crate::plugin::COMPILE_SUBCOMMAND, hide = true)]
    CompilePlugin(plugin::Compile),
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn run(self) -> Result<(), RunError> {
        let data = &self.data_dir;
        match self.command {
            Command::Run(run) => run.run(data),
            Command::Check(check) => check.check(),
            Command::Topology(show) => show.show(),
            Command::Build(build) => build.run(),
            Command::Plugin(command) => command.run(),
            Command::Topic(command) => command.run(data),
            Command::State(command) => command.run(data),
            Command::CompilePlugin(compile) => compile.run(),
        }
    }
}

/// Prints to the standard output; a reader that went away ends the program quietly.
fn print(text: &str) {
    use std::io::Write;
    if std::io::stdout().write_all(text.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

/// Whether the standard error shows colours.
fn colours() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
