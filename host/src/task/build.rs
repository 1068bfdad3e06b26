//! From a plan to a task that runs it.

use super::origins::Origins;
use super::outbox::SinkTopic;
use super::{ChangelogOf, Input, Outbox, Step, Task, TaskId};
use crate::operator::{
    Ahead, Caller, Context, Effects, Folder, Function, GroupTable, Merge, Operator, Sink, Split, Stop, Table,
    TableFilter, TableMapValues, Transform, Use,
};
use crate::plugin::port::{CallError, Instance, Node, Plugin};
use crate::record::batch::{BatchBuilder, Compression};
use crate::record::{Row, Topic, TopicPartition, Turn};
use crate::store::KeyValueStore;
use crate::topology::plan::{Call, Fold, OnError, Payload, Plan, Step as Planned, StepOp, StoreSpec, Target};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that tasks of an app are made from.
#[derive(Clone)]
pub struct Blueprint {
    /// The plan.
    pub plan: Arc<Plan>,
    /// Its plugins by the manifest's names, admitted.
    pub plugins: BTreeMap<String, Arc<dyn Plugin>>,
}

/// What one task gets to work with.
pub struct Assembly {
    /// Its stores, in the order of the plan.
    pub stores: Vec<KeyValueStore>,
    /// Its input partitions.
    pub inputs: Vec<Input>,
    /// Most records a turn takes, 1 to [`super::TURN_ROWS_MAX`].
    pub turn_rows_max: usize,
}

/// A source of a subtopology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The topic.
    pub topic: Topic,
    /// Index of its step.
    pub step: usize,
    /// How its values are read.
    pub payload: Payload,
}

impl Blueprint {
    /// The topics that a subtopology reads.
    pub fn sources(&self, subtopology: usize) -> Vec<Source> {
        let steps = self.plan.subtopologies.get(subtopology).map_or(&[][..], |subtopology| &subtopology.steps);
        let source = |(step, planned): (usize, &Planned)| match &planned.op {
            StepOp::Source { topic, payload } => Some(Source { topic: topic.clone(), step, payload: *payload }),
            _ => None,
        };
        steps.iter().enumerate().filter_map(source).collect()
    }

    /// The stores of a subtopology's tasks.
    pub fn stores(&self, subtopology: usize) -> &[StoreSpec] {
        self.plan.subtopologies.get(subtopology).map_or(&[][..], |subtopology| &subtopology.stores)
    }

    /// How many aggregates read a topic.
    fn folds_of(&self, topic: &Topic) -> u64 {
        let reads = |read: &Planned| matches!(&read.op, StepOp::Source { topic: read, .. } if read == topic);
        let folds = |steps: &[Planned]| {
            let fold = |step: &&Planned| matches!(step.op, StepOp::Fold { .. });
            let inputs = steps.iter().filter(fold).flat_map(|fold| &fold.inputs);
            inputs.filter(|input| steps.get(input.step).is_some_and(reads)).count() as u64
        };
        self.plan.subtopologies.iter().map(|part| folds(&part.steps)).sum()
    }

    /// Name of a store's changelog topic.
    pub fn changelog(&self, store: &str) -> Topic {
        Topic::new(&format!("{}-{store}-changelog", self.plan.app))
    }

    /// Makes a task.
    ///
    /// # Errors
    /// [`Stop::Plugin`] if a plugin cannot be instantiated or refuses its parameters.
    pub fn task(&self, id: TaskId, assembly: Assembly) -> Result<Task, Stop> {
        let mut builder =
            Builder { blueprint: self, plugins: Vec::new(), names: Vec::new(), nodes: 0, sinks: Vec::new() };
        let planned = self.plan.subtopologies.get(id.subtopology).map_or(&[][..], |subtopology| &subtopology.steps);
        let mut steps = Vec::with_capacity(planned.len());
        for step in planned {
            let operator = builder.operator(step)?;
            let splits = matches!(step.op, StepOp::Split { .. });
            steps.push(Step { operator, inputs: step.inputs.clone(), readers: readers(planned, steps.len()), splits });
        }
        let Assembly { stores, inputs, turn_rows_max } = assembly;
        let Builder { plugins, sinks, .. } = builder;
        Ok(Task {
            id,
            outputs: steps.iter().map(|step| vec![Vec::new(); step.readers.len()]).collect(),
            steps,
            committed: inputs.iter().map(|input| input.position).collect(),
            inputs,
            changelogs: self.changelogs(id),
            stores,
            plugins,
            sinks: sinks.into_iter().map(SinkTopic::new).collect(),
            dead_letter_topic: self.plan.dead_letter_topic.clone(),
            meets: meets(planned),
            outbox: Outbox::default(),
            turn: Turn::default(),
            origins: Origins::default(),
            effects: Effects::default(),
            turn_rows_max,
            late_max: None,
        })
    }

    fn changelogs(&self, id: TaskId) -> Vec<Option<ChangelogOf>> {
        let stores = self.stores(id.subtopology);
        let changelog = |name: &str| ChangelogOf {
            partition: TopicPartition::new(self.changelog(name), id.partition),
            builder: BatchBuilder::new(Compression::None),
        };
        stores.iter().map(|store| store.changelog.then(|| changelog(&store.name))).collect()
    }
}

/// A task in the making.
struct Builder<'a> {
    blueprint: &'a Blueprint,
    plugins: Vec<Box<dyn Instance>>,
    names: Vec<&'a str>,
    nodes: Node,
    sinks: Vec<Topic>,
}

