//! What the assignor gives, and that groups come to rest by it.

use super::assignor::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn group(members: &[(&str, &[usize])]) -> Vec<Member> {
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
    let share =
        |members: &[Member], workers| share_of_new(members, "new", workers, &(0..12).map(|task| (task, 0)).collect());
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
