//! The topics of an app: all are looked over before the first one is made.

use super::{App, RunError};
use crate::record::Topic;
use crate::topology::TopicSettings;
use crate::topology::plan::{Plan, StepOp, Target};
use crate::transport::{Cleanup, TopicSpec, Transport, TransportError, Truth};
use std::collections::{BTreeSet, HashMap};

impl App {
    /// Makes the topics that the app needs and that are not there; none if any of them is refused. Topics that plugins
    /// name for single records are made when they are named.
    ///
    /// # Errors
    /// See [`RunError`].
    pub fn make_topics(&self, log: &mut dyn Transport) -> Result<(), RunError> {
        let shared = log.truth() == Truth::Changelog;
        let mut draft = Draft { log, there: HashMap::new(), new: Vec::new(), missing: Vec::new(), shared };
        let mut settled = Vec::new();
        let internal = self.internal();
        for (topic, settings) in &self.manifest.topics {
            if internal.contains(topic) {
                return Err(RunError::Internal(topic.clone()));
            }
            let spec = spec(topic, settings);
            draft.add(&spec, settings.partitions)?;
            settled.push(spec);
        }
        self.draft_sources(&mut draft)?;
        self.draft_outputs(&mut draft)?;
        if let Some((first, others)) = draft.missing.split_first() {
            return Err(RunError::NoTopic(first.clone(), others.to_vec()));
        }
        // How wide these are depends on the sources.
        self.draft_repartitions(&mut draft)?;
        self.draft_changelogs(&mut draft)?;
        let Draft { log, new, .. } = draft;
        for spec in &new {
            log.create_topic(spec)?;
        }
        // On a cluster a topic that is there is somebody's, and so are its settings.
        for spec in settled.iter().filter(|_| !shared) {
            log.alter_topic(spec)?;
        }
        Ok(())
    }

    fn draft_sources(&self, draft: &mut Draft<'_>) -> Result<(), RunError> {
        let plan: &Plan = &self.blueprint.plan;
        let internal = plan.subtopologies.iter().flat_map(|part| &part.repartitions);
        for source in (0..plan.subtopologies.len()).flat_map(|subtopology| self.blueprint.sources(subtopology)) {
            if !internal.clone().any(|spec| spec.topic == source.topic) {
                draft.add_foreign(source.topic)?;
            }
        }
        Ok(())
    }

