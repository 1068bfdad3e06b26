//! `[transport.kafka]`.

use super::properties::{self, one_name};
use super::{Around, Check, put, security};
use crate::record::Topic;
use crate::topology::{Field, Problem, duration};
use crate::transport::Property;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Standby copies of a store at most: each costs a process its disk and the brokers a reader, and more than two have
/// never saved anybody.
const STANDBY_MAX: u16 = 8;
/// Records by which copies may be behind of a process that takes tasks over: restored in less than a second. Kafka
/// Streams' default (`acceptable.recovery.lag`).
const ACCEPTABLE_RECOVERY_LAG: u64 = 10_000;
/// A member that is not heard of for so long is taken for lost: short enough that its tasks do not lie idle for long, and
/// several times what a pause of a busy machine lasts.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// Shorter than any broker admits (`group.min.session.timeout.ms`, 6 s unless it was changed).
const SESSION_TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// Longer than any broker admits (`group.max.session.timeout.ms`, 30 minutes unless it was changed).
const SESSION_TIMEOUT_MAX: Duration = Duration::from_hours(1);
/// Longest name of an instance, bytes: it becomes a part of other names that Kafka bounds at some 32,000 and people read.
const INSTANCE_BYTES_MAX: usize = 100;

pub(super) const KEYS: [&str; 9] = [
    "bootstrap",
    "standby",
    "acceptable-recovery-lag",
    "replication-factor",
    "session-timeout",
    "instance",
    "tls",
    "sasl",
    "properties",
];

/// How to reach Kafka and what to ask of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kafka {
    /// Brokers to begin with, `host:port` between commas; none: the command line names them.
    pub bootstrap: Option<String>,
    /// Copies of every store that other processes keep warm.
    pub standby: u16,
    /// Records by which copies may be behind of a process that comes to a group at work, before it takes tasks over.
    pub acceptable_recovery_lag: u64,
    /// Copies of the topics that the app makes; none: as many as the broker makes unasked.
    pub replication_factor: Option<i16>,
    /// How long a member may be silent before its tasks go to others.
    pub session_timeout: Duration,
    /// What tells this process from the others of the app; none: a random name that the data directory keeps.
    pub instance: Option<String>,
    /// Where the token of OAUTHBEARER comes from.
    pub token: Option<Token>,
    /// librdkafka's properties: security first, then the user's own.
    pub properties: Vec<Property>,
}

/// A property, and where it stands in the configuration.
pub(super) type Found = (Property, usize);

/// Where a token comes from. It is read anew whenever the client asks for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A file that somebody keeps up to date.
    File(PathBuf),
    /// A variable of the environment: it stays as it is until the process ends.
    Env(String),
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            bootstrap: None,
            standby: 0,
            acceptable_recovery_lag: ACCEPTABLE_RECOVERY_LAG,
            replication_factor: None,
            session_timeout: SESSION_TIMEOUT,
            instance: None,
            token: None,
            properties: Vec::new(),
        }
    }
}

impl Kafka {
    pub(super) fn read(table: &Field<'_>, around: &Around<'_>, check: Check<'_>, problems: &mut Vec<Problem>) -> Self {
        let mut kafka = Self::default();
        let mut own = Vec::new();
        let (mut tls, mut sasl) = (None, None);
        for field in table.fields() {
            match field.name {
                "tls" => tls = section(field, problems),
                "sasl" => sasl = section(field, problems),
                "properties" => {
                    if let Some(section) = section(field, problems) {
                        own = properties::read(&section, around, check, problems);
                    }
                }
                _ => kafka.set(&field, problems),
            }
        }
        let mut found = Vec::new();
        kafka.token = security::read(tls.as_ref(), sasl.as_ref(), around, &mut found, problems);
        add(&mut found, own, problems);
        // By the names that the host's own defaults have: of two names for one property either may be set last.
        let renamed = |property: Property| Property { name: one_name(&property.name).into(), ..property };
        kafka.properties = found.into_iter().map(|(property, _)| renamed(property)).collect();
        kafka
    }

