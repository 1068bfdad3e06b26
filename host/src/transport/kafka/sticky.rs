//! What the group's assignor will do. librdkafka's cooperative-sticky knows nothing of copies and cannot be told, but what
//! it does follows from who the members are and what they work on (librdkafka 2.12, members that all subscribe to one
//! topic), so that copies can be where tasks will go.

/// A member of the group.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The coordinator's name for it.
    pub(super) id: String,
    /// The process that it belongs to.
    pub(super) instance: String,
    /// The tasks that it works on.
    pub(super) tasks: Vec<usize>,
}

/// Whether every task is some member's. While the group forms anew its coordinator tells of no tasks at all, and tasks that
/// go from one member to another are nobody's for a while.
pub(super) fn is_settled(members: &[Member]) -> bool {
    let tasks = members.iter().map(|member| member.tasks.len()).sum();
    members.iter().flat_map(|member| &member.tasks).max().is_some_and(|last| *last < tasks)
}

/// To whom the tasks of a process go when it is gone: the highest number first, each to the member that has the fewest by
/// then, of several to the one whose id comes first (`rd_kafka_sticky_assignor_assign_cb` and `maybeAssign`). Members that
/// are far from an equal share get some of each other's tasks afterwards, which is not followed here.
pub(super) fn heirs<'a>(members: &'a [Member], owner: &str) -> Vec<(usize, &'a str)> {
    let (gone, left): (Vec<&Member>, Vec<&Member>) = members.iter().partition(|member| member.instance == owner);
    let mut orphans: Vec<usize> = gone.iter().flat_map(|member| &member.tasks).copied().collect();
    orphans.sort_unstable_by(|a, b| b.cmp(a));
    orphans.dedup();
    let mut loads: Vec<(usize, &Member)> = left.into_iter().map(|member| (member.tasks.len(), member)).collect();
    let next = |task| {
        let (load, heir) = loads.iter_mut().min_by_key(|(load, member)| (*load, &member.id))?;
        *load += 1;
        Some((task, heir.instance.as_str()))
    };
    orphans.into_iter().map_while(next).collect()
}

/// The tasks that so many new members get together, lowest first. All tasks are put into an order, from the member that has
/// the most left its lowest, of several members from the one whose id comes last (`sortPartitions`); and in that order each
/// goes to the member that has the fewest, as long as that has at least two less than its owner (`performReassignments`).
/// Others that come at the same moment are not known of here.
pub(super) fn share_of_new(members: &[Member], new: usize) -> Vec<usize> {
    let mut left: Vec<(Vec<usize>, &str)> = members.iter().map(|member| (member.tasks.clone(), &*member.id)).collect();
    left.iter_mut().for_each(|(tasks, _)| tasks.sort_unstable_by(|a, b| b.cmp(a)));
    let mut loads: Vec<usize> = members.iter().map(|member| member.tasks.len()).collect();
    loads.extend(std::iter::repeat_n(0, new));
    let mut share = Vec::new();
    let next = || {
        let most = left.iter().enumerate().max_by_key(|(_, (tasks, id))| (tasks.len(), *id))?.0;
        Some((most, left.get_mut(most)?.0.pop()?))
    };
    for (owner, task) in std::iter::from_fn(next) {
        let fewest = loads.iter().enumerate().min_by_key(|(_, load)| **load).map(|(member, load)| (member, *load));
        let (Some((heir, fewest)), Some(load)) = (fewest, loads.get_mut(owner)) else { continue };
        if *load > fewest + 1 {
            *load -= 1;
            loads.iter_mut().skip(heir).take(1).for_each(|load| *load += 1);
            share.extend((heir >= members.len()).then_some(task));
        }
    }
    share.sort_unstable();
    share
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn group(members: &[(&str, &[usize])]) -> Vec<Member> {
        let member = |(name, tasks): &(&str, &[usize])| Member {
            id: format!("{name}-id"),
            instance: (*name).to_owned(),
            tasks: tasks.to_vec(),
        };
        members.iter().map(member).collect()
    }

    #[test]
    fn a_group_is_settled_when_every_task_is_somebodys() {
        assert!(is_settled(&group(&[("a", &[2, 0]), ("b", &[1])])));
        for unsettled in [group(&[]), group(&[("a", &[])]), group(&[("a", &[0, 2])])] {
            assert!(!is_settled(&unsettled), "{unsettled:?}");
        }
    }

    #[test]
    fn the_tasks_of_the_dead_go_to_those_that_have_the_fewest() {
        let group = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7, 8])]);
        assert_eq!(heirs(&group, "a"), [(3, "b"), (2, "b"), (1, "c"), (0, "b")]);
    }

    #[test]
    fn who_is_new_gets_the_lowest_of_those_that_have_the_most() {
        let one = group(&[("a", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])]);
        assert_eq!(share_of_new(&one, 1), [0, 1, 2, 3, 4, 5]);
        assert_eq!(share_of_new(&one, 2), [0, 1, 2, 3, 4, 5, 6, 7]);
        let two = group(&[("a", &[6, 7, 8, 9, 10, 11]), ("b", &[0, 1, 2, 3, 4, 5])]);
        assert_eq!(share_of_new(&two, 1), [0, 1, 6, 7]);
        assert_eq!(share_of_new(&group(&[("a", &[0, 1, 2]), ("b", &[3])]), 1), [0]);
        assert_eq!(share_of_new(&group(&[("a", &[0]), ("b", &[1])]), 1), [0; 0]);
        assert_eq!(share_of_new(&[], 1), [0; 0]);
        // Who has one already gets its part of what is to be moved.
        let uneven = group(&[("a", &[0, 1, 2, 3, 4, 5]), ("b", &[6])]);
        assert_eq!(share_of_new(&uneven, 1), [0, 2]);
    }
}
