//! What it costs to take a record through a wasm filter, beyond the filter itself.

use crate::clock::Clock;
use crate::functions::keep;
use crate::{Failure, Setup, generate};
use millstream::operator::{Caller, Context, Effects, Operator, Transform, Use};
use millstream::plugin::port::Instance;
use millstream::plugin::{Compiler, Limits, Plugins, default_cache_directory};
use millstream::record::batch::{Batch, Batches};
use millstream::record::{Cell, Path, Row, Turn};
use millstream::topology::plan::{OnError, TransformKind};
use serde::Serialize;
use std::sync::Arc;

/// Records a turn.
const SIZES: [usize; 6] = [16, 64, 256, 512, 1024, 4096];
/// CPU time of one round, seconds: long against the clock's steps, short against the machine's moods.
const ROUND: f64 = 0.02;
/// Rounds of each size.
const ROUNDS: usize = 25;

/// The border's cost at one turn size, nanoseconds a record, round by round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Border {
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
    let plugins = Plugins::new(Compiler::default(), default_cache_directory().as_deref());
    let plugin = plugins.admit("bench", &std::fs::read(&setup.plugin)?, Limits::default())?;
    let operators = &plugin.description().operators;
    let reads = operators.iter().find(|operator| operator.name == "keep").ok_or("there is no operator keep")?.reads;
    let mut instance = plugin.instantiate()?;
    instance.open(0, "keep", "{}")?;
    let usage = Use { plugin: 0, node: 0, reads, name: "keep".into(), operator: "keep".into(), policy: OnError::Stop };
    let mut wasm = Transform::new(TransformKind::Filter, Caller::new(usage));
    let mut plugins = vec![instance];
    SIZES.into_iter().map(|size| at(size, &mut wasm, &mut plugins)).collect()
}

fn at(size: usize, wasm: &mut Transform, plugins: &mut [Box<dyn Instance>]) -> Result<Border, Failure> {
    let mut border = Border { rows: size, wasm: Vec::new(), native: Vec::new() };
    let batches: Vec<Batch> =
        generate::marked(size).into_iter().flat_map(|batch| Batches::new(Arc::new(batch))).collect::<Result<_, _>>()?;
    let mut native = Native;
    for _ in 0..ROUNDS {
        let (cost, kept) = round(size, &batches, wasm, plugins)?;
        border.wasm.push(cost);
        let (cost, expected) = round(size, &batches, &mut native, plugins)?;
        border.native.push(cost);
        if kept != expected {
            return Err(format!("the filter kept {kept} of {size} rows instead of {expected}").into());
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
struct Native;

impl Operator for Native {
    fn run(
        &mut self,
        rows: &[Row],
        cx: &mut Context<'_>,
        outputs: &mut [Vec<Row>],
    ) -> Result<(), millstream::operator::Stop> {
        if let Some(out) = outputs.first_mut() {
            out.extend(rows.iter().filter(|row| cx.turn.arena.get(row.value).is_some_and(keep)));
        }
        Ok(())
    }
}