    fn set(&mut self, field: &Field<'_>, problems: &mut Vec<Problem>) {
        let number = field.json().as_i64();
        match field.name {
            "bootstrap" => put(
                &mut self.bootstrap,
                brokers(&field.json()).map(Some),
                field,
                "brokers such as \"one:9092,two:9092\" or [\"one:9092\", \"two:9092\"]",
                problems,
            ),
            "standby" => {
                let count = number.and_then(|count| u16::try_from(count).ok()).filter(|count| *count <= STANDBY_MAX);
                put(&mut self.standby, count, field, "a number from 0 to 8", problems);
            }
            "acceptable-recovery-lag" => {
                let records = number.and_then(|number| u64::try_from(number).ok());
                put(&mut self.acceptable_recovery_lag, records, field, "a number of records such as 10000", problems);
            }
            "replication-factor" => {
                let factor = number.and_then(|factor| i16::try_from(factor).ok());
                let factor = factor.filter(|factor| *factor == -1 || *factor >= 1);
                let factor = factor.map(|factor| (factor != -1).then_some(factor));
                let wanted = "a number of copies such as 3, or -1 for the broker's default";
                put(&mut self.replication_factor, factor, field, wanted, problems);
            }
            "session-timeout" => {
                let timeout = field.text().and_then(duration);
                let timeout = timeout.filter(|time| (SESSION_TIMEOUT_MIN..=SESSION_TIMEOUT_MAX).contains(time));
                put(&mut self.session_timeout, timeout, field, "a time from 1s to 1h, such as \"10s\"", problems);
            }
            "instance" => {
                let legal = |name: &&str| Topic::is_legal(name) && name.len() <= INSTANCE_BYTES_MAX;
                let name = field.text().filter(legal).map(|name| Some(name.to_owned()));
                let wanted = "a name of at most 100 letters, digits, '.', '_' and '-', such as \"orders-1\"";
                put(&mut self.instance, name, field, wanted, problems);
            }
            _ => problems.push(field.unknown(&KEYS)),
        }
    }
}

/// Adds the user's own properties, as long as nothing else says the same.
fn add(found: &mut Vec<Found>, own: Vec<Found>, problems: &mut Vec<Problem>) {
    for (property, line) in own {
        let name = one_name(&property.name);
        if name == "sasl.mechanisms" && !security::is_by_properties(property.value.reveal()) {
            let what = "this mechanism cannot be said by properties alone";
            problems.push(Problem::new("MS-H007", line, what, "write [transport.kafka.sasl] instead"));
        }
        if let Some((_, other)) = found.iter().find(|(other, _)| one_name(&other.name) == name) {
            let what = format!("{} is said twice: line {other} says it too", property.name);
            problems.push(Problem::new("MS-H007", line, what, "take one of them out"));
        } else {
            found.push((property, line));
        }
    }
}

/// A table below the section; says if it is none.
fn section<'a>(field: Field<'a>, problems: &mut Vec<Problem>) -> Option<Field<'a>> {
    if field.is_table() {
        return Some(field);
    }
    let what = format!("{:?} is a table of its own", field.name);
    let remedy = format!("write its keys below a line [transport.kafka.{}]", field.name);
    problems.push(Problem::new("MS-T003", field.line, what, remedy));
    None
}

/// Brokers, between commas.
fn brokers(value: &Value) -> Option<String> {
    let names: Vec<&str> = match value {
        Value::String(text) => text.split(',').collect(),
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let names: Vec<&str> = names.into_iter().map(str::trim).collect();
    (!names.is_empty() && names.iter().all(|name| is_broker(name))).then(|| names.join(","))
}

/// Whether it names brokers, as `--kafka` does.
pub fn is_bootstrap(text: &str) -> bool {
    brokers(&Value::from(text)).is_some()
}

/// A host and, unless it is Kafka's 9092, a port; an address of IPv6 in brackets.
fn is_broker(name: &str) -> bool {
    let (host, port) = match name.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (name, None),
    };
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let sound = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        }
    };
    sound && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}
