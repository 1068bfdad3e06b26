//! Tasks whose plugins are late: they take few records at a time, in transactions of their own, until calls are in time again.
//!
//! To find the records on which a plugin loops, calls over ever fewer of them are let run into their deadlines. That may take
//! longer than a transaction may be open, or a member of a group may be away; it would then be done again and again.

use super::{Owned, Worker};
use crate::operator::Stop;
use crate::task::Task;
use std::time::Duration;

/// For how long calls may be late in one turn: half of what Kafka lets a transaction be open, by the deadlines that were not
/// kept; the calls themselves may take a quarter more.
const LATE_MAX: Duration = Duration::from_secs(5);
/// By how much the records of a turn are fewer after one that was given up.
const FEWER: usize = 16;
/// By how much they are more after one without a late call.
const MORE: usize = 2;

/// A task that takes few records at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Narrow {
    /// So many a turn.
    rows: usize,
    /// So many when it is over.
    whole: usize,
}

impl Narrow {
    fn fewer(self) -> Self {
        Self { rows: (self.rows / FEWER).max(1), ..self }
    }

    /// None if it is over.
    fn more(self) -> Option<Self> {
        let rows = self.rows * MORE;
        (rows < self.whole).then_some(Self { rows, ..self })
    }
}

impl Worker {
    /// A task is ready, and at work from now on.
    pub(super) fn take_up(&mut self, number: usize, mut task: Task) {
        task.set_late_max(Some(LATE_MAX));
        if let Some(narrow) = self.state.narrow.get(&number) {
            task.set_turn_rows_max(narrow.rows);
        }
        self.state.tasks.push(Owned { number, task });
    }

    /// What waits is committed before a narrow task's turn, which may take longer than a transaction may be open.
    pub(super) fn commit_before_narrow(&mut self, place: usize) -> Result<(), Stop> {
        let task = self.state.tasks.get(place);
        if task.is_some_and(|owned| self.state.narrow.contains_key(&owned.number)) {
            self.commit_first()?;
        }
        Ok(())
    }

    /// Takes back what is not committed, and has the task take fewer records at a time.
    pub(super) fn narrow(&mut self, number: usize, late: &Stop) {
        let owned = self.state.tasks.iter_mut().find(|owned| owned.number == number);
        if let Some(Owned { task, .. }) = owned {
            let whole = task.turn_rows_max();
            let narrow = self.state.narrow.entry(number).or_insert(Narrow { rows: whole, whole });
            *narrow = narrow.fewer();
            task.set_turn_rows_max(narrow.rows);
            let (worker, id, rows) = (self.number, task.id(), narrow.rows);
            tracing::warn!(worker, task = %id, rows, "records are taken fewer at a time until calls are in time again: {late}");
        }
        self.give_up();
    }

    /// After a turn of so many records: with a late call the next one has a transaction of its own, without one it may have
    /// more records.
    pub(super) fn after_turn(&mut self, place: usize, records: usize, late: bool) {
        let Some(Owned { number, task }) = self.state.tasks.get_mut(place) else { return };
        if late {
            let whole = task.turn_rows_max();
            self.state.narrow.entry(*number).or_insert(Narrow { rows: whole, whole });
            return;
        }
        let Some(narrow) = self.state.narrow.get_mut(number).filter(|_| records > 0) else { return };
        if let Some(more) = narrow.more() {
            *narrow = more;
            task.set_turn_rows_max(more.rows);
        } else {
            task.set_turn_rows_max(narrow.whole);
            self.state.narrow.remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_comes_down_to_one_record_and_up_to_all() {
        let all = Narrow { rows: 1024, whole: 1024 };
        let rows = [all.fewer(), all.fewer().fewer(), all.fewer().fewer().fewer()].map(|narrow| narrow.rows);
        assert_eq!(rows, [64, 4, 1]);
        let mut narrow = Narrow { rows: 1, whole: 1024 };
        let ups = std::iter::from_fn(|| {
            narrow = narrow.more()?;
            Some(narrow.rows)
        });
        assert_eq!(ups.collect::<Vec<_>>(), [2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(Narrow { rows: 1, whole: 1 }.fewer(), Narrow { rows: 1, whole: 1 });
    }
}
