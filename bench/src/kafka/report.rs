//! Tables of what was measured.

use super::commits::Commits;
use super::contender::Contender;
use super::handover::Handovers;
use super::restore::Restores;
use super::{Guarantee, Measured, Run, goals};
use crate::Failure;
use crate::report::spread;
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// The lines of the document between which tables go.
pub(super) const MARKS: [&str; 2] = ["<!-- kafka -->", "<!-- /kafka -->"];

/// Everything that one run of the suite measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) commit: String,
    pub(super) machine: String,
    pub(super) workloads: Vec<Measured>,
    pub(super) commits: Option<Commits>,
    pub(super) restores: Option<Restores>,
    pub(super) handovers: Vec<Handovers>,
}

impl Run {
    /// Units per CPU-second: those of the second half where it was told, else of the whole process.
    pub(super) fn per_cpu(&self, units: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let units = units as f64;
        self.took.second_half.map_or(units / self.took.whole.cpu, |half| units / 2.0 / half.cpu)
    }

    fn per_cpu_whole(&self, units: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let units = units as f64;
        units / self.took.whole.cpu
    }

    fn per_second(&self, units: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let units = units as f64;
        self.took.second_half.map_or(units / self.took.whole.wall, |half| units / 2.0 / half.wall)
    }
}

/// A run in one line.
pub(super) fn line(run: &Run, units: u64) -> String {
    format!(
        "{:>9.0} per CPU-second ({:.0} with the start), {:>9.0} per second, {} out",
        run.per_cpu(units),
        run.per_cpu_whole(units),
        run.per_second(units),
        run.records_out
    )
}

impl Report {
    /// Prints the tables, writes the samples, and puts the tables into the document.
    ///
    /// # Errors
    /// If a file cannot be written, or the document has no place for them.
    #[expect(clippy::print_stdout, reason = "the tables are what this program is for")]
    pub(super) fn tell(&self, samples: Option<&Path>, document: Option<&Path>) -> Result<(), Failure> {
        let mut text = String::new();
        self.write(&mut text)?;
        print!("{text}");
        if let Some(path) = samples {
            std::fs::write(path, serde_json::to_string_pretty(self)? + "\n")?;
        }
        if let Some(path) = document {
            let whole = std::fs::read_to_string(path)?;
            let [begin, end] = MARKS;
            let (before, rest) = whole.split_once(begin).ok_or_else(|| format!("{begin} is missing"))?;
            let (_, after) = rest.split_once(end).ok_or_else(|| format!("{end} is missing"))?;
            std::fs::write(path, format!("{before}{begin}\n{text}{end}{after}"))?;
        }
        Ok(())
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "Commit {}. {}.\n\n| goal | measured | |\n|---|---|---|", self.commit, self.machine)?;
        goals::lines(self).iter().try_for_each(|line| writeln!(text, "{line}"))?;
        if !self.workloads.is_empty() {
            self.write_workloads(text)?;
        }
        if let Some(commits) = &self.commits {
            writeln!(text, "\n| commits | how many | half within, ms | 99 of 100 within, ms |\n|---|---|---|---|")?;
            for (name, runs) in [("millstream", &commits.host), ("native", &commits.native)] {
                let times = |samples: &[f64]| spread(samples.to_vec(), 2);
                writeln!(text, "| {name} | {} | {} | {} |", runs.commits, times(&runs.p50_ms), times(&runs.p99_ms))?;
            }
        }
        if let Some(restores) = &self.restores {
            let seconds = |samples: &[f64]| spread(samples.to_vec(), 2);
            writeln!(text, "\n| restoring | seconds to the end | where nothing was to be restored | CPU seconds |")?;
            let head = format!("{} rows, {:.0} MB", restores.rows, restores.megabytes());
            let (whole, start, cpu) = (&restores.restored_s, &restores.started_s, &restores.cpu_s);
            let row = format!("| {head} | {} | {} | {} |", seconds(whole), seconds(start), seconds(cpu));
            writeln!(text, "|---|---|---|---|\n{row}")?;
        }
        if !self.handovers.is_empty() {
            writeln!(
                text,
                "\n| one of two processes | longest silence of a partition, s | before it |\n|---|---|---|"
            )?;
        }
        for handovers in &self.handovers {
            let (gaps, before) = (spread(handovers.gaps_s.clone(), 2), spread(handovers.before_s.clone(), 2));
            writeln!(text, "| {} | {gaps} | {before} |", handovers.end.text())?;
        }
        Ok(())
    }

    fn write_workloads(&self, text: &mut String) -> std::fmt::Result {
        let head = "thousands per CPU-second | with the start | thousands per second | out";
        writeln!(text, "\n| workload | guarantee | | {head} |\n|---|---|---|---|---|---|---|")?;
        for measured in &self.workloads {
            for guarantee in Guarantee::ALL {
                for contender in Contender::of(measured.workload) {
                    row(text, measured, guarantee, contender)?;
                }
            }
        }
        Ok(())
    }
}

fn row(text: &mut String, measured: &Measured, guarantee: Guarantee, contender: Contender) -> std::fmt::Result {
    let runs: Vec<&Run> =
        measured.runs.iter().filter(|run| run.contender == contender && run.guarantee == guarantee).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let units = measured.units;
    let column = |of: fn(&Run, u64) -> f64| spread(runs.iter().map(|run| of(run, units) / 1e3).collect(), 0);
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let out = runs.iter().map(|run| run.records_out as f64).collect();
    writeln!(
        text,
        "| {} ({units}) | {} | {} | {} | {} | {} | {} |",
        measured.workload.name(),
        guarantee.name(),
        contender.name(),
        column(Run::per_cpu),
        column(Run::per_cpu_whole),
        column(Run::per_second),
        spread(out, 0),
    )
}