impl<'a> Builder<'a> {
    fn operator(&mut self, step: &'a Planned) -> Result<Box<dyn Operator>, Stop> {
        Ok(match &step.op {
            StepOp::Source { .. } => Box::new(Received),
            StepOp::Merge => Box::new(Merge),
            StepOp::Table { store } => Box::new(Table { store: *store }),
            StepOp::Transform { kind, call } => Box::new(Transform::new(*kind, self.caller(call, step)?)),
            StepOp::TableFilter { call, keep, store, olds } => {
                Box::new(TableFilter { caller: self.caller(call, step)?, keep: *keep, store: *store, olds: *olds })
            }
            StepOp::TableMapValues { call, store, olds } => {
                Box::new(TableMapValues { caller: self.caller(call, step)?, store: *store, olds: *olds })
            }
            StepOp::Split { predicates, default } => {
                let predicates = predicates.iter().map(|call| self.caller(call, step)).collect::<Result<_, _>>()?;
                Box::new(Split::new(predicates, *default))
            }
            StepOp::GroupTable { call } => {
                let caller = call.as_ref().map(|call| self.caller(call, step)).transpose()?;
                Box::new(GroupTable::new(caller))
            }
            StepOp::Fold { fold, store, emit, rows } => {
                let function = match fold {
                    Fold::Count(format) => Function::Count(*format),
                    Fold::Call(call) => Function::Guest(self.caller(call, step)?),
                };
                Box::new(Folder::new(function, *store, *emit, *rows))
            }
            StepOp::Sink { target: Target::Repartition { topic, payload: Payload::Count } } => {
                Box::new(Ahead::new(self.sink(topic), self.blueprint.folds_of(topic)))
            }
            StepOp::Sink { target } => Box::new(match target {
                Target::Topic(topic) => Sink::Topic(self.sink(topic)),
                Target::Call(call) => Sink::Chosen(self.caller(call, step)?),
                Target::Repartition { topic, payload } => Sink::Repartition(self.sink(topic), *payload),
            }),
        })
    }

    fn sink(&mut self, topic: &Topic) -> u32 {
        let place = self.sinks.iter().position(|sink| sink == topic).unwrap_or_else(|| {
            self.sinks.push(topic.clone());
            self.sinks.len() - 1
        });
        #[expect(clippy::cast_possible_truncation, reason = "a plan has far fewer than 2^32 steps")]
        let place = place as u32;
        place
    }

    /// Opens an operator on the task's instance of its plugin.
    fn caller(&mut self, call: &'a Call, step: &Planned) -> Result<Caller, Stop> {
        let failed = |error| Stop::Plugin { node: step.name.clone(), error };
        let missing = |what: String| failed(CallError::Refused { reason: what });
        let plugin = self.blueprint.plugins.get(&call.plugin);
        let plugin = plugin.ok_or_else(|| missing(format!("there is no plugin {:?}", call.plugin)))?;
        let operators = &plugin.description().operators;
        let operator = operators.iter().find(|operator| operator.name == call.operator);
        let operator = operator.ok_or_else(|| missing(format!("there is no operator {:?}", call.operator)))?;
        let index = self.instance(call, plugin.as_ref()).map_err(failed)?;
        let node = self.nodes;
        self.nodes += 1;
        if let Some(instance) = self.plugins.get_mut(index) {
            instance.open(node, &call.operator, &call.params.to_string()).map_err(failed)?;
        }
        Ok(Caller::new(Use {
            plugin: index,
            node,
            reads: operator.reads,
            each: operator.each(),
            name: step.name.clone(),
            operator: call.operator.clone(),
            policy: step.on_error,
        }))
    }

    fn instance(&mut self, call: &'a Call, plugin: &dyn Plugin) -> Result<usize, CallError> {
        if let Some(index) = self.names.iter().position(|name| *name == call.plugin) {
            return Ok(index);
        }
        self.plugins.push(plugin.instantiate()?);
        self.names.push(&call.plugin);
        Ok(self.plugins.len() - 1)
    }
}

/// A source step: its rows are there when the turn begins.
struct Received;

impl Operator for Received {
    fn run(&mut self, _rows: &[Row], _cx: &mut Context<'_>, _outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        Ok(())
    }
}

/// For each output of the step how many inputs read it; at least one output.
fn readers(steps: &[Planned], step: usize) -> Vec<u32> {
    let outputs = match steps.get(step).map(|step| &step.op) {
        Some(StepOp::Split { predicates, default }) => predicates.len() + usize::from(*default),
        _ => 1,
    };
    let count = |output| {
        let reads = steps.iter().flat_map(|step| &step.inputs);
        reads.filter(|input| input.step == step && input.output == output).count()
    };
    #[expect(clippy::cast_possible_truncation, reason = "a plan has far fewer than 2^32 steps")]
    (0..outputs).map(|output| count(output) as u32).collect()
}

/// Whether rows that went different ways meet again: in a step of several inputs, in a topic that several sinks write,
/// or in the dead-letter topic. Only then must rows note which way they went.
fn meets(steps: &[Planned]) -> bool {
    let sinks: Vec<&Target> = steps
        .iter()
        .filter_map(|step| if let StepOp::Sink { target } = &step.op { Some(target) } else { None })
        .collect();
    let chosen = sinks.iter().any(|target| matches!(target, Target::Call(_)));
    let shared = sinks.iter().enumerate().any(|(index, target)| sinks.iter().take(index).any(|other| other == target));
    let letters = steps.iter().filter(|step| step.on_error == OnError::DeadLetter).count();
    let spread = steps.iter().enumerate().any(|(index, _)| readers(steps, index).iter().sum::<u32>() > 1);
    let merged = steps.iter().any(|step| step.inputs.len() > 1);
    spread && (merged || shared || (chosen && sinks.len() > 1) || letters > 1)
}
