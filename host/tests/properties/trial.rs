//! Many runs: their plugin, their database, their seed, and what they have covered.

use crate::driver::{Cuts, Driver, Left};
use crate::generate::{Case, Grown};
use crate::ground::Ground;
use crate::guests;
use crate::native::Native;
use crate::seed::seed;
use millstream::plugin::port::Plugin;
use millstream::plugin::{Compiler, Limits, Plugins};
use millstream::topology::plan::{Payload, Plan, Step, StepOp, Target};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestRunner};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use crate::driver::Seen;

/// Every op of the vocabulary.
const OPS: [&str; 20] = [
    "aggregate",
    "count",
    "filter",
    "filter-not",
    "flat-map",
    "flat-map-values",
    "group-by",
    "group-by-key",
    "map",
    "map-values",
    "merge",
    "peek",
    "reduce",
    "repartition",
    "select-key",
    "split",
    "stream",
    "table",
    "to",
    "to-stream",
];

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) left: Left,
    pub(crate) dropped: u64,
}

pub(crate) struct Trial {
    plugin: Arc<dyn Plugin>,
    ground: RefCell<Ground>,
    /// How often each op ran, each kind of crash came, and how many records were read.
    ops: RefCell<BTreeMap<String, usize>>,
    crashes: RefCell<BTreeMap<&'static str, usize>>,
    /// Records that went into topics of counts, and for how many they stand.
    counted: RefCell<(usize, usize)>,
    records: RefCell<usize>,
}

impl Trial {
    fn new(plugin: Arc<dyn Plugin>) -> Self {
        Self {
            plugin,
            ground: RefCell::new(Ground::new()),
            ops: RefCell::default(),
            crashes: RefCell::default(),
            counted: RefCell::default(),
            records: RefCell::default(),
        }
    }

    pub(crate) fn native() -> Self {
        Self::new(Arc::new(Native::new()))
    }

    /// With the plugin of the conformance tests.
    pub(crate) fn compiled() -> Self {
        let bytes = std::fs::read(guests::built("conformance")).expect("the plugin can be read");
        let compiler = Compiler::at(env!("CARGO_BIN_EXE_millstream"));
        let admitted = Plugins::new(compiler, None).admit("f", &bytes, Limits::default());
        Self::new(admitted.expect("the plugin is admitted"))
    }

    /// Goes through so many cases with a seed that is printed.
    pub(crate) fn check<S: Strategy>(&self, cases: u32, strategy: &S, property: impl Fn(S::Value) -> TestCaseResult) {
        let seed = seed();
        let mut config = Config { max_global_rejects: 100_000, failure_persistence: None, ..Config::default() };
        config.rng_seed = RngSeed::Fixed(seed);
        if std::env::var_os("PROPTEST_CASES").is_none() {
            config.cases = cases;
        }
        println!("{} cases, MILLSTREAM_SEED={seed}", config.cases);
        if let Err(error) = TestRunner::new(config).run(strategy, property) {
            panic!("{error}");
        }
        println!(
            "{} records read, {:?}, crashes {:?}",
            self.records.borrow(),
            self.ops.borrow(),
            self.crashes.borrow()
        );
    }

    /// The name of the next run's app.
    pub(crate) fn app(&self) -> String {
        self.ground.borrow_mut().app()
    }

    /// Runs a case; a topology in which the order of tasks matters is no case.
    pub(crate) fn run(&self, case: &Case, cuts: &Cuts) -> Result<Ran, TestCaseError> {
        let plan = Grown::new(case, &self.app()).plan().ok_or_else(|| TestCaseError::reject("order"))?;
        Ok(self.run_plan(&plan, case, cuts))
    }

    pub(crate) fn run_plan(&self, plan: &Plan, case: &Case, cuts: &Cuts) -> Ran {
        for spec in Grown::new(case, &plan.app).specs {
            let op = spec.fields["op"].0.as_str().expect("an op").to_owned();
            *self.ops.borrow_mut().entry(op).or_default() += 1;
        }
        let ground = &mut *self.ground.borrow_mut();
        let mut driver = Driver::new(plan, &self.plugin, case, ground);
        driver.run(cuts);
        *self.records.borrow_mut() += driver.records;
        for (crash, times) in &driver.crashed {
            *self.crashes.borrow_mut().entry(crash).or_default() += times;
        }
        let left = driver.left();
        let counts = left.topics.iter().filter(|((topic, _), _)| topic.ends_with("-counts-repartition"));
        for (_, _, value, _) in counts.flat_map(|(_, records)| records) {
            // A run that counts nothing ahead has values there.
            let number = value.as_deref().map_or(0, number);
            let counted = &mut *self.counted.borrow_mut();
            *counted = (counted.0 + usize::from(number > 0), counted.1 + number);
        }
        Ran { left, dropped: driver.dropped }
    }

