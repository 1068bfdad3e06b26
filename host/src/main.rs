//! The `millstream` binary: parse arguments, run, turn an error into text and an exit code.

use clap::Parser;
use millstream::cli::{Cli, LogWriter, colours};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log_level());
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With no one left to tell, the exit code says it.
            let _ = write!(std::io::stderr(), "{}", error.render(colours()));
            ExitCode::from(error.exit())
        }
    }
}

/// For people on a terminal, JSON otherwise; `RUST_LOG` says how much.
fn log_to_stderr(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| LogWriter);
    if std::io::stderr().is_terminal() {
        builder.with_ansi(colours()).with_target(false).init();
    } else {
        builder.json().init();
    }
}
