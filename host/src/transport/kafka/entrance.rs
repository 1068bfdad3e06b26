//! When a process that comes to a group at work becomes its member: once it has copies of the tasks that it will get, so
//! that these do not stand still while their stores are restored (Kafka Streams' warm-up replicas, KIP-441).

use super::sticky::{Member, share_of_new};
use std::time::{Duration, Instant};

/// So long a group is waited for that does not say who its members are.
const PATIENCE: Duration = Duration::from_secs(10);
/// So long a group is waited for whose tasks are on their way from one member to another.
const SETTLING: Duration = Duration::from_secs(10);
/// Copies that come no nearer to the ends of their changelogs for so long never will: what is written to them is more than
/// can be read, or nothing can be read at all.
const STANDSTILL: Duration = Duration::from_mins(1);

/// A process that waits to become a member.
#[derive(Debug)]
pub(super) struct Entrance {
    /// The process.
    instance: String,
    /// Its workers, each of which will be a member.
    workers: usize,
    /// Records that its copies may be behind.
    acceptable: u64,
    began: Instant,
    /// Since when tasks are on their way.
    unsettled: Option<Instant>,
    /// Of which tasks it makes copies.
    share: Vec<usize>,
    /// The fewest records that they were behind, and when that was.
    best: Option<(u64, Instant)>,
}

/// What to do until it is looked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Become a member.
    Enter(&'static str),
    /// Make copies of these tasks.
    Copy(Vec<usize>),
    /// Nothing.
    Wait,
}

impl Entrance {
    pub(super) fn new(instance: &str, workers: usize, acceptable: u64, now: Instant) -> Self {
        let (share, instance) = (Vec::new(), instance.to_owned());
        Self { instance, workers, acceptable, began: now, unsettled: None, share, best: None }
    }

    /// What to do, where these are the members, none if the group does not say, and the copies are so many records behind,
    /// none if that is not known yet.
    pub(super) fn look(&mut self, members: Option<&[Member]>, behind: Option<u64>, now: Instant) -> Step {
        let Some(members) = members else {
            let waited = now.duration_since(self.began);
            return if waited < PATIENCE { Step::Wait } else { Step::Enter("the group does not answer") };
        };
        if members.iter().any(|member| member.instance == self.instance) {
            // Of itself, before it was killed.
            return Step::Enter("it was a member before");
        }
        let tasks: usize = members.iter().map(|member| member.tasks.len()).sum();
        if tasks == 0 {
            return Step::Enter("nobody has a task");
        }
        let last = members.iter().flat_map(|member| &member.tasks).max();
        if last.is_some_and(|last| tasks <= *last) {
            let since = *self.unsettled.get_or_insert(now);
            let waited = now.duration_since(since);
            return if waited < SETTLING { Step::Wait } else { Step::Enter("the group does not settle") };
        }
        self.unsettled = None;
        let share = share_of_new(members, self.workers);
        if share != self.share {
            (self.share, self.best) = (share, None);
            return if self.share.is_empty() {
                Step::Enter("nothing is for it")
            } else {
                Step::Copy(self.share.clone())
            };
        }
        self.weigh(behind, now)
    }

    /// Whether the copies are near enough to their changelogs' ends.
    fn weigh(&mut self, behind: Option<u64>, now: Instant) -> Step {
        if behind.is_some_and(|behind| behind <= self.acceptable) {
            return Step::Enter("its copies are up to date");
        }
        let (best, since) = *self.best.get_or_insert((u64::MAX, now));
        match behind {
            Some(behind) if behind < best => self.best = Some((behind, now)),
            _ if now.duration_since(since) >= STANDSTILL => return Step::Enter("its copies come no nearer"),
            _ => {}
        }
        Step::Copy(self.share.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sticky::tests::group;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn entrance() -> (Entrance, Instant) {
        let now = Instant::now();
        (Entrance::new("new", 1, 100, now), now)
    }

    #[test]
    fn who_has_nothing_to_copy_enters_at_once() {
        for members in [group(&[]), group(&[("a", &[])]), group(&[("a", &[0, 1]), ("new", &[])]), group(&[("a", &[0])])]
        {
            let (mut entrance, now) = entrance();
            assert!(matches!(entrance.look(Some(&members), None, now), Step::Enter(_)), "{members:?}");
        }
    }

    #[test]
    fn it_enters_when_its_copies_are_near_enough() {
        let (mut entrance, now) = entrance();
        let members = group(&[("a", &[0, 1, 2, 3])]);
        let copy = Step::Copy(vec![0, 1]);
        assert_eq!(entrance.look(Some(&members), None, now), copy);
        assert_eq!(entrance.look(Some(&members), None, now), copy);
        assert_eq!(entrance.look(Some(&members), Some(101), now), copy);
        // Somebody else came: it is to get others, and what was told is not of these.
        let others = group(&[("a", &[2, 3]), ("b", &[0, 1])]);
        assert_eq!(entrance.look(Some(&others), Some(100), now), Step::Copy(vec![0]));
        assert!(matches!(entrance.look(Some(&others), Some(100), now), Step::Enter(_)));
    }

    #[test]
    fn tasks_on_their_way_are_waited_for() {
        let (mut entrance, now) = entrance();
        let members = group(&[("a", &[1, 2]), ("b", &[4])]);
        assert_eq!(entrance.look(Some(&members), None, now), Step::Wait);
        assert_eq!(entrance.look(Some(&members), None, now + 9 * SECOND), Step::Wait);
        assert!(matches!(entrance.look(Some(&members), None, now + 10 * SECOND), Step::Enter(_)));
    }

    #[test]
    fn nothing_is_waited_for_without_an_end() {
        let (mut silent, now) = entrance();
        assert_eq!(silent.look(None, None, now + 9 * SECOND), Step::Wait);
        assert!(matches!(silent.look(None, None, now + 10 * SECOND), Step::Enter(_)));
        let (mut slow, now) = entrance();
        let members = group(&[("a", &[0, 1, 2, 3])]);
        slow.look(Some(&members), None, now);
        for (second, behind) in [(0, None), (59, Some(9_000)), (118, Some(8_999)), (177, Some(9_000))] {
            assert_eq!(slow.look(Some(&members), behind, now + second * SECOND), Step::Copy(vec![0, 1]), "{second}");
        }
        assert!(matches!(slow.look(Some(&members), Some(8_999), now + 178 * SECOND), Step::Enter(_)));
    }
}
