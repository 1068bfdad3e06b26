//! What it costs to take a record through a wasm filter, beyond the filter itself.

use crate::clock::Clock;
use crate::functions::{convert, keep};
use crate::{Failure, Setup, generate};
use millstream::operator::{Caller, Context, Effects, Operator, Stop, Transform, Use};
use millstream::plugin::port::Instance;
use millstream::plugin::{Compiler, Limits, Plugins, default_cache_directory};
use millstream::record::batch::{Batch, Batches};
use millstream::record::{Cell, Path, Row, Turn};
use millstream::topology::plan::{OnError, TransformKind};
use serde::Serialize;
use std::sync::Arc;

/// Records a turn: the filter at all sizes, the conversion of bids at one.
const SIZES: [usize; 6] = [16, 64, 256, 512, 1024, 4096];
const BIDS: usize = 1024;
/// CPU time of one round, seconds: long against the clock's steps, short against the machine's moods.
const ROUND: f64 = 0.02;
/// Rounds of each size.
const ROUNDS: usize = 25;

/// What an operator costs at one turn size, nanoseconds a record, round by round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Border {
    /// The operator, and how its component was compiled.
    pub(crate) name: &'static str,
    /// Records a turn.
    pub(crate) rows: usize,
    /// Through the component.
    pub(crate) wasm: Vec<f64>,
    /// The same function called natively over the same rows.
    pub(crate) native: Vec<f64>,
}

/// Measures the border at all sizes.
///
/// # Errors
/// If the plugin cannot be used, or its answer is wrong.
pub(crate) fn measure(setup: &Setup) -> Result<Vec<Border>, Failure> {
    let mut all = Vec::new();
    for (name, operator, trusted) in [
        ("filter", "keep", false),
        ("bids", "convert", false),
        ("filter, trusted", "keep", true),
        ("bids, trusted", "convert", true),
    ] {
        let sizes = if operator == "keep" { &SIZES[..] } else { &[BIDS] };
        let (mut wasm, mut plugins) = open(setup, operator, trusted)?;
        for size in sizes {
            all.push(at(name, *size, operator == "keep", &mut wasm, &mut plugins)?);
        }
    }
    Ok(all)
}

/// An operator of the component.
fn open(setup: &Setup, name: &str, trusted: bool) -> Result<(Transform, Vec<Box<dyn Instance>>), Failure> {
    let plugins = Plugins::new(Compiler::default(), default_cache_directory().as_deref());
    let limits = Limits { trusted, ..Limits::default() };
    let plugin = plugins.admit("bench", &std::fs::read(&setup.plugin)?, limits)?;
    let operators = &plugin.description().operators;
    let operator = operators.iter().find(|operator| operator.name == name).ok_or("there is no such operator")?;
    let (reads, each) = (operator.reads, operator.each());
    let mut instance = plugin.instantiate()?;
    instance.open(0, name, "{}")?;
    let (node, operator) = (name.into(), name.into());
    let usage = Use { plugin: 0, node: 0, reads, each, name: node, operator, policy: OnError::Stop };
    let kind = if name == "keep" { TransformKind::Filter } else { TransformKind::FlatMapValues };
    Ok((Transform::new(kind, Caller::new(usage)), vec![instance]))
}

fn at(
    name: &'static str,
    size: usize,
    filters: bool,
    wasm: &mut Transform,
    plugins: &mut [Box<dyn Instance>],
) -> Result<Border, Failure> {
    let mut border = Border { name, rows: size, wasm: Vec::new(), native: Vec::new() };
    let input = if filters { generate::marked(size) } else { generate::bids(size) };
    let batches: Vec<Batch> =
        input.into_iter().flat_map(|batch| Batches::new(Arc::new(batch))).collect::<Result<_, _>>()?;
    let mut native: Box<dyn Operator> = if filters { Box::new(Filter) } else { Box::new(Convert(Vec::new())) };
    for _ in 0..ROUNDS {
        let (cost, kept) = round(size, &batches, wasm, plugins)?;
        border.wasm.push(cost);
        let (cost, expected) = round(size, &batches, native.as_mut(), plugins)?;
        border.native.push(cost);
        if kept != expected {
            return Err(format!("{name} kept {kept} of {size} rows instead of {expected}").into());
        }
    }
    Ok(border)
}

/// Turns of one size until the round is over: nanoseconds a record, and rows kept of one turn.
#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn round(
    size: usize,
    batches: &[Batch],
    operator: &mut dyn Operator,
    plugins: &mut [Box<dyn Instance>],
) -> Result<(f64, usize), Failure> {
    let (mut turn, mut effects) = (Turn::default(), Effects::default());
    let (mut rows, mut outputs) = (Vec::with_capacity(size), [Vec::new()]);
    let (clock, mut turns) = (Clock::start(), 0);
    loop {
        turn.clear();
        rows.clear();
        outputs.iter_mut().for_each(Vec::clear);
        fill(batches, &mut turn, &mut rows)?;
        let mut cx = Context { turn: &mut turn, stores: &mut [], plugins, effects: &mut effects };
        operator.run(&rows, &mut cx, &mut outputs)?;
        turns += 1;
        let spent = clock.stop().cpu;
        if spent >= ROUND {
            return Ok((spent * 1e9 / (f64::from(turns) * size as f64), outputs.iter().map(Vec::len).sum()));
        }
    }
}

/// The rows of a turn, as a task makes them.
fn fill(batches: &[Batch], turn: &mut Turn, rows: &mut Vec<Row>) -> Result<(), Failure> {
    for batch in batches {
        let chunk = turn.arena.share(Arc::clone(batch.payload()));
        for record in batch.records() {
            let record = record?;
            rows.push(Row {
                timestamp: record.timestamp,
                origin: u32::try_from(rows.len())?,
                path: Path::ROOT,
                key: record.key.moved(chunk),
                value: record.value.moved(chunk),
                old: Cell::NULL,
                headers: record.headers.moved(chunk),
            });
        }
    }
    Ok(())
}

/// The filter as an operator of the host's own.
struct Filter;

impl Operator for Filter {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        if let Some(out) = outputs.first_mut() {
            out.extend(rows.iter().filter(|row| cx.turn.arena.get(row.value).is_some_and(keep)));
        }
        Ok(())
    }
}

/// The conversion of bids as one.
struct Convert(Vec<u8>);

impl Operator for Convert {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        let Some(out) = outputs.first_mut() else { return Ok(()) };
        for row in rows {
            let Ok(Some(bid)) = convert(cx.turn.arena.bytes(row.value)) else { continue };
            self.0.clear();
            if serde_json::to_writer(&mut self.0, &bid).is_ok() {
                out.push(Row { value: cx.turn.arena.copy(Some(&self.0)), ..*row });
            }
        }
        Ok(())
    }
}
