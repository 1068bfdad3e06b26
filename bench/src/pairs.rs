//! Pairs of runs, host and native in turn over the same input; a pair whose outputs differ voids the whole run.

use crate::clock::Span;
use crate::data::{self, Digest};
use crate::functions::{convert, keep};
use crate::native::{self, Due, Made};
use crate::{Failure, Setup, generate, host, native_words};
use serde::Serialize;
use std::cell::Cell;
use std::path::Path;

/// One workload: a name, an input, the app and its native twin.
struct Workload {
    name: &'static str,
    /// What is counted: records or words.
    unit: &'static str,
    input: Vec<Vec<u8>>,
    count: usize,
    nodes: String,
    trusted: bool,
    native: fn(&Path, Due) -> Result<Span, Failure>,
    /// Records that pass through the loop: its input, and what it writes to read it again.
    records: usize,
    /// Whether the number of output records depends on when commits happen, so that only each key's last value must agree.
    last_only: bool,
}

/// What a pair's runs took: units per CPU-second, and per second that passed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Pair {
    /// The host, per CPU-second.
    pub(crate) host_cpu: f64,
    /// The native loop, per CPU-second.
    pub(crate) native_cpu: f64,
    /// The host, per second.
    pub(crate) host_wall: f64,
    /// The native loop, per second.
    pub(crate) native_wall: f64,
}

/// All pairs of one workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    /// Its name.
    pub(crate) name: &'static str,
    /// What is counted.
    pub(crate) unit: &'static str,
    /// How many went in.
    pub(crate) count: usize,
    /// Records that came out of the last pair's host run.
    pub(crate) records_out: u64,
    /// The pairs, in the order of their runs.
    pub(crate) pairs: Vec<Pair>,
}

/// Runs all workloads whose name contains the setup's filter.
///
/// # Errors
/// If a run fails, or its outputs differ.
pub(crate) fn measure(setup: &Setup) -> Result<Vec<Measured>, Failure> {
    let names = ["pass-through", "filter", "json", "json-trusted", "words-every-update", "words-on-commit"];
    let wanted = names.into_iter().filter(|name| setup.wants(name));
    wanted.map(|name| run(&workload(name, setup.scale), setup)).collect()
}

fn workload(name: &'static str, scale: f64) -> Workload {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    let scaled = |count: usize| (count as f64 * scale) as usize;
    let (bids, lines) = (scaled(400_000), scaled(150_000));
    let stateless = Workload {
        name,
        unit: "records",
        input: Vec::new(),
        count: bids,
        records: bids,
        nodes: host::COPY.into(),
        trusted: false,
        native: |directory, due| native::stateless(directory, due, |_, _| Ok(Made::Same)),
        last_only: false,
    };
    match name {
        "pass-through" => Workload { input: generate::bids(bids), ..stateless },
        "filter" => Workload {
            input: generate::marked(bids),
            nodes: host::stateless("filter", "keep"),
            native: |directory, due| {
                native::stateless(directory, due, |value, _| Ok(if keep(value) { Made::Same } else { Made::Nothing }))
            },
            ..stateless
        },
        "json" | "json-trusted" => Workload {
            input: generate::bids(bids),
            nodes: host::stateless("flat-map-values", "convert"),
            trusted: name == "json-trusted",
            native: |directory, due| {
                native::stateless(directory, due, |value, out| {
                    let Some(bid) = convert(value)? else { return Ok(Made::Nothing) };
                    serde_json::to_writer(out, &bid)?;
                    Ok(Made::Value)
                })
            },
            ..stateless
        },
        _ => {
            let every_update = name == "words-every-update";
            Workload {
                unit: "words",
                input: generate::lines(lines),
                count: lines * generate::WORDS_PER_LINE,
                records: lines * (1 + generate::WORDS_PER_LINE),
                nodes: host::words(if every_update { "every-update" } else { "on-commit" }),
                native: if every_update {
                    |directory, due| native_words::run(directory, due, true)
                } else {
                    |directory, due| native_words::run(directory, due, false)
                },
                last_only: !every_update,
                ..stateless
            }
        }
    }
}

fn run(workload: &Workload, setup: &Setup) -> Result<Measured, Failure> {
    let mut pairs = Vec::new();
    let mut records_out = 0;
    // How often the host committed last: the native loop does it as often.
    let commits = Cell::new(1);
    for number in 0..=setup.pairs {
        let host = || {
            once(&workload.input, |directory| {
                let (span, count) = host::run(directory, &setup.plugin, &workload.nodes, workload.trusted)?;
                commits.set(count);
                Ok(span)
            })
        };
        // Every other pair begins with the native loop, so that neither always finds the machine warm. The first run of
        // all only tells how often to commit.
        if number == 0 {
            host()?;
            continue;
        }
        let first = if number % 2 == 0 { Some(host()?) } else { None };
        let every = commits.get();
        let (native, expected) =
            once(&workload.input, |directory| (workload.native)(directory, Due::new(workload.records as u64, every)))?;
        let (host, found) = match first {
            Some(first) => first,
            None => host()?,
        };
        let same = if workload.last_only { found.last == expected.last } else { found == expected };
        if !same {
            return Err(format!("{}: the outputs differ: {found:?} and {expected:?}", workload.name).into());
        }
        records_out = found.records;
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let count = workload.count as f64;
        let pair = Pair {
            host_cpu: count / host.cpu,
            native_cpu: count / native.cpu,
            host_wall: count / host.wall,
            native_wall: count / native.wall,
        };
        eprintln!(
            "{:20} pair {number}: host {:>9.0} native {:>9.0} per CPU-second, ratio {:.3}",
            workload.name,
            pair.host_cpu,
            pair.native_cpu,
            pair.host_cpu / pair.native_cpu
        );
        pairs.push(pair);
    }
    Ok(Measured { name: workload.name, unit: workload.unit, count: workload.count, records_out, pairs })
}

/// One run on a directory of its own.
fn once(input: &[Vec<u8>], run: impl FnOnce(&Path) -> Result<Span, Failure>) -> Result<(Span, Digest), Failure> {
    let directory = data::filled(input)?;
    let span = run(directory.path())?;
    Ok((span, data::digest(directory.path())?))
}
