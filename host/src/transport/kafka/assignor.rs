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
