//! Who works on which task: the port, and the coordinator of a process that is alone.

use super::TransportError;
use std::collections::VecDeque;

/// Under which membership records were taken: a commit that names another one is refused by the group. It is captured
/// with the assignment, because what is asked for at the commit belongs to whoever is a member by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The group's generation.
    pub generation: i32,
    /// The member's id.
    pub member: Box<str>,
}

impl Fence {
    /// Whether a group would check it: a broker takes commits of generation -1 and of nobody from anyone.
    pub fn is_sound(&self) -> bool {
        self.generation >= 0 && !self.member.is_empty()
    }
}

/// What changed for a member. Tasks are numbers, counted from 0, in the order of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It gets these tasks, maybe none; what it keeps goes on under the new fence. None: there is nobody to fence.
    Assigned {
        /// The tasks.
        tasks: Vec<usize>,
        /// The membership from now on.
        fence: Option<Fence>,
    },
    /// It has to give these up: their work is committed first.
    Revoked {
        /// The tasks.
        tasks: Vec<usize>,
        /// The membership under which it is committed.
        fence: Option<Fence>,
    },
    /// Others may work on these already: nothing of them may be committed.
    Lost {
        /// The tasks.
        tasks: Vec<usize>,
    },
}

/// A worker's membership.
pub trait Coordinator: Send {
    /// The next change, without waiting; none if nothing changed. Must be called often: who does not ask is taken for
    /// dead. After each change, [`Coordinator::done`] is called before the next.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn poll(&mut self) -> Result<Option<Change>, TransportError>;

    /// The last change is carried out: what was revoked is free for others.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn done(&mut self) -> Result<(), TransportError>;

    /// The tasks of which a copy is to be kept warm, if they are others than when it was last asked.
    fn standbys(&mut self) -> Option<Vec<usize>> {
        None
    }

    /// Whether the worker becomes a member only when its copies are nearly up to date: by how many records they are not it
    /// says by [`Coordinator::tell_behind`].
    fn waits_for_copies(&self) -> bool {
        false
    }

    /// The worst of the worker's copies is so many records behind its changelogs.
    fn tell_behind(&mut self, _records: u64) {}

    /// Whether every task is somebody's at the moment, and this worker's are `own`. While tasks are on their way from one
    /// member to another nobody works on them, and who waits for the end of the input must not take that for it.
    fn is_settled(&mut self, _own: &[usize]) -> bool {
        true
    }

    /// Gives up all tasks, which were committed and closed, and leaves.
    fn leave(&mut self);
}

/// The coordinator where nobody else is: all tasks are given out once.
#[derive(Debug)]
pub struct Alone {
    changes: VecDeque<Change>,
}

impl Alone {
    /// For a worker with these tasks.
    pub fn new(tasks: Vec<usize>) -> Self {
        Self { changes: [Change::Assigned { tasks, fence: None }].into() }
    }
}

impl Coordinator for Alone {
    fn poll(&mut self) -> Result<Option<Change>, TransportError> {
        Ok(self.changes.pop_front())
    }

    fn done(&mut self) -> Result<(), TransportError> {
        Ok(())
    }

    fn leave(&mut self) {}
}