    /// Fails if hardly anything was counted before it was written: then nothing is known about that.
    pub(crate) fn covered_counting_ahead(&self) {
        let (records, stand_for) = *self.counted.borrow();
        println!("{stand_for} records were counted into {records}");
        assert!(records >= 500 && stand_for > records + 50, "{stand_for} records were counted into {records}");
    }

    /// Fails if an op was never there: then nothing is known about it.
    pub(crate) fn covered_all_ops(&self) {
        let missing: Vec<_> = OPS.iter().filter(|op| !self.ops.borrow().contains_key(**op)).collect();
        assert!(missing.is_empty(), "no case had {missing:?}");
    }

    /// Fails if a kind of crash hardly ever came.
    pub(crate) fn covered_all_crashes(&self) {
        let crashes = self.crashes.borrow();
        assert!(crashes.len() == 4 && crashes.values().all(|times| *times >= 10), "only {crashes:?} came");
    }
}

/// A number of records, whose bytes are escaped: small ones are all that a tape makes.
fn number(escaped: &str) -> usize {
    (1..=u8::MAX).find(|byte| [0, 0, 0, 0, 0, 0, 0, *byte].escape_ascii().to_string() == escaped).map_or(0, usize::from)
}

/// The plan without counting ahead: the same topics hold records, and counts count them.
pub(crate) fn record_by_record(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    for step in plan.subtopologies.iter_mut().flat_map(|part| &mut part.steps) {
        if let StepOp::Source { payload, .. }
        | StepOp::Fold { rows: payload, .. }
        | StepOp::Sink { target: Target::Repartition { payload, .. } } = &mut step.op
            && *payload == Payload::Count
        {
            *payload = Payload::Plain;
        }
    }
    plan
}

/// Without what lies between the tasks that count ahead.
pub(crate) fn but_for_counts(mut left: Left) -> Left {
    left.topics.retain(|(topic, _), _| !topic.ends_with("-counts-repartition"));
    left.offsets.retain(|(topic, _), _| !topic.ends_with("-counts-repartition"));
    left
}

/// Compares topic by topic, so that a failure names the one that differs; changelogs only where commits are the same.
pub(crate) fn same(found: &Left, expected: &Left, commits: bool, what: &str) -> TestCaseResult {
    for (at, records) in &expected.topics {
        prop_assert_eq!(found.topics.get(at), Some(records), "{}: topic {:?}", what, at);
    }
    prop_assert_eq!(found.topics.len(), expected.topics.len());
    prop_assert_eq!(&found.stores, &expected.stores, "{}: stores", what);
    prop_assert_eq!(&found.offsets, &expected.offsets, "{}: offsets", what);
    if commits {
        prop_assert_eq!(&found.changelogs, &expected.changelogs, "{}: changelogs", what);
    }
    Ok(())
}

/// The topics that the tasks of each subtopology read, in the order in which they run.
pub(crate) fn tasks(plan: &Plan) -> Vec<Vec<String>> {
    let topic = |step: &Step| match &step.op {
        StepOp::Source { topic, .. } => Some(topic.as_str().to_owned()),
        _ => None,
    };
    plan.subtopologies.iter().map(|part| part.steps.iter().filter_map(topic).collect()).collect()
}

/// Headers of dead letters that do not depend on the host's own words.
const TOLD: [&str; 4] =
    ["__streams.errors.topic", "__streams.errors.partition", "__streams.errors.offset", "__millstream.errors.node"];

/// Letters without the host's own words; those of one input record lie in no order that matters.
pub(crate) fn plain(mut letters: Vec<Seen>) -> Vec<Seen> {
    let told = |name: &str| !name.starts_with("__") || TOLD.contains(&name);
    letters.iter_mut().for_each(|letter| letter.3.retain(|(name, _)| told(name)));
    let place = |letter: &Seen| {
        let of = |wanted: &str| letter.3.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.clone());
        TOLD[..3].iter().map(|name| of(name)).collect::<Vec<_>>()
    };
    letters.chunk_by_mut(|a, b| place(a) == place(b)).for_each(|of_one_record| of_one_record.sort());
    letters
}
