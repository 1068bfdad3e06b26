//! How fast a lost store is built anew from its changelog.

use super::Setup;
use super::app::App;
use super::child;
use super::cluster::Cluster;
use super::writer::Writer;
use crate::{Failure, generate};
use serde::{Deserialize, Serialize};

/// The topic whose records become the rows.
const ROWS: &str = "rows";
/// An app that keeps the last record of each key.
const NODES: &str = "[node.kept]\nop = \"to-table\"\nfrom = \"in\"\nstore = \"rows\"\nchangelog = true\n";

/// What restoring took: the whole process, its start and its joining of the group included.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Restores {
    /// Rows of the store, each written once.
    pub(super) rows: usize,
    /// Bytes of their keys and values.
    pub(super) bytes: u64,
    /// Seconds from the start of the process over an empty directory to its end, store restored.
    pub(super) restored_s: Vec<f64>,
    /// Seconds of the same where the store was there.
    pub(super) started_s: Vec<f64>,
    /// CPU seconds of the first, less those of the second.
    pub(super) cpu_s: Vec<f64>,
}

impl Restores {
    /// Megabytes of keys and values.
    #[expect(clippy::cast_precision_loss, reason = "a few gigabytes")]
    pub(super) fn megabytes(&self) -> f64 {
        self.bytes as f64 / 1e6
    }

    /// Megabytes a second, the process's start taken away.
    pub(super) fn rates(&self) -> Vec<f64> {
        let times = self.restored_s.iter().zip(&self.started_s);
        times.map(|(whole, start)| self.megabytes() / (whole - start)).collect()
    }
}

/// Fills a store, and restores it again and again.
///
/// # Errors
/// If the host fails, or restores other rows than were written.
pub(super) fn measure(setup: &Setup, cluster: &Cluster) -> Result<Restores, Failure> {
    let bytes = fill(cluster, setup.rows)?;
    let mut restores =
        Restores { rows: setup.rows, bytes, restored_s: Vec::new(), started_s: Vec::new(), cpu_s: Vec::new() };
    let directory = tempfile::tempdir()?;
    let app = App::new(&setup.millstream, &cluster.bootstrap, directory.path(), ("restore", ROWS), NODES)?;
    let data = directory.path().join("data");
    let run = || {
        let mut command = app.run(&data);
        child::run(command.arg("--until-end").env("RUST_LOG", "info"))
    };
    run()?;
    for round in 1..=setup.pairs {
        std::fs::remove_dir_all(&data)?;
        let restored = run()?;
        let rows = rows(&restored.logged)?;
        if rows != setup.rows {
            return Err(format!("{rows} rows were restored instead of {}", setup.rows).into());
        }
        let (restored, started) = (restored.span, run()?.span);
        eprintln!("restore {round}: {:.2} s, {:.2} s where nothing was to be restored", restored.wall, started.wall);
        restores.restored_s.push(restored.wall);
        restores.started_s.push(started.wall);
        restores.cpu_s.push(restored.cpu - started.cpu);
    }
    cluster.delete("restore-")?;
    cluster.delete(ROWS)?;
    Ok(restores)
}

/// Bids, each under a key of its own. Says how many bytes that is.
fn fill(cluster: &Cluster, rows: usize) -> Result<u64, Failure> {
    cluster.create(ROWS)?;
    let (output, mut bytes) = (Writer::new(&cluster.bootstrap, None, &[ROWS])?, 0);
    generate::each_bid(rows, |bid| {
        let key = format!("bid-{:09}", bid.index);
        bytes += (key.len() + bid.value.len()) as u64;
        output.send(0, 0, Some(key.as_bytes()), bid.value, bid.timestamp)
    })?;
    output.flush()?;
    Ok(bytes)
}

/// A line of the host's log.
#[derive(Deserialize)]
struct Line {
    fields: Fields,
}

#[derive(Deserialize)]
struct Fields {
    message: String,
    #[serde(default)]
    records: usize,
}

/// How many records the host says that it restored.
fn rows(log: &str) -> Result<usize, Failure> {
    let lines = log.lines().map(serde_json::from_str::<Line>).collect::<Result<Vec<_>, _>>()?;
    let done =
        lines.iter().filter(|line| line.fields.message.starts_with("restoring a store from its changelog: done"));
    Ok(done.map(|line| line.fields.records).sum())
}
