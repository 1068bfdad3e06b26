//! A worker's membership in the app's group, by the task topic: one partition for each task. Who is assigned the partition
//! works on the task; what the task reads is assigned by hand.

use super::LocalState;
use super::context::{Kind, Rebalanced};
use super::ffi::ConsumerClient;
use super::ffi_assignor::{Assignor, Told};
use super::ffi_groups::GroupMember;
use super::link::{Link, MEMBERS};
use super::placement::{Placement, instance_of};
use crate::record::Topic;
use crate::transport::{Change, Coordinator, TransportError};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the group is waited for when a member leaves: it answers in milliseconds, if at all.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long it is waited for at once meanwhile.
const LEAVE_STEP: Duration = Duration::from_millis(20);

/// How long tasks that are revoked are worked on before they are given up: they are free for others once the group has
/// formed anew, and librdkafka lets a member that gives up nothing join once a second at most (`rkcg_join_intvl`), which it
/// did a moment ago. What is left of the second is for the last commit.
const WORKED_ON: Duration = Duration::from_millis(900);

/// Time between two questions that wake librdkafka's main thread. It looks whether a heartbeat is due when something wakes it
/// and else once or twice a second, whatever `heartbeat.interval.ms` says; by a heartbeat a member hears of tasks that are free.
const WAKE: Duration = Duration::from_millis(50);

/// A member of the app's group.
pub struct Membership {
    consumer: Arc<ConsumerClient>,
    link: Arc<Link>,
    name: String,
    /// The change that is being carried out.
    current: Option<Rebalanced>,
    /// When librdkafka was last woken.
    woken: Instant,
    /// Tasks that are to be given up, and since when that is known.
    revoked: Option<(Rebalanced, Instant)>,
    /// None where no task has anything to copy.
    copies: Option<Copies>,
    /// What is subscribed to, until it is.
    waits_for: Option<Topic>,
}

/// The copies of tasks that a worker keeps.
pub(super) struct Copies {
    placement: Arc<Placement>,
    /// Which of the process's workers it is: they share its copies.
    worker: usize,
    /// What it was told last.
    told: Vec<usize>,
    /// What the members tell of, as long as they are there.
    _state: Arc<dyn LocalState>,
}

impl Copies {
    /// Worker `worker`'s share.
    pub(super) const fn new(placement: Arc<Placement>, worker: usize, state: Arc<dyn LocalState>) -> Self {
        Self { placement, worker, told: Vec::new(), _state: state }
    }
}

impl Membership {
    /// Will join the app's group as `name`, when it has the copies that it is to have before; `told` is what it tells then of
    /// the state that lies here.
    ///
    /// # Errors
    /// If the settings are refused.
    pub(super) fn new(
        link: &Arc<Link>,
        name: &str,
        tasks: &Topic,
        told: Told,
        copies: Option<Copies>,
    ) -> Result<Self, TransportError> {
        let consumer = Arc::new(link.clients.member(name, &link.group)?);
        if !Assignor::install(&consumer, tasks.as_str(), instance_of(name, &link.group), told) {
            tracing::warn!(
                "tasks are given out without an eye on where their state lies: this librdkafka is another one"
            );
        }
        let (link, name, waits_for) = (Arc::clone(link), name.to_owned(), Some(tasks.clone()));
        let mut membership =
            Self { consumer, link, name, current: None, woken: Instant::now(), revoked: None, copies, waits_for };
        membership.join()?;
        Ok(membership)
    }

    /// Joins the group, if it is time. Says whether the worker is a member, or becomes one.
    fn join(&mut self) -> Result<bool, TransportError> {
        let Some(tasks) = &self.waits_for else { return Ok(true) };
        if self.copies.as_ref().is_some_and(|copies| !copies.placement.has_entered()) {
            return Ok(false);
        }
        self.consumer.subscribe(&[tasks.as_str()]).map_err(|error| super::refused(&error))?;
        self.waits_for = None;
        Ok(true)
    }

    /// Whether each of so many tasks is some member's, and this one's are `own`, as the group's coordinator sees it. While
    /// the group forms anew nobody has any there.
    pub fn is_settled(&self, own: &[usize], tasks: usize) -> bool {
        let Ok(members) = self.link.members(&self.link.group, MEMBERS) else { return false };
        let of = |member: &GroupMember| member.partitions.iter().copied().filter(|task| *task < tasks).collect();
        let had: BTreeSet<usize> = members.iter().flat_map(|member| -> BTreeSet<usize> { of(member) }).collect();
        let own: BTreeSet<usize> = own.iter().copied().collect();
        had.len() == tasks && members.iter().any(|member| member.client == self.name && of(member) == own)
    }

    /// Has heartbeats sent in time.
    fn wake(&mut self) {
        if self.woken.elapsed() >= WAKE {
            self.woken = Instant::now();
            // Any question to the group's handler does, and this one is the smallest.
            let _ = self.consumer.subscription();
        }
    }

