//! A case, run at several turn sizes and commit points: the results must be equal, and as expected.

use super::case::{Case, CaseError, Commit, InputRecord};
use super::compare::{Difference, Outcome, differences, exactly};
use super::{Driver, TestRecord};
use crate::operator::Stop;
use crate::record::Topic;
use crate::task::{Blueprint, TURN_ROWS_MAX};
use crate::topology::plan::{Emit, StepOp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

/// Records a turn; the last stands for all at once.
const TURNS: [usize; 4] = [1, 2, 7, TURN_ROWS_MAX];

/// Runs cases of one app.
pub struct Trial<'a> {
    blueprint: &'a Blueprint,
}

/// How a case is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    turn: usize,
    commit: Commit,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = if self.commit == Commit::AtEnd { "at the end" } else { "after each record" };
        if self.turn == TURN_ROWS_MAX {
            write!(f, "all records a turn, commit {commit}")
        } else {
            write!(f, "{} a turn, commit {commit}", self.turn)
        }
    }
}

/// What a case came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// Where that is not what was expected.
    pub differences: Vec<Difference>,
    /// Two ways of running it that came to different results, which is never right, and where.
    pub unequal: Option<(Mode, Mode, Vec<Difference>)>,
}

impl<'a> Trial<'a> {
    /// Of the app that this blueprint makes.
    pub const fn new(blueprint: &'a Blueprint) -> Self {
        Self { blueprint }
    }

    /// Runs a case, in an empty directory.
    ///
    /// # Errors
    /// If the case makes no sense. That its expectations are not met is no error.
    pub fn run(&self, case: &Case, directory: &Path) -> Result<Report, CaseError> {
        let records = case.records()?;
        let tape = records.into_iter().enumerate().map(|(number, (input, record))| {
            self.topic(input).map(|topic| (topic, record)).map_err(|what| CaseError::at(number, &what))
        });
        let tape = tape.collect::<Result<Vec<_>, _>>()?;
        let mut first: Option<(Mode, Outcome)> = None;
        for (number, mode) in self.modes(case).into_iter().enumerate() {
            let outcome = self.once(&tape, mode, &directory.join(number.to_string()));
            match &first {
                None => first = Some((mode, outcome)),
                Some((way, before)) => {
                    let found = differences(&exactly(before), &outcome);
                    if !found.is_empty() {
                        let unequal = Some((*way, mode, found));
                        return Ok(Report { outcome, differences: Vec::new(), unequal });
                    }
                }
            }
        }
        let (_, outcome) = first.unwrap_or((Mode { turn: 1, commit: case.commit }, Outcome::default()));
        let differences = case.expect.as_ref().map(|expected| differences(expected, &outcome)).unwrap_or_default();
        Ok(Report { outcome, differences, unequal: None })
    }

    /// All turn sizes; and a commit after each record too where that must not change the results.
    fn modes(&self, case: &Case) -> Vec<Mode> {
        let mut modes: Vec<Mode> = TURNS.iter().map(|turn| Mode { turn: *turn, commit: case.commit }).collect();
        let steps = self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.steps);
        let waits = |op: &StepOp| matches!(op, StepOp::Fold { emit: Emit::OnCommit, .. });
        if case.commit == Commit::AtEnd && !steps.into_iter().any(|step| waits(&step.op)) {
            modes.push(Mode { turn: TURN_ROWS_MAX, commit: Commit::EachRecord });
        }
        modes
    }

    /// The topic that an input names, or that its node reads.
    fn topic(&self, input: &InputRecord) -> Result<Topic, String> {
        let steps = self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.steps);
        let sources: BTreeMap<&str, &Topic> = steps
            .filter_map(|step| match &step.op {
                StepOp::Source { topic, .. } => Some((step.name.as_str(), topic)),
                _ => None,
            })
            .collect();
        match (&input.topic, &input.node) {
            (Some(topic), None) if sources.values().any(|source| source.as_str() == topic) => Ok(Topic::new(topic)),
            (Some(topic), None) => Err(format!("no node reads topic {topic:?}; {}", known(sources.values()))),
            (None, Some(node)) => {
                let topic = sources.get(node.as_str()).map(|topic| (*topic).clone());
                topic.ok_or_else(|| format!("there is no source node {node:?}; {}", known(sources.keys())))
            }
            _ => Err("name a node or a topic, one of them".into()),
        }
    }

    fn once(&self, tape: &[(Topic, TestRecord)], mode: Mode, directory: &Path) -> Outcome {
        let mut outcome =
            Outcome { dead_letter_topic: self.blueprint.plan.dead_letter_topic.clone(), ..Outcome::default() };
        if let Err(stop) = self.drive(tape, mode, directory, &mut outcome) {
            outcome.stopped = Some(stop.to_string());
        }
        outcome
    }

    fn drive(
        &self,
        tape: &[(Topic, TestRecord)],
        mode: Mode,
        directory: &Path,
        outcome: &mut Outcome,
    ) -> Result<(), Stop> {
        let mut driver = Driver::new(directory, self.blueprint.clone())?;
        for (number, (topic, record)) in tape.iter().enumerate() {
            driver.send(topic, record)?;
            // Between topics a task goes by timestamps, and a tape goes by its order.
            let last = tape.get(number + 1).is_none_or(|(next, _)| next != topic);
            if last || mode.commit == Commit::EachRecord {
                driver.settle(mode.turn)?;
            }
        }
        outcome.outputs = driver.outputs()?;
        for store in self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.stores) {
            outcome.stores.insert(store.name.clone(), driver.rows(&store.name)?);
        }
        outcome.dropped = driver.tally().dropped;
        outcome.dead_letters = driver.tally().dead_letters;
        Ok(())
    }
}

fn known(names: impl Iterator<Item = impl fmt::Display>) -> String {
    let names: BTreeSet<String> = names.map(|name| name.to_string()).collect();
    format!("there is {}", names.into_iter().collect::<Vec<_>>().join(", "))
}
