//! Making an app begin anew: where its input is read from, and what it made for itself. As
//! `kafka-streams-application-reset`, and with the local state too.

use super::{App, RunError, carrier};
use crate::record::{Offset, Timestamp, Topic, TopicPartition};
use crate::store::{Db, Family, KeyValueStore, Writes};
use crate::topology::nearest;
use crate::transport::{Admin, TransportError, Truth};
use std::collections::BTreeSet;

/// Where input is read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetTo {
    /// At the first record that is there.
    Earliest,
    /// At the next record that comes.
    Latest,
    /// At an offset.
    Offset(Offset),
    /// So many records after where it was, or before if it is negative.
    Shift(i64),
    /// At the first record of this time or later.
    Since(Timestamp),
}

/// What is to be reset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppParts {
    /// The app: Kafka Streams' `application.id`, and the group.
    pub app: String,
    /// The topics that it reads and does not make for itself.
    pub inputs: Vec<Topic>,
    /// Topics that it makes for itself: changelogs and repartition topics.
    pub internal: Vec<Topic>,
}

/// What a reset does, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppReset {
    /// Partitions of input, each with what was committed and what will be.
    pub offsets: Vec<(TopicPartition, Option<Offset>, Offset)>,
    /// Topics that are deleted, each with its records.
    pub topics: Vec<(Topic, u64)>,
    /// Local stores, each with its rows.
    pub stores: Vec<(String, u64)>,
}

impl AppParts {
    /// Those of a manifest's app.
    pub fn of(app: &App) -> Self {
        let mut internal = app.internal();
        internal.push(app.task_topic());
        internal.sort();
        let parts = 0..app.blueprint.plan.subtopologies.len();
        let inputs: BTreeSet<Topic> =
            parts.flat_map(|part| app.blueprint.sources(part)).map(|source| source.topic).collect();
        let inputs = inputs.into_iter().filter(|topic| !internal.contains(topic)).collect();
        Self { app: app.manifest.app.clone(), inputs, internal }
    }

    /// Those of an app of which only the name is known: what the group has read, and topics that are named after the app.
    ///
    /// # Errors
    /// If the topics cannot be looked at.
    pub fn named(app: &str, log: &mut dyn Admin) -> Result<Self, TransportError> {
        let (mut internal, mut inputs) = (Vec::new(), Vec::new());
        // Of "orders" and "orders-eu", the topic orders-eu-counts-changelog is the second one's.
        let others = log.groups()?.into_iter().filter(|other| other.len() > app.len());
        let others: Vec<String> = others.collect();
        for spec in log.topics()? {
            if is_named_after(app, &spec.name) {
                if others.iter().all(|other| !is_named_after(other, &spec.name)) {
                    internal.push(spec.name);
                }
                continue;
            }
            let mut read = false;
            for partition in spec.all_partitions() {
                read |= log.committed(app, &partition)?.is_some();
            }
            if read {
                inputs.push(spec.name);
            }
        }
        Ok(Self { app: app.into(), inputs, internal })
    }

    /// Leaves only these of the inputs.
    ///
    /// # Errors
    /// If one of them is none of the app's.
    pub fn only(&mut self, inputs: &[Topic]) -> Result<(), RunError> {
        if let Some(topic) = inputs.iter().find(|topic| !self.inputs.contains(topic)) {
            let names = self.inputs.iter().map(Topic::as_str);
            let near = nearest(topic.as_str(), names.clone());
            let reads =
                if near.is_empty() { format!("it reads {}", names.collect::<Vec<_>>().join(", ")) } else { near };
            return Err(RunError::NoInput { app: self.app.clone(), topic: topic.clone(), reads });
        }
        self.inputs.retain(|topic| inputs.contains(topic));
        Ok(())
    }

    /// What a reset does; nothing is changed.
    ///
    /// # Errors
    /// If somebody is at work in the group, or something cannot be looked at.
    pub fn survey(&self, to: ResetTo, log: &mut dyn Admin, db: Option<&Db>) -> Result<AppReset, RunError> {
        let members = log.members(&self.app)?;
        if let Some(first) = members.first() {
            let (group, count) = (self.app.clone(), members.len());
            return Err(RunError::Busy { group, count, first: format!("{} on {}", first.name, first.host) });
        }
        let mut reset = AppReset::default();
        for topic in &self.inputs {
            for partition in log.topic(topic)?.iter().flat_map(|spec| spec.all_partitions()) {
                let committed = log.committed(&self.app, &partition)?;
                let next = to.of(&partition, committed, log)?;
                reset.offsets.push((partition, committed, next));
            }
        }
        for topic in &self.internal {
            let Some(spec) = log.topic(topic)? else { continue };
            let mut records = 0;
            for partition in spec.all_partitions() {
                let (start, end) = log.bounds(&partition)?;
                records += end.get().abs_diff(start.get());
            }
            reset.topics.push((topic.clone(), records));
        }
        for store in db.map_or(Ok(Vec::new()), |db| KeyValueStore::names(db, &self.app))? {
            let rows = db.map_or(Ok(0), |db| self.rows(&store, db))?;
            reset.stores.push((store, rows));
        }
        Ok(reset)
    }