    /// The client, to commit offsets by where there are no transactions.
    pub(super) fn client(&self) -> Arc<ConsumerClient> {
        Arc::clone(&self.consumer)
    }

    /// What a change is to the worker, which is to carry it out now.
    fn begin(&mut self, rebalanced: Rebalanced) -> Change {
        let tasks = numbers(&rebalanced.partitions);
        let change = match rebalanced.kind {
            Kind::Assigned => Change::Assigned { tasks, fence: rebalanced.fence.clone() },
            Kind::Revoked => Change::Revoked { tasks, fence: rebalanced.fence.clone() },
            Kind::Lost => Change::Lost { tasks },
        };
        tracing::debug!(?change, "the group was rebalanced");
        self.current = Some(rebalanced);
        change
    }

    /// Takes the change's partitions on or gives them back.
    fn carry_out(&self, change: &Rebalanced) -> Result<(), TransportError> {
        let failed = |error: rdkafka::error::KafkaError| TransportError::Retry(error.to_string());
        match change.kind {
            Kind::Assigned => {
                self.consumer.incremental_assign(&change.partitions).map_err(failed)?;
                // A member does not read what lies in them: the processes' outlines.
                if change.partitions.count() > 0 {
                    self.consumer.pause(&change.partitions).map_err(failed)?;
                }
            }
            Kind::Revoked | Kind::Lost => self.consumer.incremental_unassign(&change.partitions).map_err(failed)?,
        }
        Ok(())
    }

    /// Carries out what is pending, and has whatever comes carried out as it comes.
    fn give_back(&mut self) {
        let consumer = Arc::clone(&self.consumer);
        let context = consumer.client().context();
        context.close();
        let begun = self.current.take().into_iter().chain(self.revoked.take().map(|(change, _)| change));
        for change in begun.chain(std::iter::from_fn(|| context.next_rebalance())) {
            if let Err(error) = self.carry_out(&change) {
                tracing::debug!("kafka: while leaving the group: {error}");
            }
        }
    }
}

/// A worker that panics does not leave: its consumer would wait for ever, when it goes, for a change to be carried out.
impl Drop for Membership {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Coordinator for Membership {
    fn poll(&mut self) -> Result<Option<Change>, TransportError> {
        let joined = self.join()?;
        self.wake();
        // What could not be carried out is tried again: until then the group waits.
        self.done()?;
        for error in self.consumer.take_errors() {
            if self.consumer.client().fatal_error().is_some() {
                return Err(TransportError::Refused(format!(
                    "MS-T023: this process cannot be a member of the group any more: {error}; start it again"
                )));
            }
            tracing::debug!("kafka: {error}");
        }
        if !joined {
            return Ok(None);
        }
        if let Some((revoked, _)) = self.revoked.take_if(|(_, since)| since.elapsed() >= WORKED_ON) {
            return Ok(Some(self.begin(revoked)));
        }
        if self.revoked.is_some() {
            return Ok(None);
        }
        let Some(rebalanced) = self.consumer.client().context().next_rebalance() else { return Ok(None) };
        crate::killpoint::pass("rebalance");
        if rebalanced.kind == Kind::Revoked {
            // The group is in its next generation, under which all of them are still this member's.
            let change = Change::Assigned { tasks: Vec::new(), fence: rebalanced.fence.clone() };
            self.revoked = Some((rebalanced, Instant::now()));
            return Ok(Some(change));
        }
        Ok(Some(self.begin(rebalanced)))
    }

    fn done(&mut self) -> Result<(), TransportError> {
        let Some(change) = &self.current else { return Ok(()) };
        crate::killpoint::pass("rebalance-before-done");
        self.carry_out(change)?;
        self.current = None;
        crate::killpoint::pass("rebalance-after-done");
        Ok(())
    }

    fn standbys(&mut self) -> Option<Vec<usize>> {
        let Copies { placement, worker, told, .. } = self.copies.as_mut()?;
        let tasks = placement.tasks_of(*worker);
        if tasks == *told {
            return None;
        }
        told.clone_from(&tasks);
        Some(tasks)
    }

    fn waits_for_copies(&self) -> bool {
        self.waits_for.is_some()
    }

    fn tell_behind(&mut self, records: u64) {
        if let Some(Copies { placement, worker, told, .. }) = &self.copies {
            placement.tell(*worker, told, records);
        }
    }

    fn leave(&mut self) {
        self.give_back();
        self.consumer.unsubscribe();
        let began = Instant::now();
        while began.elapsed() < LEAVE_TIMEOUT {
            let _ = self.consumer.poll(LEAVE_STEP);
            if self.consumer.assignment().is_ok_and(|assignment| assignment.count() == 0) {
                break;
            }
        }
    }
}

/// The tasks of a list of the task topic's partitions.
fn numbers(partitions: &TopicPartitionList) -> Vec<usize> {
    let elements = partitions.elements();
    elements.iter().filter_map(|element| usize::try_from(element.partition()).ok()).collect()
}
