//! Of which tasks a process keeps copies. As a member it keeps those that `standby` asks for: first of all where a task
//! will go when its process does, and further ones by rendezvous hashing, so that little moves when a process comes or
//! goes. Before it is a member it makes copies of the tasks that it will get (`entrance.rs`).

use super::LocalState;
use super::assignor::{Member, heirs, is_settled};
use super::entrance::{Entrance, Step};
use super::ffi_groups::GroupMember;
use super::link::Link;
use crate::record::murmur2;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Time between two looks at the group: so long a new copy waits before it is begun.
const LOOK: Duration = Duration::from_secs(1);
/// The same while the process is no member: its tasks wait for it.
const LOOK_BEFORE: Duration = Duration::from_millis(100);
/// How long the group may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Time between two lines about copies that are made before the process is a member.
const TELL: Duration = Duration::from_secs(10);

/// Tasks of which this process keeps copies, as last known.
#[derive(Debug)]
pub(super) struct Placement {
    state: Mutex<State>,
    workers: usize,
}

#[derive(Debug)]
struct State {
    tasks: Vec<usize>,
    /// By how many records each worker's share of the copies is behind; none: not known.
    behind: Vec<Option<u64>>,
    /// Whether the process is, or becomes, a member.
    entered: bool,
}

/// Whose copies are placed.
pub(super) struct Process {
    /// Its name among the group's members.
    pub(super) instance: String,
    /// Its workers.
    pub(super) workers: usize,
    /// Copies of each task that are kept besides the one that is worked on.
    pub(super) copies: usize,
    /// Records by which the copies may be behind of a process that becomes a member.
    pub(super) acceptable: u64,
    /// What lies with it.
    pub(super) state: Weak<dyn LocalState>,
}

impl Placement {
    fn new(workers: usize) -> Self {
        Self { state: Mutex::new(State { tasks: Vec::new(), behind: vec![None; workers], entered: false }), workers }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tasks of which this worker is to keep copies.
    pub(super) fn tasks_of(&self, worker: usize) -> Vec<usize> {
        self.part(&self.state(), worker)
    }

    fn part(&self, state: &State, worker: usize) -> Vec<usize> {
        state.tasks.iter().copied().filter(|task| task % self.workers == worker).collect()
    }

    /// Whether the process is to be a member by now.
    pub(super) fn has_entered(&self) -> bool {
        self.state().entered
    }

    /// The worker's copies, if they are still of these tasks, are so many records behind.
    pub(super) fn tell(&self, worker: usize, tasks: &[usize], records: u64) {
        let mut state = self.state();
        if self.part(&state, worker) == tasks
            && let Some(behind) = state.behind.get_mut(worker)
        {
            *behind = Some(records);
        }
    }

    /// By how many records the worst of all copies is behind.
    fn behind(&self) -> Option<u64> {
        self.state().behind.iter().try_fold(0, |worst, behind| behind.map(|behind| behind.max(worst)))
    }

    fn place(&self, tasks: Vec<usize>) {
        let mut state = self.state();
        if state.tasks != tasks {
            state.tasks = tasks;
            state.behind.fill(None);
        }
    }

    /// Looks at the group from time to time, as long as somebody holds the placement.
    pub(super) fn follow(link: &Arc<Link>, process: Process) -> Arc<Self> {
        let placement = Arc::new(Self::new(process.workers));
        let (link, told) = (Arc::clone(link), Arc::downgrade(&placement));
        let thread = std::thread::Builder::new().name("placement".into());
        let door = Door(Weak::clone(&told));
        let started = thread.spawn(move || {
            enter(&link, &told, &process);
            drop(door);
            keep(&link, &told, &process);
        });
        // Without the thread there are no copies, which costs time after a failure and nothing else.
        let _ = started.inspect_err(|error| tracing::warn!("no standby copies: {error}"));
        placement
    }
}

/// Has the process become a member when it goes, whyever: without it nobody would work.
struct Door(Weak<Placement>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.upgrade().iter().for_each(|placement| placement.state().entered = true);
    }
}

/// Has copies made of what the process will get, until it may become a member.
fn enter(link: &Link, placement: &Weak<Placement>, process: &Process) {
    let held = process.state.upgrade().map(|state| state.positions()).unwrap_or_default();
    let mut entrance = Entrance::new(&process.instance, process.workers, process.acceptable, held);
    let mut told: Option<Instant> = None;
    while let Some(placement) = placement.upgrade() {
        let (members, behind) = (members(link), placement.behind());
        match entrance.look(members.as_deref(), behind, Instant::now()) {
            Step::Enter(why) if told.is_some() => return tracing::info!("joins the group: {why}"),
            Step::Enter(why) => return tracing::debug!("joins the group: {why}"),
            Step::Copy(tasks) => {
                if told.is_none_or(|told| told.elapsed() >= TELL) {
                    told = Some(Instant::now());
                    let tasks = tasks.len();
                    tracing::info!(
                        tasks,
                        behind,
                        "makes copies of the tasks that it will get before it joins the group"
                    );
                }
                placement.place(tasks);
            }
            Step::Wait => {}
        }
        drop(placement);
        // A question that was not answered costs a client.
        std::thread::sleep(if members.is_some() { LOOK_BEFORE } else { LOOK });
    }
}

