//! Who works on which task: every member keeps what it has, what nobody has goes where most of its state lies already, and
//! no member gets two more than another, neither of all tasks nor of those with state. The group's leader reckons so
//! (`ffi_assignor.rs`), and whoever wants to know what will come of a change of the group reckons ahead by the same function.
//!
//! It is Kafka Streams' `HighAvailabilityTaskAssignor` (KIP-441) in what it is for; what that gets by moving tasks twice, with
//! warm-up copies and rebalances to ask how far they are, is got here by joining late (`entrance.rs`).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// How far the state of each task that has one has come where a process runs: the offsets up to which its stores agree with
/// their changelogs, summed; 0: nothing is there. What another process has more is what is to be restored, in records.
pub(super) type Positions = BTreeMap<usize, u64>;

/// A member of the group.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// The coordinator's name for it.
    pub(super) id: String,
    /// The process that it belongs to.
    pub(super) instance: String,
    /// The generation in which it got its tasks; -1: it is not known.
    pub(super) generation: i32,
    /// The tasks that it works on.
    pub(super) tasks: Vec<usize>,
}

/// What decides besides who has which task.
#[derive(Clone, Copy, Debug)]
pub(super) struct State<'a> {
    /// Tasks that have state.
    pub(super) stateful: &'a BTreeSet<usize>,
    /// What lies with each process, by its name.
    pub(super) held: &'a BTreeMap<String, Positions>,
}

/// Whether every task is some member's. While the group forms anew its coordinator tells of no tasks at all, and tasks that
/// go from one member to another are nobody's for a while.
pub(super) fn is_settled(members: &[Member]) -> bool {
    let tasks = members.iter().map(|member| member.tasks.len()).sum();
    members.iter().flat_map(|member| &member.tasks).max().is_some_and(|last| *last < tasks)
}

/// The tasks of each of the members, in their order, lowest first: so many tasks are given out.
pub(super) fn assign(members: &[Member], tasks: usize, state: State<'_>) -> Vec<Vec<usize>> {
    let mut plan = Plan::new(members, tasks, state);
    let (stateful, stateless) = (0..tasks).partition(|task| state.stateful.contains(task));
    for some in [stateful, stateless] {
        plan.consider(some);
        plan.adopt();
        plan.exchange();
        plan.balance();
    }
    let mut shares = vec![Vec::new(); members.len()];
    for (task, owner) in plan.owners.iter().enumerate() {
        let share = owner.and_then(|owner| shares.get_mut(owner));
        share.into_iter().for_each(|share: &mut Vec<usize>| share.push(task));
    }
    shares
}

/// To which processes the tasks of a process go when it is gone, where nobody has any of their state.
pub(super) fn heirs<'a>(members: &'a [Member], owner: &str, stateful: &BTreeSet<usize>) -> Vec<(usize, &'a str)> {
    let (gone, left): (Vec<&Member>, Vec<&Member>) = members.iter().partition(|member| member.instance == owner);
    let orphans: BTreeSet<usize> = gone.iter().flat_map(|member| &member.tasks).copied().collect();
    let survivors: Vec<Member> = left.iter().map(|member| (*member).clone()).collect();
    let state = State { stateful, held: &BTreeMap::new() };
    let shares = assign(&survivors, number_of_tasks(members), state).into_iter().zip(left);
    let each = shares.flat_map(|(share, heir)| share.into_iter().map(|task| (task, heir.instance.as_str())));
    let mut heirs: Vec<(usize, &str)> = each.filter(|(task, _)| orphans.contains(task)).collect();
    heirs.sort_unstable();
    heirs
}

/// The tasks that the workers of a new process get together, lowest first, if nobody else comes; `held` is what lies with
/// it of the tasks that have state.
pub(super) fn share_of_new(members: &[Member], instance: &str, workers: usize, held: &Positions) -> Vec<usize> {
    let (stateful, tasks) = (held.keys().copied().collect(), number_of_tasks(members));
    let mut all_held = BTreeMap::from([(instance.to_owned(), held.clone())]);
    for member in members {
        // All that there is of the task: more than anybody else has.
        let full = member.tasks.iter().map(|task| (*task, u64::MAX));
        all_held.entry(member.instance.clone()).or_default().extend(full);
    }
    let new = Member { instance: instance.to_owned(), ..Member::default() };
    let all: Vec<Member> = members.iter().cloned().chain(std::iter::repeat_n(new, workers)).collect();
    let shares = assign(&all, tasks, State { stateful: &stateful, held: &all_held });
    let mut share: Vec<usize> = shares.into_iter().skip(members.len()).flatten().collect();
    share.sort_unstable();
    share
}

