//! Where standby copies are kept: by rendezvous hashing over the processes of the group, so that each process knows its
//! share from the list of members alone, and little moves when one comes or goes.

use super::ffi_groups::GroupMember;
use super::link::Link;
use crate::record::murmur2;
use std::collections::BTreeMap;
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
        let mut owned: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for GroupMember { client, partitions, .. } in members {
            owned.entry(instance_of(&client, &link.group).to_owned()).or_default().extend(partitions);
        }
        *placement.tasks.lock().unwrap_or_else(PoisonError::into_inner) = copies_of(&owned, instance, copies);
    }
}

/// The process's name in `<app>-<instance>-<worker>`.
pub(super) fn instance_of<'a>(client: &'a str, group: &str) -> &'a str {
    let rest = client.strip_prefix(group).and_then(|rest| rest.strip_prefix('-')).unwrap_or(client);
    rest.rsplit_once('-').map_or(rest, |(instance, _)| instance)
}

/// The tasks of which the process `own` keeps a copy: for each task the processes that do not work on it are ranked, and
/// the first ones have it.
fn copies_of(owned: &BTreeMap<String, Vec<usize>>, own: &str, copies: usize) -> Vec<usize> {
    let mut tasks: Vec<usize> = owned.values().flatten().copied().collect();
    tasks.sort_unstable();
    tasks.dedup();
    let rank = |task: usize, instance: &str| murmur2(format!("{task}/{instance}").as_bytes());
    let has_copy = |task: &usize| {
        let others = owned.iter().filter(|(_, tasks)| !tasks.contains(task)).map(|(instance, _)| instance.as_str());
        let mut others: Vec<&str> = others.collect();
        others.sort_by_key(|instance| (rank(*task, instance), *instance));
        others.iter().take(copies).any(|instance| *instance == own)
    };
    tasks.into_iter().filter(has_copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(members: &[(&str, &[usize])]) -> BTreeMap<String, Vec<usize>> {
        members.iter().map(|(name, tasks)| ((*name).to_owned(), tasks.to_vec())).collect()
    }

    #[test]
    fn every_task_has_its_copies_elsewhere() {
        let owned = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7]), ("d", &[])]);
        for copies in 0..=4 {
            let of = |name| copies_of(&owned, name, copies);
            for task in 0..8 {
                let keepers: Vec<_> = owned.keys().filter(|name| of(name).contains(&task)).collect();
                assert_eq!(keepers.len(), copies.min(3), "task {task}");
                assert!(keepers.iter().all(|name| !owned[*name].contains(&task)));
            }
        }
    }

    #[test]
    fn a_process_that_comes_moves_only_what_it_gets() {
        let before = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5, 6, 7])]);
        let mut after = before.clone();
        after.insert("c".into(), Vec::new());
        let newcomer = copies_of(&after, "c", 1);
        for name in ["a", "b"] {
            let mut kept = copies_of(&before, name, 1);
            kept.retain(|task| !newcomer.contains(task));
            assert_eq!(copies_of(&after, name, 1), kept);
        }
    }

    #[test]
    fn a_member_tells_its_process() {
        assert_eq!(instance_of("app-x-1a2b-0", "app"), "x-1a2b");
    }
}
