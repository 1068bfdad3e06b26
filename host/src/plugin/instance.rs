//! One plugin inside one task.

use super::bindings::fold::FoldPartIndices;
use super::bindings::fold::exports::millstream::plugin::fold as wit_fold;
use super::bindings::imports::millstream::plugin::{log, types};
use super::bindings::plugin::PluginPartIndices;
use super::bindings::transform::TransformPartIndices;
use super::engine::TICK;
use super::port::{
    CallError, Cells, Columns, Description, Failure, Folded, Instance, Node, Outcome, Plugin, Reply, Steps,
};
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::{Component, InstancePre};
use wasmtime::{ResourceLimiter, Store, Trap};

/// What an instance may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Linear memory, bytes.
    pub memory_bytes: usize,
    /// Time of one call, besides [`Limits::deadline_per_row`].
    pub deadline: Duration,
    /// Time that every row of a batch adds to it.
    pub deadline_per_row: Duration,
    /// Bytes that one call may return.
    pub output_bytes: usize,
}

impl Default for Limits {
    /// 64 MiB of memory; half a second a call and a millisecond a row, a thousand times what a row takes; 32 MiB of
    /// output, more than a hundred times a full batch.
    fn default() -> Self {
        let (deadline, deadline_per_row) = (Duration::from_millis(500), Duration::from_millis(1));
        Self { memory_bytes: 64 << 20, deadline, deadline_per_row, output_bytes: 32 << 20 }
    }
}

/// Entries of a guest's tables at most: function tables of large programs have some ten thousand.
const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Longest log line, bytes.
const LOG_LINE_BYTES_MAX: usize = 1024;
/// Log lines that one call may write; more are dropped.
const LOG_LINES_MAX: u32 = 16;
/// Guest frames that a backtrace shows.
const FRAMES_MAX: usize = 16;

/// What the host keeps for an instance.
pub(super) struct State {
    name: Arc<str>,
    limits: Limits,
    memory_refused: bool,
    panicked: Option<(Option<u32>, String)>,
    lines: u32,
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _now: usize, wanted: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        let granted = wanted <= self.limits.memory_bytes;
        self.memory_refused |= !granted;
        Ok(granted)
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, _max: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= TABLE_ELEMENTS_MAX)
    }
}

impl types::Host for State {}

impl log::Host for State {
    fn enabled(&mut self, level: log::Level) -> bool {
        !matches!(level, log::Level::Trace | log::Level::Debug)
    }

    fn write(&mut self, level: log::Level, message: String) {
        self.lines += 1;
        if self.lines > LOG_LINES_MAX {
            return;
        }
        let cut = message.get(..message.floor_char_boundary(LOG_LINE_BYTES_MAX)).unwrap_or_default();
        let line: String = cut.escape_debug().collect();
        match level {
            log::Level::Error => tracing::error!(plugin = %self.name, "{line}"),
            log::Level::Warn => tracing::warn!(plugin = %self.name, "{line}"),
            _ => tracing::info!(plugin = %self.name, "{line}"),
        }
    }

    fn panicked(&mut self, row: Option<u32>, message: String) {
        self.panicked = Some((row, message));
    }
}

/// A plugin that was admitted.
pub(super) struct Admitted {
    pub(super) name: Arc<str>,
    pub(super) digest: String,
    pub(super) description: Description,
    pub(super) pre: InstancePre<State>,
    pub(super) limits: Limits,
    /// Keeps the clock going that interrupts its instances.
    pub(super) _ticking: Arc<super::engine::Ticking>,
}

/// What is found in every new instance.
struct Parts {
    store: Store<State>,
    plugin: super::bindings::plugin::PluginPart,
    transform: Option<super::bindings::transform::TransformPart>,
    fold: Option<super::bindings::fold::FoldPart>,
}

