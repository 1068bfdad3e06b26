//! What a place is at which the host is killed.

/// When a place is passed for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// While an empty data directory, and on Kafka the app's topics, are made.
    Creation,
    /// While the command `topic produce` puts lines into a topic.
    Production,
    /// While the app starts or works, as long as input is left.
    Work,
    /// While a process that was stopped in the midst of a commit until the group took it for dead goes on.
    Zombie,
    /// While a process has to give tasks to one that joins.
    Handover,
    /// While the app starts after its local state was lost.
    Restore,
    /// When all is done.
    End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    /// Its row in the table.
    pub(crate) row: &'static str,
    /// The host's name of the place.
    pub(crate) place: &'static str,
    pub(crate) phase: Phase,
    /// The kill comes at a passage from the first to this one.
    pub(crate) passages: u64,
    /// The kill comes up to so many microseconds later.
    pub(crate) delay: u64,
}

pub(crate) const fn at(place: &'static str, phase: Phase, passages: u64) -> Point {
    Point { row: place, place, phase, passages, delay: 0 }
}

/// Row of kills that come from outside, at any time.
pub(crate) const ANY_TIME: &str = "at a random time";
