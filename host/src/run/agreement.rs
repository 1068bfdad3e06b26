//! That all processes of a group run one topology. Each tells its outline in the task topic, under its name, before it
//! joins the group; every member compares the others' with its own whenever the group has formed anew, before it opens
//! tasks or copies, and who makes copies before it joins does so before it opens those. Of two members that differ both
//! have told their outlines by then: who told it later gives way.

use super::left_over::{has_record, visit};
use super::outline::Outline;
use super::{App, Host, RunError};
use crate::record::batch::{BatchBuilder, Compression};
use crate::record::{Offset, Partition, Topic, TopicPartition};
use crate::transport::kafka::Kafka;
use crate::transport::{Member, TopicSpec, Transaction, Transport, TransportError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long brokers that have just started are waited for before an app that starts, too, gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before they are asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// Differences that are told; the rest is counted.
const TOLD: usize = 4;

/// A process's part in the agreement.
pub(super) struct Agreement {
    app: App,
    kafka: Kafka,
    log: Box<dyn Transport>,
    /// Where outlines are told: the first partition of the task topic.
    place: TopicPartition,
    outline: Outline,
    /// What was told when it was last looked, and from where to where that was.
    seen: Option<((Offset, Offset), Told)>,
}

/// What was told.
#[derive(Clone, Default)]
struct Told {
    /// By process, and in which order.
    by: BTreeMap<String, (usize, Outline)>,
}

impl Told {
    /// By whoever came last.
    fn last(&self) -> Option<&Outline> {
        self.by.values().max_by_key(|(at, _)| at).map(|(_, outline)| outline)
    }
}

impl Agreement {
    /// The agreement of a group; none where there is no group.
    pub(super) fn of(app: &App, host: &Host) -> Result<Option<Self>, RunError> {
        let Some(kafka) = host.cluster_of() else { return Ok(None) };
        let place = TopicPartition::new(app.task_topic(), Partition::new(0));
        let mut log: Box<dyn Transport> = Box::new(kafka.tool());
        let outline = patiently(|| app.outline_now(log.as_mut()))?;
        Ok(Some(Self { app: app.clone(), kafka: kafka.clone(), log, place, outline, seen: None }))
    }

    /// Refuses to start beside members that run another topology, and where one that ran before left what this one would
    /// misread or never read. Nothing is changed yet.
    pub(super) fn check_start(&mut self) -> Result<(), RunError> {
        patiently(|| {
            let told = self.read()?;
            self.meet(&told, None)?;
            told.last().map_or(Ok(()), |last| self.check_last(last))
        })
    }

    /// Makes the task topic as wide as there are tasks, and tells the outline there: it is then joined.
    pub(super) fn announce(&mut self) -> Result<(), RunError> {
        patiently(|| {
            self.outline = self.app.outline_now(self.log.as_mut())?;
            let tasks = self.outline.subtopologies.iter().filter_map(|part| part.partitions).sum();
            self.log.create_topic(&TopicSpec::new(self.place.topic.clone(), tasks))?;
            self.kafka.widen(&self.place.topic, tasks)?;
            let told = self.read()?;
            let differences = told.last().map(|last| self.outline.differences(last)).unwrap_or_default();
            if !differences.is_empty() {
                tracing::info!("the topology is another than before: {}", listed(&differences));
            }
            if self.told_at(&told).is_none() || told.last() != Some(&self.outline) {
                self.tell()?;
            }
            Ok(())
        })?;
        // From now on workers ask, whose tasks wait meanwhile.
        self.log = Box::new(self.kafka.hurried_tool());
        Ok(())
    }

    /// Refuses to go on beside members that run another topology and told it before. A member asks whenever the group has
    /// formed anew.
    pub(super) fn check(&mut self) -> Result<(), RunError> {
        let mut told = self.read()?;
        // The topic was made anew, and the outline went with it.
        if self.told_at(&told).is_none() {
            self.tell()?;
            told = self.read()?;
        }
        self.meet(&told, self.told_at(&told))
    }

    /// When this process told the outline that it has.
    fn told_at(&self, told: &Told) -> Option<usize> {
        told.by.get(self.kafka.instance()).filter(|(_, outline)| *outline == self.outline).map(|(at, _)| *at)
    }

    /// Refuses to be beside members that differ: all of them, or those that told their outline `before`.
    fn meet(&self, told: &Told, before: Option<usize>) -> Result<(), RunError> {
        let own = self.kafka.instance();
        let differs = |name: &str, (at, outline): &(usize, Outline)| {
            name != own && before.is_none_or(|own| *at < own) && !self.outline.differences(outline).is_empty()
        };
        // Where all agree nobody needs to ask who is there.
        if !told.by.iter().any(|(name, told)| differs(name, told)) {
            return Ok(());
        }
        let others: Vec<Member> = self.kafka.others(before.is_some())?;
        let of = |member: &Member| {
            told.by.get(&member.name).filter(|told| differs(&member.name, told)).map(|(_, outline)| outline)
        };
        let Some((first, outline)) = others.iter().find_map(|member| Some((member, of(member)?))) else {
            return Ok(());
        };
        let differences = listed(&self.outline.differences(outline));
        let member = format!("{} on {}", first.name, first.host);
        Err(RunError::Topology { app: self.app.manifest.app.clone(), member, differences })
    }

    /// What is on its way between tasks, and what lies in changelogs, was written by the topology that ran before.
    fn check_last(&mut self, last: &Outline) -> Result<(), RunError> {
        for (store, kept) in last.subtopologies.iter().flat_map(|part| &part.stores) {
            let now = self.outline.subtopologies.iter().find_map(|part| part.stores.get(store));
            if let Some(now) = now.filter(|now| now.holds != kept.holds)
                && self.app.has_rows_in_changelog(store, self.log.as_mut())?
            {
                let (store, was, now) = (store.clone(), kept.holds.clone(), now.holds.clone());
                return Err(RunError::Layout { store, was, now });
            }
        }
        for (topic, was) in last.subtopologies.iter().flat_map(|part| &part.reads) {
            let now = self.outline.subtopologies.iter().find_map(|part| part.reads.get(topic)).cloned();
            if now.as_ref() != Some(was) && self.app.is_between(topic) {
                self.check_between(&Topic::new(topic), was, now)?;
            }
        }
        Ok(())
    }

    fn check_between(&mut self, topic: &Topic, was: &str, now: Option<String>) -> Result<(), RunError> {
        for partition in self.log.topic(topic)?.iter().flat_map(TopicSpec::all_partitions) {
            let (from, end) = self.app.stretch(&partition, self.log.as_mut())?;
            if has_record(&partition, (from, end), self.log.as_mut())? {
                let records = self.app.unprocessed(topic, self.log.as_mut())?;
                let now = now.map_or_else(|| "does not read it".into(), |now| format!("would take them for {now}"));
                return Err(RunError::Between { topic: topic.clone(), records, was: was.to_owned(), now });
            }
        }
        Ok(())
    }

    fn read(&mut self) -> Result<Told, TransportError> {
        let (mut told, mut count) = (Told::default(), 0);
        if self.seen.is_none() && self.log.topic(&self.place.topic)?.is_none() {
            return Ok(told);
        }
        let stretch = self.log.bounds(&self.place)?;
        // Mostly nobody has come: tasks that move do not wait for it to be read once more.
        if let Some((_, told)) = self.seen.as_ref().filter(|(seen, _)| *seen == stretch) {
            return Ok(told.clone());
        }
        let read = visit(&self.place, stretch, self.log.as_mut(), &mut |name, outline| {
            let outline: Option<Outline> = outline.and_then(|text| serde_json::from_slice(text).ok());
            if let Some((name, outline)) = name.zip(outline) {
                told.by.insert(String::from_utf8_lossy(name).into_owned(), (count, outline));
                count += 1;
            }
            true
        });
        self.log.release(&self.place);
        read?;
        self.seen = Some((stretch, told.clone()));
        Ok(told)
    }

    fn tell(&mut self) -> Result<(), RunError> {
        let text = serde_json::to_vec(&self.outline).map_err(|error| TransportError::Refused(error.to_string()))?;
        let mut batch = BatchBuilder::new(Compression::None);
        batch.append(super::upkeep::now(), Some(self.kafka.instance().as_bytes()), Some(&text), &[]);
        let outputs = vec![(self.place.clone(), batch.finish())];
        Ok(self.log.commit(&self.app.manifest.app, &Transaction { outputs, ..Transaction::default() })?)
    }
}

impl App {
    /// The outline, as wide as the topics are now.
    fn outline_now(&self, log: &mut dyn Transport) -> Result<Outline, RunError> {
        let parts = 0..self.blueprint.plan.subtopologies.len();
        let tasks = parts.map(|part| self.width(part, log)).collect::<Result<Vec<_>, _>>()?;
        Ok(self.outlined(&tasks))
    }

    /// Whether a topic is one by which tasks of the app hand records to each other.
    fn is_between(&self, topic: &str) -> bool {
        let rest = topic.strip_prefix(self.manifest.app.as_str()).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.ends_with("-repartition"))
    }
}

