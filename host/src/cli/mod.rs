//! The command line.

mod build;
mod check;
mod cluster;
mod feed;
mod new;
mod out;
mod plugin;
mod progress;
mod reset;
mod run;
mod state;
mod topic;
mod trial;

pub use out::{Error, colours};
pub use progress::LogWriter;

use crate::run::App;
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// Kafka Streams for every language: transforms in WebAssembly over a durable log.
#[derive(Debug, Parser)]
#[command(
    name = "millstream",
    version,
    propagate_version = true,
    after_help = "\
Begin:
  millstream new my-app && cd my-app
  millstream build && millstream check && millstream test
  millstream run --input lines=input.txt --until-end
  millstream topic consume shouted

Exit codes:
  0    done
  1    it failed: processing stopped, a test failed, a file, plugin or data directory cannot be used
  2    the command line, the manifest or a test case is wrong
  130  interrupted twice

Environment:
  MILLSTREAM_DATA_DIR   as --data-dir
  MILLSTREAM_KAFKA      as --kafka of run, topic and reset
  MILLSTREAM_CONFIG     as --config of run, topic and reset
  MILLSTREAM_CACHE_DIR  where compiled plugins are kept, else millstream/plugins in the user's cache directory
  RUST_LOG              what is logged, such as warn or millstream=debug
  NO_COLOR              no colours"
)]
pub struct Cli {
    /// Directory of topics, offsets and state.
    #[arg(long, global = true, env = "MILLSTREAM_DATA_DIR", hide_env_values = true, default_value = ".millstream")]
    data_dir: PathBuf,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: out::Colour,
    /// Log warnings and errors only, and show no progress.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Build(build::Build),
    /// Check a manifest and its plugins without running anything.
    #[command(after_help = "Example:\n  millstream check -p orders/millstream.toml")]
    Check(Manifest),
    Test(trial::Test),
    Run(run::Run),
    Reset(reset::Reset),
    Topology(check::Show),
    /// Work with topics, of the embedded log or of a Kafka cluster.
    #[command(subcommand)]
    Topic(topic::Command),
    /// Look into the stores of an app.
    #[command(subcommand)]
    State(state::State),
    /// Look into plugins.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Print a script that completes millstream's commands in a shell.
    #[command(after_help = "Example:\n  source <(millstream completions bash)")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    #[command(name = crate::plugin::COMPILE_SUBCOMMAND, hide = true)]
    CompilePlugin(plugin::Compile),
}

/// Which manifest.
#[derive(Debug, Args)]
struct Manifest {
    /// The manifest.
    #[arg(long = "manifest", short, default_value = "millstream.toml", value_name = "FILE")]
    path: PathBuf,
}

impl Manifest {
    fn load(&self) -> Result<App, Error> {
        Ok(App::load(&self.path, colours())?)
    }
}

impl Cli {
    /// Takes in what must be known before anything is said: when to use colours, and how much to log.
    pub fn log_level(&self) -> &'static str {
        out::choose(self.color);
        if self.quiet { "warn" } else { "info" }
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn run(self) -> Result<(), Error> {
        let data = &self.data_dir;
        match self.command {
            Command::New(new) => new.run(),
            Command::Build(build) => build.run(),
            Command::Check(manifest) => manifest.check(),
            Command::Test(test) => test.run(),
            Command::Run(run) => run.run(data, self.quiet),
            Command::Reset(reset) => reset.run(data),
            Command::Topology(show) => show.show(),
            Command::Topic(command) => command.run(data),
            Command::State(command) => command.run(data),
            Command::Plugin(command) => command.run(),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Self::command(), "millstream", &mut script);
                out::print_bytes(&script);
                Ok(())
            }
            Command::CompilePlugin(compile) => compile.run(),
        }
    }
}

/// What to choose instead of a name that is not there.
fn nearest(name: &str, names: &[String]) -> String {
    let near = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2.max(name.len() / 3) => format!("did you mean {known:?}?"),
        _ => format!("there is {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Commands below which there are no others, and whose help has no example.
    fn without_example(command: &clap::Command) -> Vec<String> {
        if command.has_subcommands() {
            return command.get_subcommands().filter(|below| !below.is_hide_set()).flat_map(without_example).collect();
        }
        let has = command.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
        (!has).then(|| command.get_name().to_owned()).into_iter().collect()
    }

    #[test]
    fn the_help_of_each_command_has_an_example() {
        assert_eq!(without_example(&Cli::command()), Vec::<String>::new());
    }
}
