//! From the start of a process to its end over a topic of one record, with the compiled plugin in the cache.

use crate::{Failure, Setup, data, generate, host};
use serde::Serialize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Starts, milliseconds each: an upper bound of the time to the first turn, because the turn, its commit and the end of
/// the process are in it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Starts {
    /// The first one: the plugin is compiled.
    pub(crate) cold_ms: Vec<f64>,
    /// Later ones.
    pub(crate) warm_ms: Vec<f64>,
    /// The same without any plugin.
    pub(crate) without_plugin_ms: Vec<f64>,
}

/// Starts `millstream run --until-end` again and again.
///
/// # Errors
/// If it fails.
pub(crate) fn measure(setup: &Setup) -> Result<Starts, Failure> {
    let cache = tempfile::tempdir()?;
    let mut starts = Starts::default();
    for number in 0..setup.starts {
        let took = start(setup, &host::stateless("filter", "keep"), cache.path())?;
        if number == 0 { &mut starts.cold_ms } else { &mut starts.warm_ms }.push(took);
        starts.without_plugin_ms.push(start(setup, host::COPY, cache.path())?);
    }
    Ok(starts)
}

fn start(setup: &Setup, nodes: &str, cache: &Path) -> Result<f64, Failure> {
    let directory = data::filled(&generate::bids(1))?;
    let manifest = directory.path().join("millstream.toml");
    host::write(&manifest, &setup.plugin, nodes, false)?;
    let mut command = Command::new(&setup.millstream);
    command.arg("--data-dir").arg(directory.path().join("data"));
    command.args(["run", "--until-end", "--manifest"]).arg(&manifest);
    command.env("MILLSTREAM_CACHE_DIR", cache).env("RUST_LOG", "error");
    let begin = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let records = data::digest(directory.path())?.records;
    if !status.success() || records != 1 {
        return Err(format!("millstream run ended with {status} and {records} records instead of one").into());
    }
    Ok(took)
}
