//! One plugin inside one task.

use super::bindings::fold::exports::millstream::plugin::fold as wit_fold;
use super::bindings::fold::{FoldPart, FoldPartIndices};
use super::bindings::imports::millstream::plugin::{log, types};
use super::bindings::plugin::exports::millstream::plugin::plugin as wit_plugin;
use super::bindings::plugin::{PluginPart, PluginPartIndices};
use super::bindings::transform::{TransformPart, TransformPartIndices};
use super::engine::{Ticking, ticks};
use super::limits::Limits;
use super::log::Log;
use super::overtime::thread_time;
use super::port::{
    CallError, Cells, Columns, Description, Failure, Fields, Folded, Instance, Node, Operator, Outcome, Plugin, Reply,
    Steps,
};
use super::state::State;
use super::{trap, wasi};
use std::sync::Arc;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Store, UpdateDeadline};

/// A plugin that was admitted.
pub(super) struct Admitted {
    name: Arc<str>,
    digest: String,
    pub(super) description: Description,
    pre: InstancePre<State>,
    /// Where its exports lie, looked up once.
    plugin: PluginPartIndices,
    transform: Option<TransformPartIndices>,
    fold: Option<FoldPartIndices>,
    limits: Limits,
    log: Arc<Log>,
    /// Keeps the clock going that interrupts its instances.
    _ticking: Arc<Ticking>,
}

/// What is found in every new instance.
struct Parts {
    store: Store<State>,
    plugin: PluginPart,
    transform: Option<TransformPart>,
    fold: Option<FoldPart>,
}

impl Admitted {
    /// Resolves a component's imports and finds its exports; what does not fit is named.
    pub(super) fn new(
        name: &str,
        digest: String,
        component: &Component,
        limits: Limits,
        ticking: Arc<Ticking>,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(component.engine());
        types::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        log::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
        wasi::add_to_linker(&mut linker)?;
        let pre = linker.instantiate_pre(component)?;
        let name: Arc<str> = name.into();
        Ok(Self {
            plugin: PluginPartIndices::new(&pre)?,
            transform: TransformPartIndices::new(&pre).ok(),
            fold: FoldPartIndices::new(&pre).ok(),
            log: Arc::new(Log::new(Arc::clone(&name), limits.log)),
            name,
            digest,
            description: Description::unknown(),
            pre,
            limits,
            _ticking: ticking,
        })
    }

    /// Whether operators can be called through this interface.
    pub(super) fn exports(&self, interface: &str) -> bool {
        match interface {
            "transform" => self.transform.is_some(),
            "fold" => self.fold.is_some(),
            _ => false,
        }
    }

