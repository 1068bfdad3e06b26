//! The host's side of a pair: an app of one manifest, run to the end of its input by one worker.

use crate::clock::{Clock, Span};
use crate::{Failure, data};
use millstream::run::{App, Host};
use millstream::transport::Transport;
use millstream::worker::Shared;
use std::path::Path;

/// What stands before every manifest's nodes.
pub(crate) fn head(app: &str, plugin: Option<&Path>, trusted: bool) -> String {
    let plugin = plugin.map(|plugin| format!("[plugin.bench]\ncomponent = {plugin:?}\ntrusted = {trusted}\n"));
    format!(
        "manifest = 1\napp = {app:?}\n{}[node.in]\nop = \"stream\"\ntopic = \"input\"\n",
        plugin.unwrap_or_default()
    )
}

/// Nodes of the app that copies.
pub(crate) const COPY: &str = "[node.out]\nop = \"to\"\nfrom = \"in\"\ntopic = \"output\"\n";

/// Nodes of an app that takes the input through one stateless operator.
pub(crate) fn stateless(op: &str, operator: &str) -> String {
    format!(
        "[node.step]\nop = {op:?}\nfrom = \"in\"\ncall = \"bench.{operator}\"\n[node.out]\nop = \"to\"\nfrom = \"step\"\ntopic = \"output\"\n"
    )
}

/// Nodes of the word count.
pub(crate) fn words(emit: &str) -> String {
    format!(
        r#"[node.words]
op = "flat-map-values"
from = "in"
call = "bench.split"
[node.by-word]
op = "group-by"
from = "words"
call = "bench.word-as-key"
[node.counts]
op = "count"
from = "by-word"
store = "counts"
emit = {emit:?}
[node.out]
op = "to"
from = "counts"
topic = "output"
"#
    )
}

/// Writes a manifest.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn write(manifest: &Path, plugin: &Path, nodes: &str, trusted: bool) -> Result<(), Failure> {
    // An app without a plugin names none, so that none is loaded.
    let plugin = if nodes.contains("bench.") { Some(plugin) } else { None };
    Ok(std::fs::write(manifest, head("bench", plugin, trusted) + nodes)?)
}

/// Runs the app on a data directory that holds its input; measured is what comes after loading. Says how often
/// it committed, too.
///
/// # Errors
/// If it cannot run.
pub(crate) fn run(directory: &Path, plugin: &Path, nodes: &str, trusted: bool) -> Result<(Span, u64), Failure> {
    let manifest = directory.join("millstream.toml");
    write(&manifest, plugin, nodes, trusted)?;
    let app = App::load(&manifest, false)?;
    let (db, mut log) = data::open(directory)?;
    let (clock, before) = (Clock::start(), log.version());
    app.run(&Host::over(db.clone(), log.clone()), 1, true, &Shared::new(1))?;
    Ok((clock.stop(), log.version() - before))
}