    /// A repartition topic is as wide as what is read by the tasks that write it; those may read another such topic.
    fn draft_repartitions(&self, draft: &mut Draft<'_>) -> Result<(), RunError> {
        let parts = &self.blueprint.plan.subtopologies;
        let deepest: usize = parts.iter().map(|part| part.repartitions.len()).sum();
        for _ in 0..=deepest {
            for (number, part) in parts.iter().enumerate() {
                let width = self.width_by(number, &mut |topic| draft.partitions(topic))?;
                for spec in &part.repartitions {
                    if let Some(partitions) = spec.partitions.or(width) {
                        draft.add_own(&TopicSpec::new(spec.topic.clone(), partitions), spec.partitions)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn draft_changelogs(&self, draft: &mut Draft<'_>) -> Result<(), RunError> {
        for (number, part) in self.blueprint.plan.subtopologies.iter().enumerate() {
            let width = self.width_by(number, &mut |topic| draft.partitions(topic))?.unwrap_or(1);
            for store in part.stores.iter().filter(|store| store.changelog) {
                let topic = self.blueprint.changelog(&store.name);
                let spec = TopicSpec { cleanup: Cleanup::Compact, ..TopicSpec::new(topic, width) };
                draft.add_own(&spec, Some(width))?;
            }
        }
        Ok(())
    }

    /// Topics that are written, so that whoever follows them may begin before the first record.
    fn draft_outputs(&self, draft: &mut Draft<'_>) -> Result<(), RunError> {
        self.written().into_iter().try_for_each(|topic| draft.add_foreign(topic))
    }

    /// Topics that are written, apart from those that plugins choose.
    pub(super) fn written(&self) -> BTreeSet<Topic> {
        let plan: &Plan = &self.blueprint.plan;
        let steps = plan.subtopologies.iter().flat_map(|part| &part.steps);
        let sinks = steps.filter_map(|step| match &step.op {
            StepOp::Sink { target: Target::Topic(topic) } => Some(topic),
            _ => None,
        });
        sinks.chain(&plan.dead_letter_topic).cloned().collect()
    }

    /// Topics that the app makes for itself, those that it does not write any more among them: settings of others
    /// could break what it promises.
    pub(super) fn internal(&self) -> Vec<Topic> {
        let parts = self.blueprint.plan.subtopologies.iter();
        let topics = parts.flat_map(|part| {
            let changelogs = part.stores.iter().map(|store| self.blueprint.changelog(&store.name));
            let between = part.repartitions.iter().flat_map(|spec| std::iter::once(&spec.topic).chain(&spec.other));
            between.cloned().chain(changelogs)
        });
        topics.collect()
    }

    /// Partitions of the topics that a subtopology reads; none if one is not there yet.
    pub(super) fn width(&self, subtopology: usize, log: &mut dyn Transport) -> Result<Option<i32>, RunError> {
        self.width_by(subtopology, &mut |topic| Ok(log.topic(topic)?.map(|spec| spec.partitions)))
    }

    fn width_by(
        &self,
        subtopology: usize,
        partitions: &mut dyn FnMut(&Topic) -> Result<Option<i32>, TransportError>,
    ) -> Result<Option<i32>, RunError> {
        let mut width: Option<(Topic, i32)> = None;
        for source in self.blueprint.sources(subtopology) {
            let Some(count) = partitions(&source.topic)? else { return Ok(None) };
            match width {
                Some((left, left_count)) if left_count != count => {
                    return Err(RunError::Copartition { left, right: source.topic, left_count, right_count: count });
                }
                _ => width = Some((source.topic, count)),
            }
        }
        Ok(width.map(|(_, count)| count))
    }
}

/// Topics as they would be.
struct Draft<'a> {
    log: &'a mut dyn Transport,
    /// Those that were looked up; none: it is not there.
    there: HashMap<Topic, Option<TopicSpec>>,
    /// Those that are not there yet, in the order in which they are to be made.
    new: Vec<TopicSpec>,
    /// Those that others are to make, and have not.
    missing: Vec<Topic>,
    /// Whether others use the topics, too.
    shared: bool,
}

impl Draft<'_> {
    /// The topic as it is there, looked up once: on a cluster that is two questions.
    fn there(&mut self, topic: &Topic) -> Result<Option<&TopicSpec>, TransportError> {
        if !self.there.contains_key(topic) {
            let found = self.log.topic(topic)?;
            self.there.insert(topic.clone(), found);
        }
        Ok(self.there.get(topic).and_then(Option::as_ref))
    }

    fn partitions(&mut self, topic: &Topic) -> Result<Option<i32>, TransportError> {
        match self.new.iter().find(|spec| spec.name == *topic) {
            Some(drafted) => Ok(Some(drafted.partitions)),
            None => Ok(self.there(topic)?.map(|spec| spec.partitions)),
        }
    }

    /// Adds a topic that the manifest does not describe. Where others use topics, a wrong name must not make one.
    fn add_foreign(&mut self, topic: Topic) -> Result<(), RunError> {
        if self.shared && self.partitions(&topic)?.is_none() {
            if !self.missing.contains(&topic) {
                self.missing.push(topic);
            }
            return Ok(());
        }
        self.add(&TopicSpec::new(topic, 1), None)
    }

    /// Adds a topic of the app's own, which must be kept as the app needs it.
    fn add_own(&mut self, spec: &TopicSpec, wanted: Option<i32>) -> Result<(), RunError> {
        let shared = self.shared;
        if let Some((there, wanted)) = self.there(&spec.name)?.filter(|_| shared).and_then(|there| loses(there, spec)) {
            return Err(RunError::Cleanup { topic: spec.name.clone(), there, wanted });
        }
        self.add(spec, wanted)
    }

    /// Adds a topic if it is not there; one that is there must have as many partitions as are wanted.
    fn add(&mut self, spec: &TopicSpec, wanted: Option<i32>) -> Result<(), RunError> {
        let Some(there) = self.partitions(&spec.name)? else {
            self.new.push(spec.clone());
            return Ok(());
        };
        match wanted.filter(|wanted| *wanted != there) {
            Some(wanted) => Err(RunError::Partitions { topic: spec.name.clone(), there, wanted }),
            None => Ok(()),
        }
    }
}

/// The setting by which a topic that is there would lose what the app still needs, and what it should be: rows that are
/// in a changelog alone, or records that no task has read yet. What Kafka Streams' own check of its topics
/// (`InternalTopicManager.validate`) objects to, of a store without windows.
fn loses(there: &TopicSpec, spec: &TopicSpec) -> Option<(String, String)> {
    let setting = |name: &str, there: &str, wanted: &str| Some((format!("{name}={there}"), format!("{name}={wanted}")));
    // What may not be seen is taken for what it should be: all else that an app does needs no right to see it.
    if there.cleanup == Cleanup::Unseen {
        return None;
    }
    if there.cleanup != spec.cleanup {
        return setting("cleanup.policy", there.cleanup.name(), spec.cleanup.name());
    }
    let kept = |there: String, name| setting(name, &there, "-1");
    match (there.cleanup, there.retention, there.retention_bytes) {
        // These are for topics from which old records are deleted.
        (Cleanup::Compact, ..) => None,
        (_, Some(time), _) => kept(time.as_millis().to_string(), "retention.ms"),
        (_, None, Some(bytes)) => kept(bytes.to_string(), "retention.bytes"),
        (_, None, None) => None,
    }
}

/// What the manifest says of a topic, for the transport.
fn spec(topic: &Topic, settings: &TopicSettings) -> TopicSpec {
    let TopicSettings { partitions, compact, retention, retention_bytes } = *settings;
    let cleanup = if compact { Cleanup::Compact } else { Cleanup::Delete };
    TopicSpec { name: topic.clone(), partitions: partitions.unwrap_or(1), cleanup, retention, retention_bytes }
}
