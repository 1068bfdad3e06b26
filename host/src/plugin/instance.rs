//! One plugin inside one task.

use super::bindings::fold::exports::millstream::plugin::fold as wit_fold;
use super::bindings::imports::millstream::plugin::{log, types};
use super::bindings::plugin::exports::millstream::plugin::plugin as wit_plugin;
use super::bindings::plugin::{PluginPart, PluginPartIndices};
use super::engine::{Ticking, ticks};
use super::limits::Limits;
use super::log::Log;
use super::lower::{Batch, lend, own, take_back};
use super::overtime::thread_time;
use super::port::{
    CallError, Cells, Columns, Description, Failure, Fields, Folded, Instance, Node, Operator, Outcome, Plugin, Reply,
    Schema, Steps,
};
use super::state::State;
use super::{trap, wasi};
use std::sync::Arc;
use wasmtime::component::{Component, ComponentExportIndex, HasSelf, InstancePre, Linker, TypedFunc};
use wasmtime::{Store, UpdateDeadline};

/// A plugin that was admitted.
pub(super) struct Admitted {
    name: Arc<str>,
    digest: String,
    pub(super) description: Description,
    pre: InstancePre<State>,
    /// Where its exports lie, looked up once.
    plugin: PluginPartIndices,
    transform: Option<ComponentExportIndex>,
    fold: Option<ComponentExportIndex>,
    limits: Limits,
    log: Arc<Log>,
    /// Keeps the clock going that interrupts its instances.
    _ticking: Arc<Ticking>,
}

/// What is found in every new instance.
struct Parts {
    store: Store<State>,
    exports: Exports,
}

/// A stateless operator over a batch.
type Transform = TypedFunc<(u32, Arc<Batch>), (types::Outcome,)>;
/// A fold over a batch.
type Fold = TypedFunc<(u32, Arc<Batch>, Arc<types::Cells>, Arc<wit_fold::Steps>, wit_fold::Reply), (wit_fold::Folded,)>;

/// What can be called.
struct Exports {
    plugin: PluginPart,
    transform: Option<Transform>,
    fold: Option<Fold>,
}

/// The contract's interfaces through which operators are called, and the function of each.
const TRANSFORM: (&str, &str) = ("millstream:plugin/transform@0.1.0", "process");
const FOLD: (&str, &str) = ("millstream:plugin/fold@0.1.0", "fold");

fn find(component: &Component, (interface, function): (&str, &str)) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, interface)?;
    component.get_export_index(Some(&interface), function)
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
            transform: find(component, TRANSFORM),
            fold: find(component, FOLD),
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
            Ok(exports) => Ok(Parts { store, exports }),
            Err(error) => Err(trap::classify(&error, store.data_mut(), &self.limits, 0)),
        }
    }

    fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Exports> {
        let instance = self.pre.instantiate(&mut *store)?;
        let plugin = self.plugin.load(&mut *store, &instance)?;
        let transform = self.transform.map(|index| instance.get_typed_func(&mut *store, index)).transpose()?;
        let fold = self.fold.map(|index| instance.get_typed_func(&mut *store, index)).transpose()?;
        Ok(Exports { plugin, transform, fold })
    }

    /// Asks a new instance what is inside.
    pub(super) fn describe(&self) -> Result<Description, CallError> {
        let Parts { mut store, exports } = self.parts()?;
        let found = exports.plugin.millstream_plugin_plugin().call_describe(&mut store);
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
        let Parts { store, exports } = &mut self.parts;
        let opening = wit_plugin::Opening {
            operator: operator.into(),
            params: params.into(),
            outputs: vec!["out".into()],
            properties: Vec::new(),
        };
        let called = exports.plugin.millstream_plugin_plugin().call_open(store, node, &opening);
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
        let Parts { store, exports } = &mut self.parts;
        let Some(transform) = &exports.transform else { return Err(missing("transform")) };
        let lent = lend(batch);
        let called = transform.call(store, (node, Arc::clone(&lent)));
        *batch = take_back(lent);
        let outcome = called.map(|(answer,)| outcome(answer)).map_err(|error| self.failed(&error, rows))?;
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
        let Parts { store, exports } = &mut self.parts;
        let Some(fold) = &exports.fold else { return Err(missing("fold")) };
        let wanted = match reply {
            Reply::Last => wit_fold::Reply::Last,
            Reply::Every => wit_fold::Reply::Every,
        };
        let (rows, cells, all_steps) = (lend(batch), lend_cells(states), lend_steps(steps));
        let arguments = (node, Arc::clone(&rows), Arc::clone(&cells), Arc::clone(&all_steps), wanted);
        let called = fold.call(store, arguments);
        *batch = take_back(rows);
        *states = take_back_states(cells);
        *steps = take_back_steps(all_steps);
        let (answer,) = called.map_err(|error| self.failed(&error, count))?;
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

fn lend_cells(cells: &mut Cells) -> Arc<types::Cells> {
    let Cells { lengths, bytes } = std::mem::take(cells);
    Arc::new(types::Cells { lengths, bytes })
}

fn take_back_states(lent: Arc<types::Cells>) -> Cells {
    let types::Cells { lengths, bytes } = own(lent);
    Cells { lengths, bytes }
}

fn lend_steps(steps: &mut Steps) -> Arc<wit_fold::Steps> {
    let Steps { actions, slots, arguments } = std::mem::take(steps);
    Arc::new(wit_fold::Steps { actions, slots, arguments })
}

fn take_back_steps(lent: Arc<wit_fold::Steps>) -> Steps {
    let wit_fold::Steps { actions, slots, arguments } = own(lent);
    Steps { actions, slots, arguments }
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
    Failure { row: failure.row, class: failure.class, reason: failure.reason }
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
        state: operator.state.map(|state| Schema { name: state.name, version: state.version }),
        stores: operator.stores.into_iter().map(|store| store.name).collect(),
        params_schema: operator.params_schema,
        properties: operator.properties,
    });
    Description { operators: operators.collect(), name: found.name, version: found.version, sdk: found.sdk }
}