/// How many tasks there are, where each is some member's.
fn number_of_tasks(members: &[Member]) -> usize {
    members.iter().flat_map(|member| &member.tasks).max().map_or(0, |last| last + 1)
}

/// Tasks on their way to members.
struct Plan {
    /// Who gets each task.
    owners: Vec<Option<usize>>,
    /// Who has each task now.
    before: Vec<Option<usize>>,
    /// The tasks that are given out at the moment.
    tasks: Vec<usize>,
    /// How many tasks are given out by then.
    given: usize,
    /// How many of these each member gets.
    loads: Vec<usize>,
    /// Who comes first among members that have as many tasks.
    order: Vec<usize>,
    /// Which of the processes each member belongs to.
    process: Vec<usize>,
    /// For each process, how many records of each task it would have to restore.
    behind: Vec<Vec<u64>>,
}

impl Plan {
    /// Every member keeps what it has.
    fn new(members: &[Member], tasks: usize, state: State<'_>) -> Self {
        let mut ranked: Vec<usize> = (0..members.len()).collect();
        ranked.sort_by_key(|number| members.get(*number).map(|member| (&member.instance, &member.id)));
        let mut order = vec![0; members.len()];
        for (rank, number) in ranked.into_iter().enumerate() {
            order.iter_mut().skip(number).take(1).for_each(|place| *place = rank);
        }
        let mut processes: Vec<&str> = members.iter().map(|member| member.instance.as_str()).collect();
        processes.sort_unstable();
        processes.dedup();
        let place = |member: &Member| processes.binary_search(&member.instance.as_str()).unwrap_or_default();
        let (process, behind) = (members.iter().map(place).collect(), behind(&processes, tasks, state));
        let (before, loads) = (owners(members, tasks), vec![0; members.len()]);
        Self { owners: before.clone(), before, tasks: Vec::new(), given: 0, loads, order, process, behind }
    }

    /// These are given out now.
    fn consider(&mut self, tasks: Vec<usize>) {
        for owner in tasks.iter().filter_map(|task| self.owners.get(*task).copied().flatten()) {
            add(&mut self.loads, owner);
        }
        self.given += tasks.len();
        self.tasks = tasks;
    }

    /// Gives tasks that nobody has to whom has the least of them to restore and may have more; those first of which the
    /// most would be to be restored elsewhere.
    fn adopt(&mut self) {
        let worst = |task: usize| self.behind.iter().filter_map(|process| process.get(task)).max().copied();
        let mut orphans: Vec<usize> = self.tasks.iter().copied().filter(|task| self.owner(*task).is_none()).collect();
        orphans.sort_by_key(|task| (Reverse(worst(*task)), *task));
        for task in orphans {
            let may = (0..self.loads.len()).filter(|member| self.may_have_more(*member));
            let heir = may.min_by_key(|member| (self.behind(*member, task), self.place(*member)));
            heir.into_iter().for_each(|heir| self.give(task, heir));
        }
    }

    /// Has members exchange tasks that nobody had as long as less is to be restored by that: two that have the same state
    /// may have got each other's, or one of them a third one's.
    fn exchange(&mut self) {
        let adopted = |task: &usize| self.before.get(*task).copied().flatten().is_none();
        let adopted: Vec<usize> = self.tasks.iter().copied().filter(adopted).collect();
        let mut better = true;
        while std::mem::take(&mut better) {
            for (place, one) in adopted.iter().enumerate() {
                for other in adopted.iter().skip(place + 1) {
                    let (Some(a), Some(b)) = (self.owner(*one), self.owner(*other)) else { continue };
                    let cost = |a, b| u128::from(self.behind(a, *one)) + u128::from(self.behind(b, *other));
                    if cost(b, a) < cost(a, b) {
                        self.give(*one, b);
                        self.give(*other, a);
                        better = true;
                    }
                }
            }
        }
    }