/// Tries again what brokers that have just started do not answer yet.
fn patiently<T>(mut what: impl FnMut() -> Result<T, RunError>) -> Result<T, RunError> {
    let began = Instant::now();
    loop {
        match what() {
            Err(RunError::Transport(TransportError::Retry(why))) if began.elapsed() < PATIENCE => {
                tracing::debug!("not yet: {why}");
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

fn listed(differences: &[String]) -> String {
    let mut told = differences.iter().take(TOLD).cloned().collect::<Vec<_>>();
    let rest = differences.len() - told.len();
    if rest > 0 {
        told.push(format!("{rest} more"));
    }
    told.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::operator::Stop;
    use crate::record::TopicPartition;
    use crate::store::{Db, KeyValueStore, Settings};
    use crate::task::Task;
    use crate::topology::OffsetReset;
    use crate::transport::embedded::EmbeddedLog;
    use crate::transport::{Alone, Fence, Transport, TransportError};
    use crate::worker::{FailureLog, Shared, State, Tasks, Worker};
    use std::sync::Arc;
    use std::time::Duration;

    /// Answers whether the members agree with these, the last one first, and then with yes.
    struct Doubtful(Vec<TransportError>);

    impl Tasks for Doubtful {
        fn agree(&mut self) -> Result<(), Stop> {
            self.0.pop().map_or(Ok(()), |error| Err(error.into()))
        }

        fn open(&mut self, number: usize, _: Option<&Fence>, _: &mut dyn Transport) -> Result<Task, Stop> {
            assert!(self.0.is_empty(), "task {number} is opened before it is known that all agree");
            Err(TransportError::Refused("opened".into()).into())
        }

        fn copy(&mut self, _: usize) -> Result<Vec<(KeyValueStore, TopicPartition)>, Stop> {
            Ok(Vec::new())
        }

        fn is_wanted(&self, _: usize) -> bool {
            false
        }

        fn close(&mut self, _: usize) {}

        fn put_off(&mut self, _: usize) {}
    }

    /// How a worker with one task ends that hears this.
    fn ends(answers: Vec<TransportError>) -> String {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let worker = Worker {
            number: 0,
            app: "app".into(),
            log: Box::new(EmbeddedLog::open(db, false).unwrap()),
            coordinator: Box::new(Alone::new(vec![0])),
            maker: Box::new(Doubtful(answers)),
            commit_interval: Duration::from_millis(100),
            offset_reset: OffsetReset::Earliest,
            repartitions: Arc::default(),
            purge_interval: Duration::from_secs(30),
            until_end: true,
            shared: Shared::new(1),
            failures: FailureLog::default(),
            state: State::default(),
        };
        worker.run().unwrap_err().to_string()
    }

    #[test]
    fn whether_all_agree_is_asked_until_it_is_known_and_then_tasks_are_opened() {
        let doubtful = [TransportError::Retry, TransportError::Aborted, TransportError::InDoubt];
        assert_eq!(ends(doubtful.map(|error| error("away".into())).into()), "opened");
        assert_eq!(ends(vec![TransportError::Refused("another topology".into())]), "another topology");
    }
}
