//! What is to be reached.

use super::contender::Contender;
use super::contender::Contender::{
    Millstream, MillstreamEveryUpdate, MillstreamTrusted, Native, Streams, StreamsTuned,
};
use super::handover::End;
use super::report::Report;
use super::restore::Restores;
use super::{Guarantee, Measured, Workload};
use crate::report::{quantile, spread};

/// A goal: one contender's records per CPU-second against another's in the same round.
struct Goal {
    text: &'static str,
    workload: Workload,
    ours: Contender,
    theirs: Contender,
    at_least: f64,
}

const GOALS: [Goal; 9] = [
    Goal {
        text: "pass-through: 0.9 of native",
        workload: Workload::PassThrough,
        ours: Millstream,
        theirs: Native,
        at_least: 0.9,
    },
    Goal {
        text: "pass-through: 2.2 times tuned Kafka Streams",
        workload: Workload::PassThrough,
        ours: Millstream,
        theirs: StreamsTuned,
        at_least: 2.2,
    },
    Goal { text: "JSON: 0.8 of native", workload: Workload::Json, ours: Millstream, theirs: Native, at_least: 0.8 },
    Goal {
        text: "JSON, `trusted`: 0.8 of native",
        workload: Workload::Json,
        ours: MillstreamTrusted,
        theirs: Native,
        at_least: 0.8,
    },
    Goal {
        text: "JSON: twice tuned Kafka Streams",
        workload: Workload::Json,
        ours: Millstream,
        theirs: StreamsTuned,
        at_least: 2.0,
    },
    Goal {
        text: "word count, every update: three times tuned Kafka Streams",
        workload: Workload::WordCount,
        ours: MillstreamEveryUpdate,
        theirs: StreamsTuned,
        at_least: 3.0,
    },
    Goal {
        text: "word count, folded before the repartition topic: four times tuned Kafka Streams",
        workload: Workload::WordCount,
        ours: Millstream,
        theirs: StreamsTuned,
        at_least: 4.0,
    },
    Goal {
        text: "word count: three times Kafka Streams as it comes",
        workload: Workload::WordCount,
        ours: Millstream,
        theirs: Streams,
        at_least: 3.0,
    },
    Goal {
        text: "word count: 0.7 of native",
        workload: Workload::WordCount,
        ours: Millstream,
        theirs: Native,
        at_least: 0.7,
    },
];

/// What exactly-once may cost of at-least-once's records per CPU-second.
const EXACTLY_ONCE_COST: f64 = 0.10;

/// What commits take at most, milliseconds.
const COMMIT_P50_MS: f64 = 5.0;
const COMMIT_P99_MS: f64 = 25.0;

/// What a restore reaches at least, megabytes of keys and values a second.
const RESTORE_MB_S: f64 = 50.0;
/// How long outputs stay away at most when a process is told to end, and beyond its session when it is killed and the
/// other one has a copy, seconds.
const HANDOVER_S: f64 = 0.5;

/// A line of the table for each goal that was measured, and each guarantee.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for measured in &report.workloads {
        for goal in GOALS.iter().filter(|goal| goal.workload == measured.workload) {
            for guarantee in Guarantee::ALL {
                let ratios = ratios(measured, (goal.ours, guarantee), (goal.theirs, guarantee));
                let text = format!("{}, {}", goal.text, guarantee.name());
                lines.extend(line(&text, ratios, |ratio| ratio >= goal.at_least));
            }
        }
        let (ours, theirs) = ((Millstream, Guarantee::ExactlyOnce), (Millstream, Guarantee::AtLeastOnce));
        let costs = ratios(measured, ours, theirs).into_iter().map(|ratio| 1.0 - ratio).collect();
        let text = format!("{}: exactly-once costs 0.10 of at-least-once", measured.workload.name());
        lines.extend(line(&text, costs, |cost| cost <= EXACTLY_ONCE_COST));
    }
    let rates = report.restores.iter().flat_map(Restores::rates).collect();
    lines.extend(line("restore: 50 MB/s", rates, |rate| rate >= RESTORE_MB_S));
    if let Some(commits) = &report.commits {
        lines.extend(line("commit: half within 5 ms", commits.host.p50_ms.clone(), |time| time <= COMMIT_P50_MS));
        lines.extend(line("commit: 99 of 100 within 25 ms", commits.host.p99_ms.clone(), |time| time <= COMMIT_P99_MS));
    }
    for handovers in &report.handovers {
        let (gaps, session) = (handovers.gaps_s.clone(), handovers.session_s);
        lines.extend(match handovers.end {
            End::Terminate => line("SIGTERM: a gap of 0.5 s at most", gaps, |gap| gap <= HANDOVER_S),
            End::Kill => None,
            End::KillWithStandby => {
                line("SIGKILL, with a standby: session and 0.5 s at most", gaps, |gap| gap <= session + HANDOVER_S)
            }
        });
    }
    lines
}

fn line(text: &str, samples: Vec<f64>, reached: impl Fn(f64) -> bool) -> Option<String> {
    let verdict = if reached(quantile(&mut samples.clone(), 0.5)) { "reached" } else { "**missed**" };
    (!samples.is_empty()).then(|| format!("| {text} | {} | {verdict} |", spread(samples, 2)))
}

/// Round by round, the records per CPU-second of one against those of the other.
fn ratios(measured: &Measured, ours: (Contender, Guarantee), theirs: (Contender, Guarantee)) -> Vec<f64> {
    let of = |(contender, guarantee): (Contender, Guarantee)| {
        measured.runs.iter().filter(move |run| run.contender == contender && run.guarantee == guarantee)
    };
    let pairs = of(ours).filter_map(|our| of(theirs).find(|their| their.round == our.round).map(|their| (our, their)));
    pairs.map(|(our, their)| our.per_cpu(measured.units) / their.per_cpu(measured.units)).collect()
}
