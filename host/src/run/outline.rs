//! What the processes of an app must agree on to share its tasks: which task reads which partitions, and what lies in the
//! stores and topics that they hand to each other. Plugins, parameters, policies and outputs are not in it: they may
//! differ while a new version is rolled out.

use super::App;
use crate::record::partitions;
use crate::topology::plan::Payload;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The way in which tasks are numbered (`numbered` in `run/tasks.rs`): to be raised when that changes.
const NUMBERING: u32 = 1;

/// A topology as far as processes must agree on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outline {
    /// How tasks are numbered; 0 in outlines of before there was another way.
    #[serde(default)]
    pub(super) numbering: u32,
    /// In the order of the plan: tasks are numbered by it.
    pub(super) subtopologies: Vec<Part>,
}

/// A subtopology.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Its tasks; none where what it reads is not there yet.
    pub(super) partitions: Option<i32>,
    /// The topics that it reads, each with what their records are taken for.
    pub(super) reads: BTreeMap<String, String>,
    /// Its stores by name.
    pub(super) stores: BTreeMap<String, Kept>,
}

/// A store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What its values are.
    pub(super) holds: String,
    /// Whether it has a changelog.
    pub(super) changelog: bool,
}

impl App {
    /// The app's outline, where its subtopologies have so many tasks.
    pub(super) fn outlined(&self, tasks: &[Option<i32>]) -> Outline {
        let part = |(number, part): (usize, &crate::topology::plan::Subtopology)| {
            let sources = self.blueprint.sources(number);
            let reads =
                sources.into_iter().map(|source| (source.topic.to_string(), taken_for(source.payload).to_owned()));
            let stores = part
                .stores
                .iter()
                .map(|spec| (spec.name.clone(), Kept { holds: self.layout(spec), changelog: spec.changelog }));
            let partitions = tasks.get(number).copied().flatten();
            Part { partitions, reads: reads.collect(), stores: stores.collect() }
        };
        let subtopologies = self.blueprint.plan.subtopologies.iter().enumerate().map(part).collect();
        Outline { numbering: NUMBERING, subtopologies }
    }
}

const fn taken_for(payload: Payload) -> &'static str {
    match payload {
        Payload::Plain => "records",
        Payload::Change => "changes of a table",
        Payload::Count => "counts",
    }
}

impl Outline {
    /// How it differs from another one, in words; nothing if processes of both may share tasks.
    pub(super) fn differences(&self, was: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.numbering != was.numbering {
            found.push("tasks are numbered in another way, as by another version of millstream".into());
        }
        let counts = (self.subtopologies.len(), was.subtopologies.len());
        if counts.0 != counts.1 {
            found.push(format!("there are {} subtopologies instead of {}", counts.0, counts.1));
        }
        for (number, (now, was)) in self.subtopologies.iter().zip(&was.subtopologies).enumerate() {
            now.differences(number, was, &mut found);
        }
        found
    }
}

impl Part {
    fn differences(&self, number: usize, was: &Self, found: &mut Vec<String>) {
        if let Some((now, was)) = self.partitions.zip(was.partitions).filter(|(now, was)| now != was) {
            found.push(format!("subtopology {number} has {} instead of {was}", partitions(now)));
        }
        found.extend(
            changed("reads", "does not read", &self.reads, &was.reads).map(|how| format!("subtopology {number} {how}")),
        );
        found.extend(
            changed("keeps store", "keeps no store", &self.stores, &was.stores)
                .map(|how| format!("subtopology {number} {how}")),
        );
        for (topic, now) in &self.reads {
            if let Some(was) = was.reads.get(topic).filter(|was| *was != now) {
                found.push(format!("topic {topic} is read as {now} instead of {was}"));
            }
        }
        for (store, now) in &self.stores {
            let Some(was) = was.stores.get(store) else { continue };
            if now.holds != was.holds {
                found.push(format!("store {store} holds {} instead of {}", now.holds, was.holds));
            }
            if now.changelog != was.changelog {
                found.push(format!("store {store} has {} changelog", if now.changelog { "a" } else { "no" }));
            }
        }
    }
}

/// Which names came and which went.
fn changed<T>(has: &str, lacks: &str, now: &BTreeMap<String, T>, was: &BTreeMap<String, T>) -> Option<String> {
    let only = |these: &BTreeMap<String, T>, those: &BTreeMap<String, T>| {
        let names = these.keys().filter(|name| !those.contains_key(*name)).map(String::as_str);
        names.collect::<Vec<_>>().join(", ")
    };
    let (came, went) = (only(now, was), only(was, now));
    match (came.is_empty(), went.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("{has} {came}, too")),
        (true, false) => Some(format!("{lacks} {went}")),
        (false, false) => Some(format!("{has} {came} instead of {went}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(tasks: i32, reads: &[(&str, &str)], stores: &[(&str, &str, bool)]) -> Part {
        let text = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        let kept = |(name, holds, changelog): &(&str, &str, bool)| {
            ((*name).to_owned(), Kept { holds: (*holds).to_owned(), changelog: *changelog })
        };
        Part {
            partitions: Some(tasks),
            reads: reads.iter().map(text).collect(),
            stores: stores.iter().map(kept).collect(),
        }
    }

    #[test]
    fn what_differs_is_told_in_words() {
        let outline = |parts: &[Part]| Outline { numbering: 1, subtopologies: parts.to_vec() };
        let was = outline(&[
            part(2, &[("a", "records")], &[]),
            part(2, &[("app-x-repartition", "records")], &[("counts", "count long", true), ("kept", "table", true)]),
        ]);
        assert_eq!(was.differences(&was.clone()), [""; 0]);
        let now = outline(&[
            part(3, &[("b", "records")], &[]),
            part(
                2,
                &[("app-x-repartition", "counts"), ("c", "records")],
                &[("totals", "fold sum 1", true), ("kept", "count text", false)],
            ),
        ]);
        assert_eq!(
            now.differences(&was),
            [
                "subtopology 0 has 3 partitions instead of 2",
                "subtopology 0 reads b instead of a",
                "subtopology 1 reads c, too",
                "subtopology 1 keeps store totals instead of counts",
                "topic app-x-repartition is read as counts instead of records",
                "store kept holds count text instead of table",
                "store kept has no changelog",
            ]
        );
        let fewer = outline(&was.subtopologies[..1]);
        assert_eq!(fewer.differences(&was), ["there are 1 subtopologies instead of 2"]);
    }

    #[test]
    fn topics_that_are_not_there_yet_make_no_difference() {
        let known = Outline { numbering: 1, subtopologies: vec![part(2, &[("a", "records")], &[])] };
        let unknown =
            Outline { numbering: 1, subtopologies: vec![Part { partitions: None, ..known.subtopologies[0].clone() }] };
        assert_eq!(unknown.differences(&known), [""; 0]);
        let text = serde_json::to_vec(&known).unwrap();
        assert_eq!(serde_json::from_slice::<Outline>(&text).unwrap(), known);
    }
}
