//! `plugin inspect`.

use super::out::{Error, print, table};
use crate::plugin::port::Plugin;
use crate::plugin::{Limits, Profile, serve_compiler};
use crate::run::{RunError, admission};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The life of the process that compiles a component for another; see [`crate::plugin`].
#[derive(Debug, Args)]
pub(super) struct Compile {
    /// Compile without interruption checks.
    #[arg(long)]
    trusted: bool,
}

impl Compile {
    pub(super) fn run(&self) -> Result<(), Error> {
        let profile = if self.trusted { Profile::Trusted } else { Profile::Interruptible };
        serve_compiler(std::io::stdin().lock(), std::io::stdout().lock(), profile)
            .map_err(|error| Error::file(Path::new("standard input and output"), &error))
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Show what a component holds.
    #[command(after_help = "Example:\n  millstream plugin inspect words.wasm --json | jq .operators")]
    Inspect {
        /// The component.
        file: PathBuf,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
}

impl Command {
    pub(super) fn run(self) -> Result<(), Error> {
        let Self::Inspect { file, json } = self;
        let (plugin, bytes) = admitted(&file)?;
        if json {
            print(&format!("{:#}\n", as_json(plugin.as_ref(), bytes)));
        } else {
            print(&as_text(plugin.as_ref(), bytes));
        }
        Ok(())
    }
}

/// A component that may run, and its bytes.
pub(super) fn admitted(file: &Path) -> Result<(Arc<dyn Plugin>, usize), Error> {
    let bytes = std::fs::read(file).map_err(|error| Error::file(file, &error))?;
    let refused = |error| RunError::Plugin { name: file.display().to_string(), error };
    let plugin = admission().admit("inspected", &bytes, Limits::default()).map_err(refused)?;
    Ok((plugin, bytes.len()))
}

fn as_text(plugin: &dyn Plugin, bytes: usize) -> String {
    let about = plugin.description();
    let mut rows = vec![["OPERATOR", "KIND", "PARAMS", "ABOUT"].map(String::from).to_vec()];
    for operator in &about.operators {
        let docs = operator.docs.lines().next().unwrap_or_default();
        rows.push(vec![operator.name.clone(), operator.kind.clone(), params(&operator.params_schema), docs.into()]);
    }
    format!(
        "{} {}\nsdk     {}\nsize    {bytes} bytes\ndigest  sha256:{}\n\n{}",
        about.name,
        about.version,
        about.sdk,
        plugin.digest(),
        table(&rows)
    )
}

/// The names and types of an operator's parameters; `-` if it takes none.
fn params(schema: &str) -> String {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let kind =
        |about: &Value| about.get("type").and_then(Value::as_str).map(|kind| format!(": {kind}")).unwrap_or_default();
    let listed: Vec<String> =
        properties.into_iter().flatten().map(|(name, about)| format!("{name}{}", kind(about))).collect();
    if listed.is_empty() { "-".into() } else { listed.join(", ") }
}

fn as_json(plugin: &dyn Plugin, bytes: usize) -> Value {
    let about = plugin.description();
    let operators: Vec<Value> = about
        .operators
        .iter()
        .map(|operator| {
            let schema: Value = serde_json::from_str(&operator.params_schema).unwrap_or_default();
            json!({ "name": operator.name, "kind": operator.kind, "docs": operator.docs, "params": schema })
        })
        .collect();
    json!({
        "name": about.name, "version": about.version, "sdk": about.sdk, "bytes": bytes,
        "digest": format!("sha256:{}", plugin.digest()), "operators": operators,
    })
}
