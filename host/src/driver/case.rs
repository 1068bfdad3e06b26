//! A case: records to put in, and what must come of them. Files are TOML or JSON.

use super::TestRecord;
use super::cell::Wanted;
use crate::record::{Timestamp, time};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A case as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What it shows.
    pub about: Option<String>,
    /// Timestamp of the first record that names none: the virtual clock.
    #[serde(default)]
    pub start: Time,
    /// Milliseconds by which the clock goes on after each such record.
    #[serde(default)]
    pub advance: i64,
    /// When tasks commit.
    #[serde(default)]
    pub commit: Commit,
    /// What is put in, in this order.
    pub input: Vec<InputRecord>,
    /// What must come of it.
    pub expect: Option<Expected>,
}

/// A point in time: milliseconds, or RFC 3339.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "Written")]
pub struct Time(pub Timestamp);

#[derive(Deserialize)]
#[serde(untagged, expecting = "write milliseconds since 1970, or a time such as \"2026-01-31T12:00:00Z\"")]
enum Written {
    Number(i64),
    Text(String),
}

impl TryFrom<Written> for Time {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(milliseconds) => Ok(Self(milliseconds)),
            Written::Text(text) => time::parse(&text)
                .map(Self)
                .ok_or_else(|| format!("{text:?} is no time such as \"2026-01-31T12:00:00Z\"")),
        }
    }
}

/// When tasks commit.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// When all records were put in (that follow each other on one topic).
    #[default]
    AtEnd,
    /// After each record.
    EachRecord,
}

/// A record to put in.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct InputRecord {
    /// The topic.
    pub topic: Option<String>,
    /// Or the source node.
    pub node: Option<String>,
    /// Key.
    pub key: Option<Wanted>,
    /// Value.
    pub value: Option<Wanted>,
    /// Timestamp; the clock's time if there is none.
    pub timestamp: Option<Time>,
    /// Headers.
    #[serde(default)]
    pub headers: Vec<(String, Option<Wanted>)>,
}

/// What must come of a case.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expected {
    /// Records of output topics, in the order of each topic.
    #[serde(default)]
    pub output: Vec<OutputRecord>,
    /// Rows of stores, in byte order of their keys; stores that are not named are not looked at.
    #[serde(default)]
    pub store: BTreeMap<String, Vec<Row>>,
    /// Records dropped.
    #[serde(default)]
    pub dropped: u64,
    /// Records dead-lettered. The topic itself is looked at only if an output names it.
    #[serde(default)]
    pub dead_letters: u64,
    /// Part of the reason for which the app stops.
    pub stops: Option<String>,
}

/// A record that must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRecord {
    /// The topic.
    pub topic: String,
    /// Key.
    pub key: Option<Wanted>,
    /// Value.
    pub value: Option<Wanted>,
    /// Timestamp; not looked at if there is none.
    pub timestamp: Option<Time>,
    /// Headers; not looked at if there are none.
    pub headers: Option<Vec<(String, Option<Wanted>)>>,
}

/// A row of a store.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Key.
    pub key: Wanted,
    /// Value.
    pub value: Wanted,
    /// Timestamp; not looked at if there is none.
    pub timestamp: Option<Time>,
}

/// A case file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CaseError(pub(super) String);

impl CaseError {
    pub(super) fn at(input: usize, what: &str) -> Self {
        Self(format!("input {}: {what}", input + 1))
    }
}

impl Case {
    /// Reads a case; `json` says that it is JSON, else it is TOML.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn parse(text: &str, json: bool) -> Result<Self, CaseError> {
        if json {
            serde_json::from_str(text).map_err(|error| CaseError(error.to_string()))
        } else {
            toml::from_str(text).map_err(|error| CaseError(error.to_string().trim_end().to_owned()))
        }
    }

    /// The records to put in, with the topic or node that each names and its place in the file.
    ///
    /// # Errors
    /// If one names none or both, or its bytes cannot be read.
    pub fn records(&self) -> Result<Vec<(&InputRecord, TestRecord)>, CaseError> {
        let mut clock = self.start.0;
        let record = |(number, input): (usize, &'_ InputRecord)| {
            let wrong = |what: String| CaseError::at(number, &what);
            let bytes = |cell: &Option<Wanted>| cell.as_ref().map(Wanted::bytes).transpose();
            let timestamp = input.timestamp.map_or(clock, |time| time.0);
            if input.timestamp.is_none() {
                clock += self.advance;
            }
            let headers = input.headers.iter().map(|(name, value)| Ok((name.clone(), bytes(value)?)));
            Ok(TestRecord {
                key: bytes(&input.key).map_err(wrong)?,
                value: bytes(&input.value).map_err(wrong)?,
                timestamp,
                headers: headers.collect::<Result<_, String>>().map_err(wrong)?,
            })
        };
        let records = self.input.iter().enumerate().map(record).collect::<Result<Vec<_>, CaseError>>()?;
        Ok(self.input.iter().zip(records).collect())
    }
}