    fn rows(&self, store: &str, db: &Db) -> Result<u64, RunError> {
        let mut rows = 0;
        for partition in 0..KeyValueStore::held(db, &self.app, store)? {
            if let Some(store) = KeyValueStore::existing(db, &self.app, store, partition)? {
                rows += store.count()?;
            }
        }
        Ok(rows)
    }

    /// Does it. It is marked in the data directory meanwhile: an app that was reset by half must not run.
    ///
    /// # Errors
    /// If something cannot be changed; the same reset, asked for again, does the rest.
    pub fn carry_out(&self, reset: &AppReset, log: &mut dyn Admin, db: Option<&Db>) -> Result<(), RunError> {
        let truth = log.truth();
        if let Some(db) = db {
            mark(db, &self.app, truth, true)?;
        }
        for (topic, _) in &reset.topics {
            match log.delete_topic(topic) {
                // Another process that resets the app, too, was first.
                Ok(()) | Err(TransportError::Unknown(_)) => crate::killpoint::pass("reset-topic-deleted"),
                Err(error) => return Err(error.into()),
            }
        }
        for (store, _) in &reset.stores {
            db.map_or(Ok(()), |db| KeyValueStore::drop_all(db, &self.app, store))?;
            crate::killpoint::pass("reset-store-dropped");
        }
        let offsets = reset.offsets.iter().map(|(partition, _, next)| (partition.clone(), *next));
        log.move_group(&self.app, &offsets.collect::<Vec<_>>())?;
        crate::killpoint::pass("reset-offsets-moved");
        db.map_or(Ok(()), |db| mark(db, &self.app, truth, false))
    }
}

impl ResetTo {
    fn of(
        self,
        partition: &TopicPartition,
        committed: Option<Offset>,
        log: &mut dyn Admin,
    ) -> Result<Offset, TransportError> {
        let (start, end) = log.bounds(partition)?;
        let wanted = match self {
            Self::Earliest => start,
            Self::Latest => end,
            Self::Offset(offset) => offset,
            Self::Shift(records) => Offset::new(committed.unwrap_or(start).get().saturating_add(records)),
            Self::Since(timestamp) => log.offset_at(partition, timestamp)?.unwrap_or(end),
        };
        Ok(wanted.clamp(start, end))
    }
}

/// Whether a topic is one that an app of this name makes for itself, as far as its own name tells.
fn is_named_after(app: &str, topic: &Topic) -> bool {
    let rest = topic.as_str().strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| rest == "tasks" || rest.ends_with("-changelog") || rest.ends_with("-repartition"))
}

/// One for the embedded log and one for a cluster: a reset of the one does not finish one of the other.
fn mark_key(app: &str, truth: Truth) -> String {
    match truth {
        Truth::State => format!("reset/{app}"),
        Truth::Changelog => format!("reset-on-kafka/{app}"),
    }
}

/// Notes that a reset is under way, or that it is over: what state comes next may come from elsewhere.
fn mark(db: &Db, app: &str, truth: Truth, under_way: bool) -> Result<(), RunError> {
    let mut writes = Writes::default();
    if under_way {
        writes.put(Family::Meta, mark_key(app, truth), []);
    } else {
        writes.delete(Family::Meta, carrier::key(app));
        writes.delete(Family::Meta, mark_key(app, truth));
    }
    Ok(db.apply(&writes, true)?)
}

/// Refuses to run an app of which a reset was not finished.
pub(super) fn must_be_over(db: &Db, app: &str) -> Result<(), RunError> {
    for (truth, by) in [(Truth::State, ""), (Truth::Changelog, " --kafka BROKERS")] {
        if db.get(Family::Meta, mark_key(app, truth).as_bytes())?.is_some() {
            return Err(RunError::HalfReset { app: app.into(), by });
        }
    }
    Ok(())
}
