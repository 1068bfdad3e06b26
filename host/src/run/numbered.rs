//! A membership of a group whose task topic is wider than there are tasks: partitions cannot be taken away from a topic,
//! and a topology may come to have fewer tasks than it had.

use crate::transport::kafka::Membership;
use crate::transport::{Change, Coordinator, TransportError};

/// Leaves out what is no task.
pub(super) struct Numbered {
    pub(super) membership: Membership,
    /// How many tasks there are.
    pub(super) tasks: usize,
}

impl Coordinator for Numbered {
    fn poll(&mut self) -> Result<Option<Change>, TransportError> {
        let mut change = self.membership.poll()?;
        if let Some(Change::Assigned { tasks, .. } | Change::Revoked { tasks, .. } | Change::Lost { tasks }) =
            &mut change
        {
            tasks.retain(|task| *task < self.tasks);
        }
        Ok(change)
    }

    fn done(&mut self) -> Result<(), TransportError> {
        self.membership.done()
    }

    fn standbys(&mut self) -> Option<Vec<usize>> {
        self.membership.standbys()
    }

    fn waits_for_copies(&self) -> bool {
        self.membership.waits_for_copies()
    }

    fn tell_behind(&mut self, records: u64) {
        self.membership.tell_behind(records);
    }

    fn is_settled(&mut self, own: &[usize]) -> bool {
        self.membership.is_settled(own, self.tasks)
    }

    fn leave(&mut self) {
        self.membership.leave();
    }
}
