//! Tables of what was measured: medians, with the range in brackets.

use crate::border::Border;
use crate::commits::Commits;
use crate::pairs::{Measured, Pair};
use crate::start::Starts;
use serde::Serialize;
use std::fmt::Write;

/// Everything that one run measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The commit that was measured.
    pub(crate) commit: String,
    /// The machine.
    pub(crate) machine: String,
    /// Workloads beside their native twins.
    pub(crate) workloads: Vec<Measured>,
    /// The border's cost.
    pub(crate) border: Vec<Border>,
    /// Commits.
    pub(crate) commits: Vec<Commits>,
    /// Starts.
    pub(crate) starts: Starts,
}

/// The machine in one line: processor, number of threads, kernel.
pub(crate) fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo");
    let model = model.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    let threads = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, {threads} threads, Linux {}", model.trim_start_matches([' ', '\t', ':']), kernel.trim())
}

impl Report {
    /// The tables, as Markdown.
    pub(crate) fn tables(&self) -> String {
        let mut text = format!("Commit {}. {}.\n", self.commit, self.machine);
        // A string never refuses to be written to.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        if !self.workloads.is_empty() {
            writeln!(
                text,
                "\n| workload | host, thousands per CPU-second | native | ratio | host, thousands per second | native |"
            )?;
            writeln!(text, "|---|---|---|---|---|---|")?;
        }
        for workload in &self.workloads {
            let column = |of: fn(&Pair) -> f64| spread(workload.pairs.iter().map(of).collect(), 0);
            writeln!(
                text,
                "| {} ({} {}, {} out) | {} | {} | {} | {} | {} |",
                workload.name,
                workload.count,
                workload.unit,
                workload.records_out,
                column(|pair| pair.host_cpu / 1e3),
                column(|pair| pair.native_cpu / 1e3),
                spread(workload.pairs.iter().map(|pair| pair.host_cpu / pair.native_cpu).collect(), 2),
                column(|pair| pair.host_wall / 1e3),
                column(|pair| pair.native_wall / 1e3),
            )?;
        }
        if !self.border.is_empty() {
            writeln!(
                text,
                "\n| operator | rows a turn | in wasm, ns a record | native | difference |\n|---|---|---|---|---|"
            )?;
        }
        for Border { name, rows, wasm, native } in &self.border {
            let border = wasm.iter().zip(native).map(|(wasm, native)| wasm - native).collect();
            writeln!(
                text,
                "| {name} | {rows} | {} | {} | {} |",
                spread(wasm.clone(), 1),
                spread(native.clone(), 1),
                spread(border, 1)
            )?;
        }
        if !self.commits.is_empty() {
            writeln!(
                text,
                "\n| commit | waits for the disk | p50, ms | p99, ms | CPU p50, ms |\n|---|---|---|---|---|"
            )?;
        }
        for commits in &self.commits {
            let at = |samples: &[f64], share| quantile(&mut samples.to_vec(), share);
            writeln!(
                text,
                "| {} | {} | {:.2} | {:.2} | {:.2} |",
                commits.name,
                if commits.sync { "yes" } else { "no" },
                at(&commits.wall_ms, 0.5),
                at(&commits.wall_ms, 0.99),
                at(&commits.cpu_ms, 0.5),
            )?;
        }
        if !self.starts.warm_ms.is_empty() {
            writeln!(text, "\n| start to end over one record | ms |\n|---|---|")?;
            writeln!(text, "| plugin not yet compiled | {} |", spread(self.starts.cold_ms.clone(), 0))?;
            writeln!(text, "| plugin in the cache | {} |", spread(self.starts.warm_ms.clone(), 0))?;
            writeln!(text, "| no plugin | {} |", spread(self.starts.without_plugin_ms.clone(), 0))?;
        }
        Ok(())
    }
}

/// Median, lowest and highest.
pub(crate) fn spread(mut samples: Vec<f64>, digits: usize) -> String {
    let mut at = |share| quantile(&mut samples, share);
    let (low, middle, high) = (at(0.0), at(0.5), at(1.0));
    format!("{middle:.digits$} ({low:.digits$}-{high:.digits$})")
}

/// The sample below which this share of them lies.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share")]
pub(crate) fn quantile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let place = (samples.len().saturating_sub(1)) as f64 * share;
    samples.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}
