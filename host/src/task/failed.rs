//! Failures that do not stop the app, for those who tell of them.

use super::origins::Origins;
use crate::operator::Failure;
use crate::record::{Offset, TopicPartition};
use crate::topology::plan::OnError;

/// Failures that a turn tells of one by one, at most: more in a row say nothing new, and their texts are the plugin's,
/// which may be long.
pub const TOLD_MAX: usize = 10;

/// A row that a user's function failed on, and that the node's policy did not stop at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The node.
    pub node: String,
    /// The task's input record that the row came of; none for what was held back until the commit.
    pub input: Option<(TopicPartition, Offset)>,
    /// What became of it.
    pub policy: OnError,
    /// The plugin's name in the manifest.
    pub plugin: String,
    /// The operator's name in the plugin.
    pub operator: String,
    /// What the plugin said.
    pub reason: String,
}

/// The failures of a turn by what became of them.
pub(super) struct Failures {
    pub(super) dead: Vec<Failure>,
    pub(super) skipped: Vec<Failure>,
}

/// The first of them, and how many more there are.
pub(super) fn told(failures: Failures, origins: &Origins) -> (Vec<Failed>, usize) {
    let Failures { dead, skipped } = failures;
    let count = dead.len() + skipped.len();
    let dead = dead.into_iter().map(|failure| (failure, OnError::DeadLetter));
    let all = dead.chain(skipped.into_iter().map(|failure| (failure, OnError::Skip)));
    let told: Vec<Failed> = all
        .take(TOLD_MAX)
        .map(|(failure, policy)| Failed {
            node: failure.node,
            input: origins.place(failure.row.origin),
            policy,
            plugin: failure.plugin.0,
            operator: failure.operator,
            reason: failure.reason,
        })
        .collect();
    let more = count - told.len();
    (told, more)
}
