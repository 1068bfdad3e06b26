//! What came of a case, beside what was expected.

use super::case::{Expected, OutputRecord, Row, Time};
use super::cell::{Wanted, noted};
use super::diff::{Edit, edits};
use super::{Header, TestRecord};
use crate::record::Topic;
use crate::store::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Records of output topics.
    pub outputs: BTreeMap<Topic, Vec<TestRecord>>,
    /// Rows of stores.
    pub stores: BTreeMap<String, Vec<Entry>>,
    /// Records dropped.
    pub dropped: u64,
    /// Records dead-lettered.
    pub dead_letters: u64,
    /// Where dead letters go.
    pub dead_letter_topic: Option<Topic>,
    /// Why the app stopped.
    pub stopped: Option<String>,
}

/// Where what was found is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Of what: `topic "out"`.
    pub what: String,
    /// Its lines, each with its mark: ' ' as expected, '-' missing, '+' not expected.
    pub lines: Vec<(char, String)>,
}

/// Where an outcome is not what is expected.
pub(super) fn differences(expected: &Expected, outcome: &Outcome) -> Vec<Difference> {
    if expected.stops.is_some() || outcome.stopped.is_some() {
        return stops(expected.stops.as_deref(), outcome.stopped.as_deref()).into_iter().collect();
    }
    let mut found = Vec::new();
    let named: BTreeSet<&str> = expected.output.iter().map(|record| record.topic.as_str()).collect();
    let letters = outcome.dead_letter_topic.as_ref();
    let made = outcome.outputs.keys().filter(|topic| letters != Some(*topic)).map(Topic::as_str);
    for topic in made.chain(named.iter().copied()).collect::<BTreeSet<_>>() {
        let wanted: Vec<&OutputRecord> = expected.output.iter().filter(|record| record.topic == topic).collect();
        let there = outcome.outputs.get(&Topic::new(topic)).map_or(&[][..], Vec::as_slice);
        found.extend(lists(format!("topic {topic:?}"), &wanted, there));
    }
    for (name, wanted) in &expected.store {
        let wanted: Vec<&Row> = wanted.iter().collect();
        let what = format!("store {name:?}");
        match outcome.stores.get(name) {
            Some(rows) => found.extend(lists(what, &wanted, rows)),
            None => found.push(Difference { what, lines: vec![('-', "the app has no such store".into())] }),
        }
    }
    let counts =
        [("dropped", expected.dropped, outcome.dropped), ("dead letters", expected.dead_letters, outcome.dead_letters)];
    for (what, wanted, there) in counts.into_iter().filter(|(_, wanted, there)| wanted != there) {
        let lines = vec![('-', wanted.to_string()), ('+', there.to_string())];
        found.push(Difference { what: what.into(), lines });
    }
    found
}

fn stops(expected: Option<&str>, stopped: Option<&str>) -> Option<Difference> {
    let fits = matches!((expected, stopped), (Some(part), Some(reason)) if reason.contains(part));
    let line = |mark, text: Option<&str>| (mark, text.unwrap_or("goes on to the end").to_owned());
    (!fits).then(|| Difference { what: "the app stops".into(), lines: vec![line('-', expected), line('+', stopped)] })
}

/// Something expected, beside something found.
trait Beside {
    type Found;

    fn fits(&self, found: &Self::Found) -> bool;
    fn shown(&self) -> String;
    fn show(found: &Self::Found) -> String;
}

fn lists<E: Beside>(what: String, wanted: &[&E], there: &[E::Found]) -> Option<Difference> {
    let edits = edits(
        wanted.len(),
        there.len(),
        |left, right| matches!((wanted.get(left), there.get(right)), (Some(wanted), Some(found)) if wanted.fits(found)),
    );
    if edits.iter().all(|edit| matches!(edit, Edit::Same(..))) {
        return None;
    }
    let line = |edit: &Edit| match edit {
        Edit::Same(_, right) => there.get(*right).map(|found| (' ', E::show(found))),
        Edit::Extra(right) => there.get(*right).map(|found| ('+', E::show(found))),
        Edit::Missing(left) => wanted.get(*left).map(|wanted| ('-', wanted.shown())),
    };
    Some(Difference { what, lines: edits.iter().filter_map(line).collect() })
}

