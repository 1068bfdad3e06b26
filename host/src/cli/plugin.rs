//! `build`, `plugin inspect`.

use super::print;
use crate::plugin::{Limits, Profile, serve_compiler};
use crate::run::{RunError, admission, componentize_file};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Build {
    /// Directory of the plugin's Cargo.toml.
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Where the component goes; default: NAME.wasm in the plugin's directory.
    #[arg(long, short)]
    output: Option<PathBuf>,
}

impl Build {
    pub(super) fn run(&self) -> Result<(), RunError> {
        let failed = |error: std::io::Error| RunError::File { path: self.directory.clone(), error };
        let mut command = std::process::Command::new("cargo");
        command.args([
            "build",
            "--release",
            "--target",
            "wasm32-unknown-unknown",
            "--message-format",
            "json-render-diagnostics",
        ]);
        let output =
            command.current_dir(&self.directory).stderr(std::process::Stdio::inherit()).output().map_err(failed)?;
        if !output.status.success() {
            return Err(failed(std::io::Error::other(
                "cargo build failed; is the target there? rustup target add wasm32-unknown-unknown",
            )));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let mut artifact = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter_map(|message| {
                let files = message.get("filenames")?.as_array()?.clone();
                files
                    .into_iter()
                    .filter_map(|file| file.as_str().map(PathBuf::from))
                    .find(|file| file.extension().is_some_and(|end| end == "wasm"))
            });
        let Some(artifact) = artifact.next_back() else {
            return Err(failed(std::io::Error::other("cargo built no .wasm; is crate-type = [\"cdylib\"] set?")));
        };
        let name = artifact.file_name().map_or_else(|| "plugin.wasm".into(), PathBuf::from);
        let to = self.output.clone().unwrap_or_else(|| self.directory.join(name));
        componentize_file(&artifact, &to)?;
        print(&format!("built {}\n", to.display()));
        Ok(())
    }
}

/// The life of the process that compiles a component for another; see [`crate::plugin`].
#[derive(Debug, Args)]
pub(super) struct Compile {
    /// Compile without interruption checks.
    #[arg(long)]
    trusted: bool,
}

impl Compile {
    pub(super) fn run(&self) -> Result<(), RunError> {
        let profile = if self.trusted { Profile::Trusted } else { Profile::Interruptible };
        serve_compiler(std::io::stdin().lock(), std::io::stdout().lock(), profile)
            .map_err(|error| RunError::File { path: "standard input and output".into(), error })
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what a component holds.
    Inspect {
        /// The component.
        file: PathBuf,
    },
}

impl Command {
    pub(super) fn run(self) -> Result<(), RunError> {
        let Self::Inspect { file } = self;
        inspect(&file)
    }
}

fn inspect(file: &Path) -> Result<(), RunError> {
    let bytes = std::fs::read(file).map_err(|error| RunError::File { path: file.into(), error })?;
    let refused = |error| RunError::Plugin { name: file.display().to_string(), error };
    let plugin = admission().admit("inspected", &bytes, Limits::default()).map_err(refused)?;
    let about = plugin.description();
    print(&format!(
        "{} {} ({}), {} bytes, sha256:{}\n",
        about.name,
        about.version,
        about.sdk,
        bytes.len(),
        plugin.digest()
    ));
    for operator in &about.operators {
        print(&format!(
            "  {:20} {:16} {}\n",
            operator.name,
            operator.kind,
            operator.docs.lines().next().unwrap_or_default()
        ));
        if !operator.params_schema.is_empty() {
            print(&format!("  {:20} params: {}\n", "", operator.params_schema));
        }
    }
    Ok(())
}