impl Admitted {
    fn parts(&self) -> wasmtime::Result<Parts> {
        let state = State {
            name: Arc::clone(&self.name),
            limits: self.limits,
            memory_refused: false,
            panicked: None,
            lines: 0,
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(self.limits.output_bytes);
        store.set_epoch_deadline(ticks(self.limits.deadline));
        let instance = self.pre.instantiate(&mut store)?;
        let plugin = PluginPartIndices::new(&self.pre)?.load(&mut store, &instance)?;
        let transform =
            TransformPartIndices::new(&self.pre).ok().map(|found| found.load(&mut store, &instance)).transpose()?;
        let fold = FoldPartIndices::new(&self.pre).ok().map(|found| found.load(&mut store, &instance)).transpose()?;
        Ok(Parts { store, plugin, transform, fold })
    }

    /// Asks a new instance what is inside.
    pub(super) fn describe(&self) -> Result<Description, CallError> {
        let mut parts = self.parts().map_err(|error| broken(&error))?;
        let found = parts.plugin.millstream_plugin_plugin().call_describe(&mut parts.store);
        found.map(description).map_err(|error| call_error(&error, &mut parts.store, self.limits.deadline))
    }
}

/// Makes instances of an admitted plugin.
pub(super) struct Handle(pub(super) Arc<Admitted>);

impl Plugin for Handle {
    fn description(&self) -> &Description {
        &self.0.description
    }

    fn digest(&self) -> &str {
        &self.0.digest
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, CallError> {
        let parts = self.0.parts().map_err(|error| broken(&error))?;
        Ok(Box::new(Live { admitted: Arc::clone(&self.0), parts, opened: Vec::new() }))
    }
}

struct Live {
    admitted: Arc<Admitted>,
    parts: Parts,
    opened: Vec<(Node, String, String)>,
}

impl Live {
    /// Gets ready for a call over `rows` rows; gives its deadline.
    fn arm(&mut self, rows: usize) -> Duration {
        let Limits { deadline, deadline_per_row, .. } = self.admitted.limits;
        let deadline = deadline + deadline_per_row * u32::try_from(rows).unwrap_or(u32::MAX);
        self.parts.store.set_epoch_deadline(ticks(deadline));
        self.parts.store.data_mut().lines = 0;
        deadline
    }

    fn say_open(&mut self, node: Node, operator: &str, params: &str) -> Result<(), CallError> {
        let deadline = self.arm(0);
        let Parts { store, plugin, .. } = &mut self.parts;
        let opening = super::bindings::plugin::exports::millstream::plugin::plugin::Opening {
            operator: operator.into(),
            params: params.into(),
            outputs: vec!["out".into()],
            properties: Vec::new(),
        };
        match plugin.millstream_plugin_plugin().call_open(&mut *store, node, &opening) {
            Ok(opened) => opened.map_err(|reason| CallError::Refused { reason }),
            Err(error) => Err(call_error(&error, store, deadline)),
        }
    }
}

impl Instance for Live {
    fn open(&mut self, node: Node, operator: &str, params: &str) -> Result<(), CallError> {
        self.say_open(node, operator, params)?;
        self.opened.push((node, operator.into(), params.into()));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), CallError> {
        self.parts = self.admitted.parts().map_err(|error| broken(&error))?;
        for (node, operator, params) in std::mem::take(&mut self.opened) {
            self.open(node, &operator, &params)?;
        }
        Ok(())
    }

    fn transform(&mut self, node: Node, batch: &Columns) -> Result<Outcome, CallError> {
        let deadline = self.arm(batch.rows());
        let Parts { store, transform, .. } = &mut self.parts;
        let Some(transform) = transform else { return Err(missing("transform")) };
        let called = transform.millstream_plugin_transform().call_process(&mut *store, node, &lower(batch));
        let answer = called.map_err(|error| call_error(&error, store, deadline))?;
        let outcome = Outcome {
            sources: answer.sources,
            routes: answer.routes,
            timestamps: answer.timestamps,
            key_lengths: answer.key_lengths,
            value_lengths: answer.value_lengths,
            header_lengths: answer.header_lengths,
            bytes: answer.bytes,
            failures: answer.failures.into_iter().map(failure).collect(),
        };
        outcome.check(batch.rows(), 1).map_err(|reason| CallError::Invalid { reason })?;
        Ok(outcome)
    }

