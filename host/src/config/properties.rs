//! `[transport.kafka.properties]`: librdkafka's properties that a user may set.

use super::kafka::Found;
use super::{Around, Check, refused, secret};
use crate::topology::{Field, Problem, nearest};
use crate::transport::{Client, Property, Setting};
use serde_json::Value;

use Client::{Any, Consumer, Producer};

/// Properties that a user may set.
pub(super) const ALLOWED: [(&str, Client); 82] = [
    ("api.version.fallback.ms", Any),
    ("api.version.request", Any),
    ("api.version.request.timeout.ms", Any),
    ("batch.num.messages", Producer),
    ("batch.size", Producer),
    ("broker.address.family", Any),
    ("broker.address.ttl", Any),
    ("broker.version.fallback", Any),
    ("check.crcs", Consumer),
    ("client.dns.lookup", Any),
    ("client.rack", Any),
    ("compression.codec", Producer),
    ("compression.level", Producer),
    ("compression.type", Producer),
    ("connections.max.idle.ms", Any),
    ("coordinator.query.interval.ms", Consumer),
    ("debug", Any),
    ("enable.metrics.push", Any),
    ("enable.random.seed", Any),
    ("enable.ssl.certificate.verification", Any),
    ("fetch.error.backoff.ms", Consumer),
    ("fetch.max.bytes", Consumer),
    ("fetch.message.max.bytes", Consumer),
    ("fetch.min.bytes", Consumer),
    ("fetch.queue.backoff.ms", Consumer),
    ("fetch.wait.max.ms", Consumer),
    ("linger.ms", Producer),
    ("log.thread.name", Any),
    ("max.partition.fetch.bytes", Consumer),
    ("max.poll.interval.ms", Consumer),
    ("message.copy.max.bytes", Any),
    ("metadata.max.age.ms", Any),
    ("metadata.recovery.rebootstrap.trigger.ms", Any),
    ("metadata.recovery.strategy", Any),
    ("queue.buffering.backpressure.threshold", Producer),
    ("queue.buffering.max.kbytes", Producer),
    ("queue.buffering.max.messages", Producer),
    ("queue.buffering.max.ms", Producer),
    ("queued.max.messages.kbytes", Consumer),
    ("queued.min.messages", Consumer),
    ("receive.message.max.bytes", Any),
    ("reconnect.backoff.jitter.ms", Any),
    ("reconnect.backoff.max.ms", Any),
    ("reconnect.backoff.ms", Any),
    ("request.timeout.ms", Producer),
    ("retry.backoff.max.ms", Any),
    ("retry.backoff.ms", Any),
    ("sasl.mechanism", Any),
    ("sasl.mechanisms", Any),
    ("sasl.password", Any),
    ("sasl.username", Any),
    ("security.protocol", Any),
    ("socket.blocking.max.ms", Any),
    ("socket.connection.setup.timeout.ms", Any),
    ("socket.keepalive.enable", Any),
    ("socket.max.fails", Any),
    ("socket.nagle.disable", Any),
    ("socket.receive.buffer.bytes", Any),
    ("socket.send.buffer.bytes", Any),
    ("socket.timeout.ms", Any),
    ("ssl.ca.certificate.stores", Any),
    ("ssl.ca.location", Any),
    ("ssl.ca.pem", Any),
    ("ssl.certificate.location", Any),
    ("ssl.certificate.pem", Any),
    ("ssl.cipher.suites", Any),
    ("ssl.crl.location", Any),
    ("ssl.curves.list", Any),
    ("ssl.endpoint.identification.algorithm", Any),
    ("ssl.key.location", Any),
    ("ssl.key.password", Any),
    ("ssl.key.pem", Any),
    ("ssl.keystore.location", Any),
    ("ssl.keystore.password", Any),
    ("ssl.providers", Any),
    ("ssl.sigalgs.list", Any),
    ("statistics.interval.ms", Any),
    ("topic.metadata.propagation.max.ms", Any),
    ("topic.metadata.refresh.fast.cnt", Any),
    ("topic.metadata.refresh.fast.interval.ms", Any),
    ("topic.metadata.refresh.interval.ms", Any),
    ("topic.metadata.refresh.sparse", Any),
];

