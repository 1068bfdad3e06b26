//! Where standby copies are kept: first of all where a task will go when its process does. The group's assignor,
//! librdkafka's cooperative-sticky, knows nothing of copies, but what it does with the tasks of members that are gone
//! follows from the members that are left; so each process knows its share from the list of members alone. Further copies
//! are kept by rendezvous hashing, so that little moves when a process comes or goes.

use super::ffi_groups::GroupMember;
use super::link::Link;
use crate::record::murmur2;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Time between two looks at the group: so long a new copy waits before it is begun.
const LOOK: Duration = Duration::from_secs(1);
/// How long the group may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Tasks of which this process keeps copies, as last known.
#[derive(Debug, Default)]
pub(super) struct Placement {
    tasks: Mutex<Vec<usize>>,
}

/// A member of the group.
#[derive(Clone, Debug)]
struct Member {
    /// The coordinator's name for it.
    id: String,
    /// The process that it belongs to.
    instance: String,
    /// The tasks that it works on.
    tasks: Vec<usize>,
}

impl Placement {
    /// The tasks.
    pub(super) fn tasks(&self) -> Vec<usize> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the group from time to time, as long as somebody holds the placement.
    pub(super) fn follow(link: &Arc<Link>, instance: &str, copies: usize) -> Arc<Self> {
        let placement = Arc::new(Self::default());
        let (link, told, instance) = (Arc::clone(link), Arc::downgrade(&placement), instance.to_owned());
        let thread = std::thread::Builder::new().name("placement".into());
        let started = thread.spawn(move || look(&link, &told, &instance, copies));
        // Without the thread there are no copies, which costs time after a failure and nothing else.
        let _ = started.inspect_err(|error| tracing::warn!("no standby copies: {error}"));
        placement
    }
}

fn look(link: &Link, placement: &Weak<Placement>, instance: &str, copies: usize) {
    loop {
        std::thread::sleep(LOOK);
        let Some(placement) = placement.upgrade() else { return };
        let Ok(members) = link.members(&link.group, ANSWER) else { continue };
        let member = |GroupMember { id, client, partitions, .. }| {
            let instance = instance_of(&client, &link.group).to_owned();
            Member { id, instance, tasks: partitions }
        };
        let members: Vec<Member> = members.into_iter().map(member).collect();
        *placement.tasks.lock().unwrap_or_else(PoisonError::into_inner) = copies_of(&members, instance, copies);
    }
}

/// The process's name in `<app>-<instance>-<worker>`.
pub(super) fn instance_of<'a>(client: &'a str, group: &str) -> &'a str {
    let rest = client.strip_prefix(group).and_then(|rest| rest.strip_prefix('-')).unwrap_or(client);
    rest.rsplit_once('-').map_or(rest, |(instance, _)| instance)
}

/// The tasks of which the process `own` keeps a copy, lowest first.
fn copies_of(members: &[Member], own: &str, copies: usize) -> Vec<usize> {
    let mut instances: Vec<&str> = members.iter().map(|member| member.instance.as_str()).collect();
    instances.sort_unstable();
    instances.dedup();
    let mut tasks = Vec::new();
    for owner in instances.iter().filter(|owner| **owner != own) {
        let others: Vec<&str> = instances.iter().filter(|other| *other != owner).copied().collect();
        for (task, heir) in heirs(members, owner) {
            let mut keepers = others.clone();
            keepers.sort_by_key(|keeper| (*keeper != heir, rank(task, keeper), *keeper));
            if keepers.iter().take(copies).any(|keeper| *keeper == own) {
                tasks.push(task);
            }
        }
    }
    tasks.sort_unstable();
    tasks
}

fn rank(task: usize, instance: &str) -> i32 {
    murmur2(format!("{task}/{instance}").as_bytes())
}

/// To whom the tasks of a process go when it is gone: the highest number first, each to the member that has the fewest by
/// then, of several to the one whose id comes first (`rd_kafka_sticky_assignor_assign_cb` and `maybeAssign` of librdkafka
/// 2.12, for members that all subscribe to one topic). Members that are far from an equal share get some of each other's
/// tasks afterwards, which is not followed here.
fn heirs<'a>(members: &'a [Member], owner: &str) -> Vec<(usize, &'a str)> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[(&str, &[usize])]) -> Vec<Member> {
        let member = |(name, tasks): &(&str, &[usize])| Member {
            id: format!("{name}-id"),
            instance: (*name).to_owned(),
            tasks: tasks.to_vec(),
        };
        members.iter().map(member).collect()
    }

    #[test]
    fn every_task_has_its_copies_elsewhere() {
        let group = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7]), ("d", &[])]);
        for copies in 0..=4 {
            for task in 0..8 {
                let keeps = |member: &&Member| copies_of(&group, &member.instance, copies).contains(&task);
                let keepers: Vec<_> = group.iter().filter(keeps).collect();
                assert_eq!(keepers.len(), copies.min(3), "task {task}");
                assert!(keepers.iter().all(|keeper| !keeper.tasks.contains(&task)));
            }
        }
    }

    #[test]
    fn the_first_copy_is_where_the_task_will_go() {
        let group = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7, 8])]);
        assert_eq!(heirs(&group, "a"), [(3, "b"), (2, "b"), (1, "c"), (0, "b")]);
        assert_eq!(copies_of(&group, "b", 1), [0, 2, 3, 7, 8]);
        assert_eq!(copies_of(&group, "c", 1), [1, 5]);
        assert_eq!(copies_of(&group, "a", 1), [4, 6]);
    }

    #[test]
    fn who_is_alone_keeps_none() {
        assert_eq!(copies_of(&group(&[("a", &[0, 1])]), "a", 1), [0; 0]);
    }

    #[test]
    fn a_member_tells_its_process() {
        assert_eq!(instance_of("app-x-1a2b-0", "app"), "x-1a2b");
    }
}