    /// Whether a member stays within what is its part with one task more: as many have one more than the others as there
    /// are tasks over. So nothing that nobody had is moved once more when those who have too many have given some away.
    fn may_have_more(&self, member: usize) -> bool {
        let (least, over) = (self.given / self.loads.len().max(1), self.given % self.loads.len().max(1));
        let with_more = || self.loads.iter().filter(|load| **load > least).count();
        self.load(member) < least || (self.load(member) == least && with_more() < over)
    }

    /// Moves tasks from members that have the most to those that have the fewest, until the difference is one at most: of
    /// what may be moved that of which the least is to be restored, and rather what nobody works on now.
    fn balance(&mut self) {
        while let Some((fewest, top)) = self.loads.iter().copied().min().zip(self.loads.iter().copied().max()) {
            if top <= fewest + 1 {
                return;
            }
            // Whoever has more than the most gives away, and only then those that have just as many.
            let from = if top > self.most() { self.most() + 1 } else { top };
            let gives = |task: &usize| self.owner(*task).is_some_and(|owner| self.load(owner) >= from);
            let kept = |task: usize| self.before.get(task) == self.owners.get(task);
            let takes = || (0..self.loads.len()).filter(|member| self.load(*member) == fewest);
            let movable = self.tasks.iter().copied().filter(gives);
            let moves = movable.flat_map(|task| takes().map(move |member| (task, member)));
            let best = moves.min_by_key(|(task, to)| (self.behind(*to, *task), kept(*task), *task, self.place(*to)));
            let Some((task, to)) = best else { return };
            self.give(task, to);
        }
    }

    fn give(&mut self, task: usize, to: usize) {
        let Some(owner) = self.owners.get_mut(task) else { return };
        if let Some(load) = owner.and_then(|owner| self.loads.get_mut(owner)) {
            *load = load.saturating_sub(1);
        }
        *owner = Some(to);
        add(&mut self.loads, to);
    }

    fn owner(&self, task: usize) -> Option<usize> {
        self.owners.get(task).copied().flatten()
    }

    /// How many records of the task the member would have to restore.
    fn behind(&self, member: usize, task: usize) -> u64 {
        let process = self.process.get(member).and_then(|process| self.behind.get(*process));
        process.and_then(|process| process.get(task)).copied().unwrap_or_default()
    }

    fn load(&self, member: usize) -> usize {
        self.loads.get(member).copied().unwrap_or_default()
    }

    /// A member's place among others that it is as good as: who has the fewest tasks comes first.
    fn place(&self, member: usize) -> (usize, Option<&usize>) {
        (self.load(member), self.order.get(member))
    }

    /// The most tasks that a member has where none has two more than another.
    fn most(&self) -> usize {
        self.given.div_ceil(self.loads.len().max(1))
    }
}

/// Who has each of so many tasks; of two that have the same one it is who got it later.
fn owners(members: &[Member], tasks: usize) -> Vec<Option<usize>> {
    let mut owners: Vec<Option<usize>> = vec![None; tasks];
    let mut by_age: Vec<(usize, &Member)> = members.iter().enumerate().collect();
    by_age.sort_by_key(|(_, member)| member.generation);
    for (number, member) in by_age {
        for task in &member.tasks {
            owners.iter_mut().skip(*task).take(1).for_each(|owner| *owner = Some(number));
        }
    }
    owners
}

/// For each process, how many records of each task it is behind whom has the most of it.
fn behind(processes: &[&str], tasks: usize, State { held, .. }: State<'_>) -> Vec<Vec<u64>> {
    let position =
        |process: &str, task| held.get(process).and_then(|held| held.get(&task)).copied().unwrap_or_default();
    let most = |task| processes.iter().map(|process| position(process, task)).max().unwrap_or_default();
    let most: Vec<u64> = (0..tasks).map(most).collect();
    let of = |process: &&str| most.iter().enumerate().map(|(task, most)| most - position(process, task)).collect();
    processes.iter().map(of).collect()
}