    /// A new instance.
    fn parts(&self) -> Result<Parts, CallError> {
        let mut store = Store::new(self.pre.engine(), State::new(&self.limits, Arc::clone(&self.log)));
        store.limiter(|state| &mut state.account);
        store.set_hostcall_fuel(self.limits.output_bytes);
        store.epoch_deadline_callback(|mut cx| {
            let over = cx.data_mut().overtime.is_over(thread_time());
            Ok(if over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
        });
        store.set_epoch_deadline(ticks(self.limits.deadline_of(0)));
        match self.instantiate(&mut store) {
            Ok((plugin, transform, fold)) => Ok(Parts { store, plugin, transform, fold }),
            Err(error) => Err(trap::classify(&error, store.data_mut(), &self.limits, 0)),
        }
    }

    fn instantiate(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<(PluginPart, Option<TransformPart>, Option<FoldPart>)> {
        let instance = self.pre.instantiate(&mut *store)?;
        let plugin = self.plugin.load(&mut *store, &instance)?;
        let transform = self.transform.as_ref().map(|found| found.load(&mut *store, &instance)).transpose()?;
        let fold = self.fold.as_ref().map(|found| found.load(&mut *store, &instance)).transpose()?;
        Ok((plugin, transform, fold))
    }

    /// Asks a new instance what is inside.
    pub(super) fn describe(&self) -> Result<Description, CallError> {
        let Parts { mut store, plugin, .. } = self.parts()?;
        let found = plugin.millstream_plugin_plugin().call_describe(&mut store);
        found.map(description).map_err(|error| trap::classify(&error, store.data_mut(), &self.limits, 0))
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
        let parts = self.0.parts()?;
        Ok(Box::new(Live { admitted: Arc::clone(&self.0), parts, opened: Vec::new() }))
    }
}

struct Live {
    admitted: Arc<Admitted>,
    parts: Parts,
    opened: Vec<(Node, String, String)>,
}

impl Live {
    /// Gets ready for a call over so many rows.
    fn arm(&mut self, rows: usize) {
        let deadline = self.admitted.limits.deadline_of(rows);
        self.parts.store.set_epoch_deadline(ticks(deadline));
        self.parts.store.data_mut().begin(deadline);
    }

    fn failed(&mut self, error: &wasmtime::Error, rows: usize) -> CallError {
        trap::classify(error, self.parts.store.data_mut(), &self.admitted.limits, rows)
    }

    fn say_open(&mut self, node: Node, operator: &str, params: &str) -> Result<(), CallError> {
        self.arm(0);
        let Parts { store, plugin, .. } = &mut self.parts;
        let opening = wit_plugin::Opening {
            operator: operator.into(),
            params: params.into(),
            outputs: vec!["out".into()],
            properties: Vec::new(),
        };
        let called = plugin.millstream_plugin_plugin().call_open(store, node, &opening);
        match called {
            Ok(opened) => opened.map_err(|reason| CallError::Refused { reason }),
            Err(error) => Err(self.failed(&error, 0)),
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
        self.parts = self.admitted.parts()?;
        let opened = std::mem::take(&mut self.opened);
        let said = opened.iter().try_for_each(|(node, operator, params)| self.say_open(*node, operator, params));
        self.opened = opened;
        said
    }

    fn transform(&mut self, node: Node, batch: &mut Columns) -> Result<Outcome, CallError> {
        let rows = batch.rows();
        self.arm(rows);
        let Parts { store, transform, .. } = &mut self.parts;
        let Some(transform) = transform else { return Err(missing("transform")) };
        let lent = lend(batch);
        let called = transform.millstream_plugin_transform().call_process(store, node, &lent);
        take_back(batch, lent);
        let outcome = called.map(outcome).map_err(|error| self.failed(&error, rows))?;
        outcome.check(rows, 1).map_err(|reason| CallError::Invalid { reason })?;
        Ok(outcome)
    }

    fn fold(
        &mut self,
        node: Node,
        batch: &mut Columns,
        states: &mut Cells,
        steps: &mut Steps,
        reply: Reply,
    ) -> Result<Folded, CallError> {
        let (slots, count) = (states.lengths.len(), steps.slots.len());
        self.arm(count);
        let Parts { store, fold, .. } = &mut self.parts;
        let Some(fold) = fold else { return Err(missing("fold")) };
        let (rows, cells, all_steps) = (lend(batch), lend_cells(states), lend_steps(steps));
        let wanted = match reply {
            Reply::Last => wit_fold::Reply::Last,
            Reply::Every => wit_fold::Reply::Every,
        };
        let called = fold.millstream_plugin_fold().call_fold(store, node, &rows, &cells, &all_steps, wanted);
        take_back(batch, rows);
        *states = Cells { lengths: cells.lengths, bytes: cells.bytes };
        *steps = Steps { actions: all_steps.actions, slots: all_steps.slots, arguments: all_steps.arguments };
        let answer = called.map_err(|error| self.failed(&error, count))?;
        let folded = Folded {
            states: Cells { lengths: answer.states.lengths, bytes: answer.states.bytes },
            failures: answer.failures.into_iter().map(failure).collect(),
        };
        folded.check(slots, count, reply).map_err(|reason| CallError::Invalid { reason })?;
        Ok(folded)
    }

    fn identity(&self) -> (&str, &str) {
        (&self.admitted.name, &self.admitted.digest)
    }
}

/// The columns in the contract's shape, without a copy, until [`take_back`].
fn lend(batch: &mut Columns) -> types::Columns {
    let Columns { timestamps, key_lengths, value_lengths, header_lengths, bytes } = std::mem::take(batch);
    types::Columns { timestamps, key_lengths, value_lengths, header_lengths, bytes }
}

fn take_back(batch: &mut Columns, lent: types::Columns) {
    let types::Columns { timestamps, key_lengths, value_lengths, header_lengths, bytes } = lent;
    *batch = Columns { timestamps, key_lengths, value_lengths, header_lengths, bytes };
}

fn lend_cells(cells: &mut Cells) -> types::Cells {
    let Cells { lengths, bytes } = std::mem::take(cells);
    types::Cells { lengths, bytes }
}

fn lend_steps(steps: &mut Steps) -> wit_fold::Steps {
    let Steps { actions, slots, arguments } = std::mem::take(steps);
    wit_fold::Steps { actions, slots, arguments }
}

fn outcome(answer: types::Outcome) -> Outcome {
    Outcome {
        sources: answer.sources,
        routes: answer.routes,
        timestamps: answer.timestamps,
        key_lengths: answer.key_lengths,
        value_lengths: answer.value_lengths,
        header_lengths: answer.header_lengths,
        bytes: answer.bytes,
        failures: answer.failures.into_iter().map(failure).collect(),
    }
}

fn failure(failure: types::Failure) -> Failure {
    Failure { row: failure.row, reason: failure.reason }
}

fn missing(interface: &str) -> CallError {
    CallError::Invalid { reason: format!("it does not export the interface {interface:?}") }
}

fn description(found: wit_plugin::Description) -> Description {
    use wit_plugin::Fields as Wit;
    let operators = found.operators.into_iter().map(|operator| Operator {
        name: operator.name,
        kind: operator.kind,
        docs: operator.docs,
        reads: Fields {
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