/// Keeps copies of what other members work on.
fn keep(link: &Link, placement: &Weak<Placement>, process: &Process) {
    loop {
        std::thread::sleep(LOOK);
        let Some(placement) = placement.upgrade() else { return };
        // While tasks are on their way it is not known whose they are, and before the process is a member its copies wait.
        let own = |member: &Member| member.instance == process.instance;
        let Some(members) = members(link).filter(|members| is_settled(members) && members.iter().any(own)) else {
            continue;
        };
        let stateful = process.state.upgrade().map(|state| state.stateful()).unwrap_or_default();
        placement.place(copies_of(&members, &process.instance, process.copies, &stateful));
        if process.copies == 0 {
            return;
        }
    }
}

/// The group's members, if it says.
fn members(link: &Link) -> Option<Vec<Member>> {
    let member = |GroupMember { id, client, partitions, .. }| {
        let instance = instance_of(&client, &link.group).to_owned();
        Member { id, instance, generation: -1, tasks: partitions }
    };
    Some(link.members(&link.group, ANSWER).ok()?.into_iter().map(member).collect())
}

/// The process's name in `<app>-<instance>-<worker>`.
pub(super) fn instance_of<'a>(client: &'a str, group: &str) -> &'a str {
    let rest = client.strip_prefix(group).and_then(|rest| rest.strip_prefix('-')).unwrap_or(client);
    rest.rsplit_once('-').map_or(rest, |(instance, _)| instance)
}

/// The tasks of which the process `own` keeps a copy, lowest first.
fn copies_of(members: &[Member], own: &str, copies: usize, stateful: &BTreeSet<usize>) -> Vec<usize> {
    let mut instances: Vec<&str> = members.iter().map(|member| member.instance.as_str()).collect();
    instances.sort_unstable();
    instances.dedup();
    let mut tasks = Vec::new();
    for owner in instances.iter().filter(|owner| **owner != own) {
        let others: Vec<&str> = instances.iter().filter(|other| *other != owner).copied().collect();
        for (task, heir) in heirs(members, owner, stateful) {
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

#[cfg(test)]
mod tests {
    use super::super::assignor_tests::group;
    use super::*;

    #[test]
    fn every_task_has_its_copies_elsewhere() {
        let group = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7]), ("d", &[])]);
        for copies in 0..=4 {
            for task in 0..8 {
                let keeps =
                    |member: &&Member| copies_of(&group, &member.instance, copies, &(0..8).collect()).contains(&task);
                let keepers: Vec<_> = group.iter().filter(keeps).collect();
                assert_eq!(keepers.len(), copies.min(3), "task {task}");
                assert!(keepers.iter().all(|keeper| !keeper.tasks.contains(&task)));
            }
        }
    }

    #[test]
    fn the_first_copy_is_where_the_task_will_go() {
        let group = group(&[("a", &[0, 1, 2, 3]), ("b", &[4, 5]), ("c", &[6, 7, 8])]);
        let all = (0..9).collect();
        assert_eq!(copies_of(&group, "b", 1, &all), [0, 1, 3, 6, 7]);
        assert_eq!(copies_of(&group, "c", 1, &all), [2, 4]);
        assert_eq!(copies_of(&group, "a", 1, &all), [5, 8]);
    }

    #[test]
    fn who_is_alone_keeps_none() {
        assert_eq!(copies_of(&group(&[("a", &[0, 1])]), "a", 1, &(0..2).collect()), [0; 0]);
    }

    #[test]
    fn copies_are_known_when_all_workers_told_of_the_tasks_that_they_have_now() {
        let placement = Placement::new(2);
        placement.place(vec![0, 1, 2]);
        assert_eq!((placement.tasks_of(0), placement.tasks_of(1)), (vec![0, 2], vec![1]));
        placement.tell(0, &[0, 2], 5);
        assert_eq!(placement.behind(), None);
        placement.tell(1, &[], 0);
        assert_eq!(placement.behind(), None);
        placement.tell(1, &[1], 7);
        assert_eq!(placement.behind(), Some(7));
        placement.place(vec![0, 2]);
        assert_eq!(placement.behind(), None);
    }

    #[test]
    fn a_member_tells_its_process() {
        assert_eq!(instance_of("app-x-1a2b-0", "app"), "x-1a2b");
    }
}