/// Values that must not stand in the configuration.
const SECRETS: [&str; 4] = ["sasl.password", "ssl.key.password", "ssl.key.pem", "ssl.keystore.password"];
/// Values that are paths, from the configuration's directory on.
const FILES: [&str; 5] =
    ["ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location"];
/// A certificate authority's place that is no path: librdkafka looks for the system's.
const PROBE: &str = "probe";

/// Which clients have a property; none if a user may not set it.
pub(super) fn clients(name: &str) -> Option<Client> {
    ALLOWED.iter().find(|(allowed, _)| *allowed == name).map(|(_, client)| *client)
}

/// The name by which librdkafka knows what has several.
pub(super) fn one_name(name: &str) -> &str {
    match name {
        "sasl.mechanism" => "sasl.mechanisms",
        "linger.ms" => "queue.buffering.max.ms",
        "compression.type" => "compression.codec",
        "max.partition.fetch.bytes" => "fetch.message.max.bytes",
        other => other,
    }
}

/// Reads the properties of a table. Dots in a name may be written plainly, and then nest tables.
pub(super) fn read(
    table: &Field<'_>,
    around: &Around<'_>,
    check: Check<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<Found> {
    let mut found = Vec::new();
    gather(table, "", &mut |name, field| {
        let read = Reading { name, field, around, check }.property(problems);
        found.extend(read);
    });
    found
}

/// Visits the properties below a field, by their full names.
fn gather(table: &Field<'_>, prefix: &str, each: &mut dyn FnMut(&str, &Field<'_>)) {
    for field in table.fields() {
        let name = format!("{prefix}{}", field.name);
        let is_part = field.fields().next().is_some() && clients(&name).is_none();
        let named = refused::find(&name).is_some();
        if is_part && !named {
            gather(&field, &format!("{name}."), each);
        } else {
            each(&name, &field);
        }
    }
}

struct Reading<'a> {
    name: &'a str,
    field: &'a Field<'a>,
    around: &'a Around<'a>,
    check: Check<'a>,
}

impl Reading<'_> {
    fn property(&self, problems: &mut Vec<Problem>) -> Option<Found> {
        let (name, line) = (self.name, self.field.line);
        if let Some((why, instead)) = refused::find(name) {
            problems.push(Problem::new("MS-H002", line, format!("{name} is the host's to set: {why}"), instead));
            return None;
        }
        let Some(of) = clients(name) else {
            let near = nearest(name, ALLOWED.iter().map(|(name, _)| *name));
            let remedy =
                if near.is_empty() { "librdkafka's CONFIGURATION.md names all there are".into() } else { near };
            problems.push(Problem::new("MS-H005", line, format!("librdkafka has no property {name:?}"), remedy));
            return None;
        };
        let value = self.value(problems)?;
        if let Some(against) = (self.check)(name, value.reveal()) {
            let what = format!("librdkafka does not take this value of {name}: {against}");
            problems.push(Problem::new("MS-H006", line, what, "write one that it takes"));
            return None;
        }
        Some((Property { name: name.into(), value, of }, line))
    }

    fn value(&self, problems: &mut Vec<Problem>) -> Option<Setting> {
        let Self { name, field, around, .. } = *self;
        let named = field.called(name);
        if SECRETS.contains(&name) {
            return secret::read(&named, around, problems).map(Setting::Secret);
        }
        if FILES.contains(&name) && field.text() != Some(PROBE) {
            return secret::file(&named, around, problems).map(Setting::Plain);
        }
        match field.json() {
            Value::String(text) => Some(Setting::Plain(text)),
            value @ (Value::Bool(_) | Value::Number(_)) => Some(Setting::Plain(value.to_string())),
            _ => {
                problems.push(named.wrong("a text, a number, true or false"));
                None
            }
        }
    }
}
