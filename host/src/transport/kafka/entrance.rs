//! When a process that comes to a group at work becomes its member: once it has copies of the tasks that it will get, so
//! that these do not stand still while their stores are restored (Kafka Streams' warm-up replicas, KIP-441).

use super::assignor::{Member, Positions, is_settled, share_of_new};
use std::time::{Duration, Instant};

/// So long a group is waited for that does not say who its members are.
const PATIENCE: Duration = Duration::from_secs(10);
/// So long a group is waited for in which nobody has a task: one that is at work and forms anew takes a second or two, and
/// one that is new is to have all that come at its beginning in its first generation, which a broker puts off for three
/// seconds (`group.initial.rebalance.delay.ms`).
const FORMING: Duration = Duration::from_secs(2);
/// So long a group is waited for whose tasks are on their way from one member to another.
const SETTLING: Duration = Duration::from_secs(10);
/// Copies that come no nearer to the ends of their changelogs for so long never will: what is written to them is more than
/// can be read, or nothing can be read at all.
const STANDSTILL: Duration = Duration::from_mins(1);
/// So often the group may change, and with it what is to be copied: others that come and go all the time keep nobody out.
const SHARES_MAX: u32 = 20;

/// A process that waits to become a member.
#[derive(Debug)]
pub(super) struct Entrance {
    /// The process.
    instance: String,
    /// Its workers, each of which will be a member.
    workers: usize,
    /// Records that its copies may be behind.
    acceptable: u64,
    /// What lay with it at first: what is copied meanwhile does not change what is to be copied.
    held: Positions,
    /// Since when the group does not answer.
    silent: Option<Instant>,
    /// Since when tasks are nobody's.
    unsettled: Option<Instant>,
    /// Of which tasks it makes copies.
    share: Vec<usize>,
    /// How often that has changed.
    shares: u32,
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
    pub(super) fn new(instance: &str, workers: usize, acceptable: u64, held: Positions) -> Self {
        let (instance, share) = (instance.to_owned(), Vec::new());
        Self { instance, workers, acceptable, held, silent: None, unsettled: None, share, shares: 0, best: None }
    }

    /// What to do, where these are the members, none if the group does not say, and the copies are so many records behind,
    /// none if that is not known yet.
    pub(super) fn look(&mut self, members: Option<&[Member]>, behind: Option<u64>, now: Instant) -> Step {
        let Some(members) = members else {
            return wait(&mut self.silent, PATIENCE, now).unwrap_or(Step::Enter("the group does not answer"));
        };
        self.silent = None;
        if members.is_empty() {
            return Step::Enter("nobody is there");
        }
        if members.iter().any(|member| member.instance == self.instance) {
            // Of itself, before it was killed.
            return Step::Enter("it was a member before");
        }
        if !is_settled(members) {
            let forms = members.iter().all(|member| member.tasks.is_empty());
            let limit = if forms { FORMING } else { SETTLING };
            return wait(&mut self.unsettled, limit, now).unwrap_or(Step::Enter("the group does not settle"));
        }
        self.unsettled = None;
        let share = share_of_new(members, &self.instance, self.workers, &self.held);
        if share.is_empty() {
            return Step::Enter("nothing is for it");
        }
        if share != self.share {
            self.shares += 1;
            (self.share, self.best) = (share, None);
            let often = self.shares > SHARES_MAX;
            return if often { Step::Enter("the group changes all the time") } else { Step::Copy(self.share.clone()) };
        }
        self.weigh(behind, now)
    }

    /// Whether the copies are near enough to their changelogs' ends.
    fn weigh(&mut self, behind: Option<u64>, now: Instant) -> Step {
        if behind.is_some_and(|behind| behind <= self.acceptable) {
            return Step::Enter("its copies are as near as acceptable-recovery-lag asks");
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

/// Waits, unless it has been so long.
fn wait(since: &mut Option<Instant>, limit: Duration, now: Instant) -> Option<Step> {
    let since = *since.get_or_insert(now);
    (now.duration_since(since) < limit).then_some(Step::Wait)
}

#[cfg(test)]
mod tests {
    use super::super::assignor_tests::group;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn entrance() -> (Entrance, Instant) {
        (Entrance::new("new", 1, 100, held()), Instant::now())
    }

    fn held() -> Positions {
        (0..4).map(|task| (task, 0)).collect()
    }

    fn enters(step: &Step) -> bool {
        matches!(step, Step::Enter(_))
    }

    #[test]
    fn who_has_nothing_to_copy_enters_at_once() {
        for members in [group(&[]), group(&[("a", &[0, 1]), ("new", &[])]), group(&[("a", &[0])])] {
            let (mut entrance, now) = entrance();
            assert!(enters(&entrance.look(Some(&members), None, now)), "{members:?}");
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
        assert!(enters(&entrance.look(Some(&others), Some(100), now)));
    }

    #[test]
    fn a_group_that_forms_anew_is_waited_for() {
        let at_work = group(&[("a", &[0, 1, 2, 3])]);
        for (unsettled, limit) in [(group(&[("a", &[]), ("b", &[])]), 2), (group(&[("a", &[1, 2]), ("b", &[4])]), 10)] {
            let (mut entrance, now) = entrance();
            for round in [0, 100] {
                let from = now + round * SECOND;
                assert_eq!(entrance.look(Some(&unsettled), None, from), Step::Wait);
                assert_eq!(entrance.look(Some(&unsettled), None, from + (limit - 1) * SECOND), Step::Wait);
                // Once it has settled it may take as long the next time.
                assert!(!enters(&entrance.look(Some(&at_work), None, from + limit * SECOND)));
            }
            let from = now + 200 * SECOND;
            assert_eq!(entrance.look(Some(&unsettled), None, from), Step::Wait);
            assert!(enters(&entrance.look(Some(&unsettled), None, from + limit * SECOND)));
        }
    }

    #[test]
    fn a_group_that_does_not_answer_is_waited_for_each_time() {
        let (mut entrance, now) = entrance();
        let members = group(&[("a", &[0, 1, 2, 3])]);
        assert_eq!(entrance.look(None, None, now), Step::Wait);
        assert_eq!(entrance.look(None, None, now + 9 * SECOND), Step::Wait);
        assert!(!enters(&entrance.look(Some(&members), None, now + 10 * SECOND)));
        assert_eq!(entrance.look(None, None, now + 20 * SECOND), Step::Wait);
        assert!(enters(&entrance.look(None, None, now + 30 * SECOND)));
    }

    #[test]
    fn neither_copies_that_stand_still_nor_others_that_come_and_go_keep_it_out() {
        let (mut slow, now) = entrance();
        let members = group(&[("a", &[0, 1, 2, 3])]);
        slow.look(Some(&members), None, now);
        for (second, behind) in [(0, None), (59, Some(9_000)), (118, Some(8_999)), (177, Some(9_000))] {
            assert_eq!(slow.look(Some(&members), behind, now + second * SECOND), Step::Copy(vec![0, 1]), "{second}");
        }
        assert!(enters(&slow.look(Some(&members), Some(8_999), now + 178 * SECOND)));
        let (mut kept_out, now) = entrance();
        let others = group(&[("a", &[2, 3]), ("b", &[0, 1])]);
        let steps = (0..21).map(|look| kept_out.look(Some(if look % 2 == 0 { &members } else { &others }), None, now));
        assert_eq!(steps.map(|step| enters(&step)).collect::<Vec<_>>(), [[false; 20].as_slice(), &[true]].concat());
    }
}
