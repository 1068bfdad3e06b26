//! The numbers of tasks: groups and workers share them by these.

use super::{App, RunError};
use crate::record::Partition;
use crate::task::TaskId;
use crate::transport::Transport;
use std::sync::Arc;

impl App {
    /// The tasks, in the order of their numbers.
    pub(super) fn task_ids(&self, log: &mut dyn Transport) -> Result<Arc<[TaskId]>, RunError> {
        let parts = 0..self.blueprint.plan.subtopologies.len();
        let widths = parts.map(|part| Ok(self.width(part, log)?.unwrap_or(0))).collect::<Result<Vec<_>, RunError>>()?;
        Ok(numbered(&widths).into())
    }
}

/// The tasks of subtopologies of these widths, in the order of their numbers: partition by partition, the subtopologies to
/// and fro. Whoever gets a stretch of them, or every second one, gets as many of each subtopology, and so its part of the
/// work and of the stores; groups and workers share them so.
fn numbered(widths: &[i32]) -> Vec<TaskId> {
    let of = |partition: i32| {
        let mut parts: Vec<usize> = (0..widths.len()).collect();
        if partition % 2 == 1 {
            parts.reverse();
        }
        let has = move |part: &usize| widths.get(*part).is_some_and(|width| partition < *width);
        parts
            .into_iter()
            .filter(has)
            .map(move |subtopology| TaskId { subtopology, partition: Partition::new(partition) })
    };
    (0..widths.iter().copied().max().unwrap_or(0)).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn half_of_the_tasks_are_half_of_each_subtopology() {
        let tasks = numbered(&[4, 4]);
        let names: Vec<String> = tasks.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["0_0", "1_0", "1_1", "0_1", "0_2", "1_2", "1_3", "0_3"]);
        let of_the_first = |tasks: &mut dyn Iterator<Item = usize>| tasks.filter(|part| *part == 0).count();
        let part = |place: usize| tasks[place].subtopology;
        assert_eq!(of_the_first(&mut (0..4).map(part)), 2);
        assert_eq!(of_the_first(&mut (4..8).map(part)), 2);
        assert_eq!(of_the_first(&mut (0..8).step_by(2).map(part)), 2);
        assert_eq!(of_the_first(&mut (1..8).step_by(2).map(part)), 2);
    }

    #[test]
    fn every_task_has_a_number() {
        let names: Vec<String> = numbered(&[1, 3, 0]).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["0_0", "1_0", "1_1", "1_2"]);
        assert!(numbered(&[]).is_empty());
    }
}