    fn fold(
        &mut self,
        node: Node,
        batch: &Columns,
        states: &Cells,
        steps: &Steps,
        reply: Reply,
    ) -> Result<Folded, CallError> {
        let deadline = self.arm(batch.rows());
        let Parts { store, fold, .. } = &mut self.parts;
        let Some(fold) = fold else { return Err(missing("fold")) };
        let lowered = types::Cells { lengths: states.lengths.clone(), bytes: states.bytes.clone() };
        let wit_steps = wit_fold::Steps {
            actions: steps.actions.clone(),
            slots: steps.slots.clone(),
            arguments: steps.arguments.clone(),
        };
        let wit_reply = match reply {
            Reply::Last => wit_fold::Reply::Last,
            Reply::Every => wit_fold::Reply::Every,
        };
        let called =
            fold.millstream_plugin_fold().call_fold(&mut *store, node, &lower(batch), &lowered, &wit_steps, wit_reply);
        let answer = called.map_err(|error| call_error(&error, store, deadline))?;
        let folded = Folded {
            states: Cells { lengths: answer.states.lengths, bytes: answer.states.bytes },
            failures: answer.failures.into_iter().map(failure).collect(),
        };
        folded.check(states.lengths.len(), steps.slots.len(), reply).map_err(|reason| CallError::Invalid { reason })?;
        Ok(folded)
    }

    fn identity(&self) -> (&str, &str) {
        (&self.admitted.name, &self.admitted.digest)
    }
}

fn lower(batch: &Columns) -> types::Columns {
    types::Columns {
        timestamps: batch.timestamps.clone(),
        key_lengths: batch.key_lengths.clone(),
        value_lengths: batch.value_lengths.clone(),
        header_lengths: batch.header_lengths.clone(),
        bytes: batch.bytes.clone(),
    }
}

fn failure(failure: types::Failure) -> Failure {
    Failure { row: failure.row, reason: failure.reason }
}

fn ticks(time: Duration) -> u64 {
    // One more, because the tick at hand is nearly over.
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

fn missing(interface: &str) -> CallError {
    CallError::Invalid { reason: format!("it does not export the interface {interface:?}") }
}

fn broken(error: &wasmtime::Error) -> CallError {
    CallError::Trap { row: None, message: format!("{error:#}"), backtrace: String::new() }
}

/// Names a failed call for what becomes of its rows.
fn call_error(error: &wasmtime::Error, store: &mut Store<State>, deadline: Duration) -> CallError {
    let state = store.data_mut();
    let panicked = state.panicked.take();
    if std::mem::take(&mut state.memory_refused) {
        return CallError::Memory { limit: state.limits.memory_bytes };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::Timeout { after: deadline },
        Some(trap) => {
            let (row, message) = panicked.unwrap_or_else(|| (None, trap.to_string()));
            CallError::Trap { row, message, backtrace: backtrace(error) }
        }
        None => CallError::Invalid { reason: format!("{:#}", error.root_cause()) },
    }
}

fn backtrace(error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<wasmtime::WasmBacktrace>().map(wasmtime::WasmBacktrace::frames);
    let named = frames.unwrap_or_default().iter().take(FRAMES_MAX).map(|frame| {
        let name = frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), str::to_owned);
        format!("at {name}\n")
    });
    named.collect()
}

fn description(found: super::bindings::plugin::exports::millstream::plugin::plugin::Description) -> Description {
    use super::bindings::plugin::exports::millstream::plugin::plugin::Fields as Wit;
    let operators = found.operators.into_iter().map(|operator| super::port::Operator {
        name: operator.name,
        kind: operator.kind,
        docs: operator.docs,
        reads: super::port::Fields {
            key: operator.reads.contains(Wit::KEY),
            value: operator.reads.contains(Wit::VALUE),
            timestamp: operator.reads.contains(Wit::TIMESTAMP),
            headers: operator.reads.contains(Wit::HEADERS),
        },
        outputs: operator.outputs,
        stores: operator.stores.into_iter().map(|store| store.name).collect(),
        params_schema: operator.params_schema,
        properties: operator.properties,
    });
    Description { operators: operators.collect(), name: found.name, version: found.version, sdk: found.sdk }
}

/// Resolves a component's imports; what is missing is named.
pub(super) fn link(component: &Component) -> wasmtime::Result<InstancePre<State>> {
    let mut linker = wasmtime::component::Linker::new(component.engine());
    types::add_to_linker::<State, wasmtime::component::HasSelf<State>>(&mut linker, |state| state)?;
    log::add_to_linker::<State, wasmtime::component::HasSelf<State>>(&mut linker, |state| state)?;
    linker.instantiate_pre(component)
}