fn fits(wanted: Option<&Wanted>, found: Option<&[u8]>) -> bool {
    match (wanted, found) {
        (Some(wanted), Some(found)) => wanted.fits(found),
        (wanted, found) => wanted.is_none() && found.is_none(),
    }
}

impl Beside for OutputRecord {
    type Found = TestRecord;

    fn fits(&self, found: &TestRecord) -> bool {
        let timestamp = self.timestamp.is_none_or(|time| time.0 == found.timestamp);
        let headers = self.headers.as_ref().is_none_or(|headers| {
            let mut pairs = headers.iter().zip(&found.headers);
            let same = |(wanted, there): (&(String, Option<Wanted>), &Header)| {
                wanted.0 == there.0 && fits(wanted.1.as_ref(), there.1.as_deref())
            };
            headers.len() == found.headers.len() && pairs.all(same)
        });
        timestamp
            && headers
            && fits(self.key.as_ref(), found.key.as_deref())
            && fits(self.value.as_ref(), found.value.as_deref())
    }

    fn shown(&self) -> String {
        let bytes = |cell: &Option<Wanted>| cell.as_ref().map(Wanted::shown);
        let headers = self.headers.iter().flatten().map(|(name, value)| (name.as_str(), bytes(value)));
        line(bytes(&self.key), bytes(&self.value), self.timestamp.map(|time| time.0), headers)
    }

    fn show(found: &TestRecord) -> String {
        let bytes = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(|bytes| noted(bytes, None));
        let headers = found.headers.iter().map(|(name, value)| (name.as_str(), bytes(value)));
        line(bytes(&found.key), bytes(&found.value), Some(found.timestamp), headers)
    }
}

impl Beside for Row {
    type Found = Entry;

    fn fits(&self, (key, timestamp, value): &Entry) -> bool {
        let timed = self.timestamp.is_none_or(|time| time.0 == *timestamp);
        timed && self.key.fits(key) && self.value.fits(value)
    }

    fn shown(&self) -> String {
        let timestamp = self.timestamp.map(|time| time.0);
        line(Some(self.key.shown()), Some(self.value.shown()), timestamp, std::iter::empty())
    }

    fn show((key, timestamp, value): &Entry) -> String {
        line(Some(noted(key, None)), Some(noted(value, None)), Some(*timestamp), std::iter::empty())
    }
}

/// A record or a row on one line.
fn line<'a>(
    key: Option<String>,
    value: Option<String>,
    timestamp: Option<i64>,
    headers: impl Iterator<Item = (&'a str, Option<String>)>,
) -> String {
    let null = || "null".to_owned();
    let mut line = format!("key {}  value {}", key.unwrap_or_else(null), value.unwrap_or_else(null));
    if let Some(timestamp) = timestamp {
        line.push_str(&format!("  timestamp {timestamp}"));
    }
    for (name, value) in headers {
        line.push_str(&format!("  {name}: {}", value.unwrap_or_else(null)));
    }
    line
}

/// The outcome as an expectation that nothing else meets. Of dead letters only keys, values and order are taken: their
/// headers hold places in a batch, which differ from run to run.
pub(super) fn exactly(outcome: &Outcome) -> Expected {
    let cell = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(Wanted::exactly);
    let mut output = Vec::new();
    for (topic, records) in &outcome.outputs {
        let letters = outcome.dead_letter_topic.as_ref() == Some(topic);
        output.extend(records.iter().map(|record| OutputRecord {
            topic: topic.as_str().to_owned(),
            key: cell(&record.key),
            value: cell(&record.value),
            timestamp: Some(Time(record.timestamp)),
            headers:
                (!letters).then(|| record.headers.iter().map(|(name, value)| (name.clone(), cell(value))).collect()),
        }));
    }
    let row = |(key, timestamp, value): &Entry| Row {
        key: Wanted::exactly(key),
        value: Wanted::exactly(value),
        timestamp: Some(Time(*timestamp)),
    };
    let store = outcome.stores.iter().map(|(name, rows)| (name.clone(), rows.iter().map(row).collect()));
    Expected {
        output,
        store: store.collect(),
        dropped: outcome.dropped,
        dead_letters: outcome.dead_letters,
        stops: outcome.stopped.as_ref().map(|_| String::new()),
    }
}
