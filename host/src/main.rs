//! The `millstream` binary: parse arguments, run, turn an error into text and an exit code.

use clap::Parser;
use millstream::cli::Cli;
use millstream::run::RunError;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With no one left to tell, the exit code says it.
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::from(if matches!(error, RunError::Manifest(_)) { 2 } else { 1 })
        }
    }
}

/// For people on a terminal, JSON otherwise; `RUST_LOG` says how much.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        builder.with_ansi(colours).with_target(false).init();
    } else {
        builder.json().init();
    }
}