fn add(loads: &mut [usize], member: usize) {
    loads.iter_mut().skip(member).take(1).for_each(|load| *load += 1);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn group(members: &[(&str, &[usize])]) -> Vec<Member> {
        let member = |(name, tasks): &(&str, &[usize])| Member {
            id: format!("{name}-id"),
            instance: (*name).to_owned(),
            generation: 1,
            tasks: tasks.to_vec(),
        };
        members.iter().map(member).collect()
    }

    fn held(processes: &[(&str, &[(usize, u64)])]) -> BTreeMap<String, Positions> {
        processes.iter().map(|(name, tasks)| ((*name).to_owned(), tasks.iter().copied().collect())).collect()
    }

    /// Where all tasks have state.
    fn assigned(members: &[Member], tasks: usize, held: &BTreeMap<String, Positions>) -> Vec<Vec<usize>> {
        assign(members, tasks, State { stateful: &(0..tasks).collect(), held })
    }

    #[test]
    fn a_group_is_settled_when_every_task_is_somebodys() {
        assert!(is_settled(&group(&[("a", &[2, 0]), ("b", &[1])])));
        for unsettled in [group(&[]), group(&[("a", &[])]), group(&[("a", &[0, 2])])] {
            assert!(!is_settled(&unsettled), "{unsettled:?}");
        }
    }

    #[test]
    fn whoever_has_the_most_of_what_nobody_has_gets_it() {
        let members = group(&[("a", &[0, 1]), ("b", &[2, 3]), ("c", &[])]);
        let held = held(&[("a", &[(4, 100), (5, 500)]), ("b", &[(4, 900), (5, 300)])]);
        assert_eq!(assigned(&members, 6, &held), [vec![0, 1], vec![2, 3], vec![4, 5]], "they have enough already");
        let members = group(&[("a", &[0, 1]), ("b", &[2, 3])]);
        assert_eq!(assigned(&members, 6, &held), [vec![0, 1, 5], vec![2, 3, 4]]);
        // Who is gone holds nothing.
        let mut with_the_dead = held.clone();
        with_the_dead.insert("dead".into(), [(4, 5000)].into());
        assert_eq!(assigned(&members, 6, &with_the_dead), [vec![0, 1, 5], vec![2, 3, 4]]);
    }

    #[test]
    fn the_copy_that_is_most_caught_up_is_taken_be_it_by_a_record() {
        let members = group(&[("a", &[0]), ("b", &[1])]);
        let held = held(&[("a", &[(2, 99), (3, 99)]), ("b", &[(2, 100), (3, 98)])]);
        assert_eq!(assigned(&members, 4, &held), [[0, 3], [1, 2]]);
    }

    #[test]
    fn who_has_copies_leaves_room_for_who_has_nothing_else() {
        let members = group(&[("a", &[]), ("b", &[]), ("c", &[])]);
        // Each has three of its own, and three copies that are as far.
        let positions = |tasks: [usize; 6]| tasks.map(|task| (task, 10_000 + [5, 3, 6, 7, 1, 8, 4, 2, 9][task]));
        let (a, b, c) = (positions([0, 1, 2, 3, 5, 6]), positions([3, 4, 5, 0, 2, 7]), positions([6, 7, 8, 1, 4, 8]));
        let held = held(&[("a", &a), ("b", &b), ("c", &c)]);
        for (share, has) in assigned(&members, 9, &held).iter().zip([a, b, c]) {
            let lacks: Vec<_> = share.iter().filter(|task| has.iter().all(|(held, _)| held != *task)).collect();
            assert_eq!((share.len(), lacks), (3, vec![]));
        }
    }

    #[test]
    fn all_that_start_anew_get_what_they_had() {
        let members = group(&[("a", &[]), ("b", &[]), ("c", &[])]);
        let held = held(&[("a", &[(1, 70), (4, 70), (0, 20)]), ("b", &[(2, 70), (3, 70)]), ("c", &[(0, 70), (5, 70)])]);
        assert_eq!(assigned(&members, 6, &held), [[1, 4], [2, 3], [0, 5]]);
    }

    #[test]
    fn what_is_to_be_moved_goes_where_its_state_lies() {
        let members = group(&[("a", &[0, 1, 2, 3, 4, 5]), ("new", &[])]);
        let held = held(&[("a", &[(0, 50), (1, 50), (2, 50), (3, 50), (4, 50), (5, 50)]), ("new", &[(1, 45), (4, 9)])]);
        assert_eq!(assigned(&members, 6, &held), [[2, 3, 5], [0, 1, 4]]);
    }

    #[test]
    fn of_two_that_have_a_task_it_is_the_laters() {
        let mut members = group(&[("a", &[0, 1]), ("b", &[0, 1])]);
        members[1].generation = 2;
        assert_eq!(assigned(&members, 3, &BTreeMap::new()), [vec![2], vec![0, 1]]);
    }

    #[test]
    fn nobody_gets_nothing() {
        assert_eq!(assigned(&[], 3, &BTreeMap::new()), [[0; 0]; 0]);
        assert_eq!(assigned(&group(&[("a", &[7])]), 0, &BTreeMap::new()), [[0; 0]]);
    }

    #[test]
    fn tasks_with_state_are_shared_evenly_and_so_are_all() {
        let (stateful, held) = (BTreeSet::from([0, 2, 3, 5]), BTreeMap::new());
        let shares = assign(&group(&[("a", &[]), ("b", &[])]), 7, State { stateful: &stateful, held: &held });
        assert_eq!(shares, [vec![0, 1, 3, 6], vec![2, 4, 5]]);
        // What has no state costs nothing to move, and yet it is not all that moves.
        let one = group(&[("a", &[0, 1, 2, 3, 4, 5, 6, 7])]);
        let none = [0, 2, 3, 5].map(|task| (task, 0)).into();
        assert_eq!(share_of_new(&one, "new", 1, &none), [0, 1, 2, 4]);
    }

    #[test]
    fn the_tasks_of_the_dead_go_to_those_that_have_the_fewest() {
        let group = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7, 8])]);
        let all = (0..9).collect();
        assert_eq!(heirs(&group, "a", &all), [(0, "b"), (1, "b"), (2, "c"), (3, "b")]);
    }

    #[test]
    fn who_is_new_gets_what_it_has_and_the_lowest_of_those_that_have_the_most() {
        let share = |members: &[Member], workers| {
            share_of_new(members, "new", workers, &(0..12).map(|task| (task, 0)).collect())
        };
        let one = group(&[("a", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])]);
        assert_eq!(share(&one, 1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(share(&one, 2), [0, 1, 2, 3, 4, 5, 6, 7]);
        let two = group(&[("a", &[6, 7, 8, 9, 10, 11]), ("b", &[0, 1, 2, 3, 4, 5])]);
        assert_eq!(share(&two, 1), [0, 1, 6, 7]);
        assert_eq!(share(&group(&[("a", &[0, 1, 2]), ("b", &[3])]), 1), [0]);
        assert_eq!(share(&group(&[("a", &[0]), ("b", &[1])]), 1), [0; 0]);
        assert_eq!(share(&[], 1), [0; 0]);
        let held = (0..12).map(|task| (task, if task == 3 || task == 8 { 10 } else { 0 })).collect();
        assert_eq!(share_of_new(&one, "new", 1, &held), [0, 1, 2, 3, 4, 8]);
    }

    /// What librdkafka makes of an assignment: what somebody else still works on is given out in the next round.
    fn carried_out(members: &mut [Member], shares: &[Vec<usize>]) {
        let owned: Vec<usize> = members.iter().flat_map(|member| member.tasks.clone()).collect();
        for (member, share) in members.iter_mut().zip(shares) {
            member.tasks =
                share.iter().copied().filter(|task| member.tasks.contains(task) || !owned.contains(task)).collect();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever it begins with, a group is at rest after the second round at the latest, with every task given out once
        /// and nobody two ahead of another.
        #[test]
        fn a_group_comes_to_rest(
            owners in proptest::collection::vec(proptest::option::of(0..7usize), 0..30),
            members in 1..7usize,
            workers in 1..3usize,
            positions in proptest::collection::vec((0..7usize, 0..30usize, 0..60u64), 0..60),
            stateful in proptest::collection::btree_set(0..30usize, 0..30),
        ) {
            let instance = |number: usize| format!("p{}", number / workers);
            let of = |number| owners.iter().enumerate().filter(move |(_, owner)| **owner == Some(number)).map(|(task, _)| task);
            let mut group: Vec<Member> = (0..members)
                .map(|number| Member { id: format!("m{number}"), instance: instance(number), generation: 1, tasks: of(number).collect() })
                .collect();
            let mut held = BTreeMap::<String, Positions>::new();
            for (member, task, position) in positions {
                held.entry(instance(member)).or_default().insert(task, position);
            }
            let state = State { stateful: &stateful, held: &held };
            let wanted = assign(&group, owners.len(), state);
            let mut given: Vec<usize> = wanted.iter().flatten().copied().collect();
            given.sort_unstable();
            prop_assert_eq!(given, (0..owners.len()).collect::<Vec<_>>());
            for some in [(0..30).collect(), stateful.clone()] {
                let load = |share: &Vec<usize>| share.iter().filter(|task| some.contains(task)).count();
                let loads: Vec<usize> = wanted.iter().map(load).collect();
                prop_assert!(loads.iter().max().unwrap() - loads.iter().min().unwrap() <= 1, "{:?}", loads);
            }
            carried_out(&mut group, &wanted);
            // Meanwhile the copies came nearer.
            for positions in held.values_mut() {
                positions.values_mut().for_each(|position| *position += *position / 3);
            }
            let state = State { stateful: &stateful, held: &held };
            let second = assign(&group, owners.len(), state);
            carried_out(&mut group, &second);
            let tasks: Vec<Vec<usize>> = group.iter().map(|member| member.tasks.clone()).collect();
            prop_assert_eq!(&tasks, &assign(&group, owners.len(), state), "a third round");
            prop_assert_eq!(tasks.concat().len(), owners.len());
        }

        /// As few tasks move as can be.
        #[test]
        fn no_task_moves_without_need(
            owners in proptest::collection::vec(0..5usize, 1..30),
            positions in proptest::collection::vec((0..5usize, 0..30usize, 0..60u64), 0..40),
        ) {
            let of = |number| owners.iter().enumerate().filter(move |(_, owner)| **owner == number).map(|(task, _)| task);
            let group: Vec<Member> = (0..5)
                .map(|number| Member { id: format!("m{number}"), instance: format!("p{number}"), generation: 1, tasks: of(number).collect() })
                .collect();
            let mut held = BTreeMap::<String, Positions>::new();
            for (member, task, position) in positions {
                held.entry(format!("p{member}")).or_default().insert(task, position);
            }
            let all = (0..30).collect();
            let shares = assign(&group, owners.len(), State { stateful: &all, held: &held });
            let moved = owners.iter().enumerate().filter(|(task, owner)| !shares[**owner].contains(task)).count();
            let (least, more) = (owners.len() / 5, owners.len() % 5);
            let mut loads: Vec<usize> = group.iter().map(|member| member.tasks.len()).collect();
            loads.sort_unstable_by(|a, b| b.cmp(a));
            let limit = |rank: usize| least + usize::from(rank < more);
            let needed: usize = loads.iter().enumerate().map(|(rank, load)| load.saturating_sub(limit(rank))).sum();
            prop_assert_eq!(moved, needed);
        }

        /// Who comes to a group at rest with copies of what it reckoned that it will get restores nothing.
        #[test]
        fn who_comes_gets_what_it_reckoned_with(
            tasks in 1..24usize,
            members in 1..5usize,
            workers in 1..4usize,
            all in proptest::collection::vec(0..1000u64, 24),
            own in proptest::collection::vec(0..1000u64, 24),
            before in proptest::collection::vec((0..5usize, 0..24usize, 0..1000u64), 0..40),
            stateful in proptest::collection::btree_set(0..24usize, 0..24),
        ) {
            let name = |number: usize| format!("p{number}");
            let member = |instance: &str| Member { id: format!("{instance}-id"), instance: instance.into(), ..Member::default() };
            let mut group: Vec<Member> = (0..members).map(|number| member(&name(number))).collect();
            let mut held = BTreeMap::<String, Positions>::new();
            for (number, task, position) in before {
                held.entry(name(number)).or_default().insert(task, position.min(all[task]));
            }
            let shares = assign(&group, tasks, State { stateful: &stateful, held: &held });
            for (member, share) in group.iter_mut().zip(shares) {
                // Who works on a task has all of it.
                let full = share.iter().map(|task| (*task, all[*task]));
                held.entry(member.instance.clone()).or_default().extend(full);
                member.tasks = share;
            }
            let mut new: Positions =
                stateful.iter().filter(|task| **task < tasks).map(|task| (*task, own[*task].min(all[*task]))).collect();
            let share = share_of_new(&group, "new", workers, &new);
            new.iter_mut().filter(|(task, _)| share.contains(task)).for_each(|(task, position)| *position = all[*task]);
            held.insert("new".into(), new.clone());
            group.extend(std::iter::repeat_n(member("new"), workers));
            let shares = assign(&group, tasks, State { stateful: &stateful, held: &held });
            for task in shares.into_iter().skip(members).flatten().filter(|task| stateful.contains(task)) {
                prop_assert_eq!(new[&task], all[task], "task {} of {:?}", task, share);
            }
        }
    }
}
