//! How the cluster is reached, and the properties of our clients.

use super::oauth::TokenSource;
use crate::transport::{Client, Property};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use std::str::FromStr;
use std::time::Duration;

/// `transaction.timeout.ms`: what a process that was killed leaves open is aborted after it. Kafka Streams' default under
/// exactly-once.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);
/// `retry.backoff.ms` of the producer: back-to-back transactions wait so long for the markers of the one before.
const PRODUCER_BACKOFF_MS: u32 = 1;
/// `queue.buffering.max.ms`, better known as `linger.ms`: how long a batch waits for more records; a commit does not wait for it.
const LINGER_MS: u32 = 5;
/// `queue.buffering.max.kbytes`: records of a worker that wait to be sent, four times what a worker leaves uncommitted.
const SEND_QUEUE_KB: u32 = 128 << 10;
/// `queued.max.messages.kbytes`: read ahead, for each partition.
const READ_QUEUE_KB: u32 = 4 << 10;
/// `queued.min.messages`: above it a partition is not read ahead further.
const READ_QUEUE_RECORDS: u32 = 50_000;
/// `fetch.wait.max.ms`: how long a broker may wait for records; so long it takes at most until a partition that was just
/// assigned is read, too.
const FETCH_WAIT_MS: u32 = 50;
/// `fetch.error.backoff.ms`: pause of a partition whose leader is another by now, until that is asked for again. Java's
/// clients wait as long (`retry.backoff.ms`).
const FETCH_ERROR_BACKOFF_MS: u32 = 100;
/// `fetch.queue.backoff.ms`: pause of a partition whose queue is full.
const FETCH_BACKOFF_MS: u32 = 5;
/// `heartbeat.interval.ms`: by a heartbeat's answer a member learns that tasks have become free, so work stands still for
/// as long when another process ends. A third of the session at most, so that a lost heartbeat does not cost the
/// membership.
const HEARTBEAT: Duration = Duration::from_millis(200);
/// `max.poll.interval.ms`: a worker that does not look at its membership for so long leaves the group: more than a turn can
/// take, whose late calls end it after a few seconds. A session at least, as librdkafka has it.
const POLL_INTERVAL: Duration = Duration::from_secs(300);

/// `reconnect.backoff.max.ms`: a broker that comes back is found within a second by all of our clients, which wait for each
/// other.
pub(super) const RECONNECT_MS: u32 = 1_000;
/// `message.max.bytes`: far above what any topic takes; librdkafka's most.
const MESSAGE_BYTES_MAX: u32 = 1_000_000_000;

/// `batch.size`: librdkafka's default.
const BATCH_BYTES: usize = 1_000_000;

/// How a cluster is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Kafka's `bootstrap.servers`.
    pub bootstrap: String,
    /// Further properties of librdkafka. Those on which the host relies are set after them.
    pub properties: Vec<Property>,
    /// Where the token of OAUTHBEARER lies.
    pub token: Option<TokenSource>,
    /// Kafka's `session.timeout.ms`: a process that is not heard of for so long is taken for dead.
    pub session_timeout: Duration,
    /// Processes that keep a copy of each task's state besides the one that works on it.
    pub standby: usize,
    /// Records by which the copies may be behind of a process that becomes a member.
    pub acceptable_recovery_lag: u64,
    /// Replicas of topics that the app makes; none: as the brokers do by default.
    pub replication: Option<i32>,
}

impl Settings {
    /// A client that manages topics.
    pub(super) fn admin(&self, name: &str) -> ClientConfig {
        self.client(name, Client::Any, &[])
    }

    /// What all clients have in common, over what may be said otherwise by the user.
    fn client(&self, name: &str, kind: Client, defaults: &[(&str, u32)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("reconnect.backoff.max.ms", RECONNECT_MS.to_string());
        // Where brokers ask for a client's metrics, librdkafka 2.12 uses a broker that it may have struck off meanwhile.
        config.set("enable.metrics.push", "false");
        for (property, value) in defaults {
            config.set(*property, value.to_string());
        }
        for Property { name, value, .. } in
            self.properties.iter().filter(|property| property.of == Client::Any || property.of == kind)
        {
            config.set(name, value.reveal());
        }
        config.set("bootstrap.servers", &self.bootstrap).set("client.id", name);
        config.set("allow.auto.create.topics", "false").set_log_level(self.log_level(RDKafkaLogLevel::Warning));
        config
    }

    /// How much a client logs: all of what `debug` chooses, if the user set it.
    fn log_level(&self, usual: RDKafkaLogLevel) -> RDKafkaLogLevel {
        let chooses = |property: &Property| property.name == "debug" && !property.value.reveal().is_empty();
        if self.properties.iter().any(chooses) { RDKafkaLogLevel::Debug } else { usual }
    }

    fn poll_interval_ms(&self) -> u32 {
        u32::try_from(POLL_INTERVAL.max(self.session_timeout).as_millis()).unwrap_or(u32::MAX)
    }

    /// How long a worker may be without a look at its membership: the user's `max.poll.interval.ms`, or the default.
    pub(super) fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.chosen("max.poll.interval.ms").unwrap_or_else(|| self.poll_interval_ms().into()))
    }

    /// What the user chose a property to be, if it is a number.
    fn chosen<T: FromStr>(&self, name: &str) -> Option<T> {
        self.properties.iter().find(|property| property.name == name)?.value.reveal().parse().ok()
    }

    /// A consumer that reads what it is told, and is no member of the group.
    pub(super) fn reader(&self, name: &str, group: &str, isolation: &str) -> ClientConfig {
        let defaults = [
            ("queued.max.messages.kbytes", READ_QUEUE_KB),
            ("queued.min.messages", READ_QUEUE_RECORDS),
            ("fetch.wait.max.ms", FETCH_WAIT_MS),
            ("fetch.queue.backoff.ms", FETCH_BACKOFF_MS),
            ("fetch.error.backoff.ms", FETCH_ERROR_BACKOFF_MS),
            ("max.poll.interval.ms", self.poll_interval_ms()),
        ];
        let mut config = self.client(name, Client::Consumer, &defaults);
        config.set("group.id", group).set("isolation.level", isolation);
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error").set("enable.partition.eof", "true");
        // It is no member; librdkafka holds it against `max.poll.interval.ms` all the same.
        config.set("session.timeout.ms", self.session_timeout.as_millis().to_string());
        config
    }

    /// The consumer that is a member of the group.
    pub(super) fn member(&self, name: &str, group: &str) -> ClientConfig {
        let defaults = [("max.poll.interval.ms", self.poll_interval_ms())];
        let mut config = self.client(name, Client::Consumer, &defaults);
        config.set("group.id", group).set("partition.assignment.strategy", "cooperative-sticky");
        config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "earliest");
        config.set("session.timeout.ms", self.session_timeout.as_millis().to_string());
        config.set("heartbeat.interval.ms", HEARTBEAT.min(self.session_timeout / 3).as_millis().to_string());
        config
    }

    /// Bytes of a producer's batch at most, where its topics take that: the user's `batch.size`, or the default.
    pub(super) fn batch_bytes(&self) -> usize {
        self.chosen("batch.size").unwrap_or(BATCH_BYTES)
    }

    /// A producer whose batches have so many bytes at most; with an id, a transactional one.
    pub(super) fn producer(&self, name: &str, transactional_id: Option<&str>, batch_bytes: usize) -> ClientConfig {
        // What waits to be sent is bounded by its bytes, not by the number of records.
        let mut defaults = vec![
            ("queue.buffering.max.ms", LINGER_MS),
            ("queue.buffering.max.kbytes", SEND_QUEUE_KB),
            ("queue.buffering.max.messages", 0),
        ];
        if transactional_id.is_some() {
            defaults.push(("retry.backoff.ms", PRODUCER_BACKOFF_MS));
        }
        let mut config = self.client(name, Client::Producer, &defaults);
        config.set("enable.idempotence", "true").set("delivery.report.only.error", "true");
        config.set("batch.size", batch_bytes.to_string());
        // What is too large the topic's own limit says, and the task asks for it before it sends.
        config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
        if let Some(id) = transactional_id {
            // At this level librdkafka tells of every lost connection on which something is under way.
            config.set_log_level(self.log_level(RDKafkaLogLevel::Info)).set("log.connection.close", "true");
            config.set("transactional.id", id);
            config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string());
        }
        config
    }
}

/// What librdkafka has against a property's value, if anything.
pub fn against(name: &str, value: &str) -> Option<String> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    let why = config.create_native_config().err().map(|error| match error {
        KafkaError::ClientConfig(_, what, ..) => what,
        other => other.to_string(),
    });
    why.map(|why| if value.is_empty() { why } else { why.replace(value, "...") })
}

#[cfg(test)]
impl Settings {
    /// What a property is to each kind of client.
    pub(crate) fn values_of(&self, property: &str) -> Vec<Option<String>> {
        let readers = [self.reader("n", "g", "read_committed"), self.member("n", "g")];
        let others =
            [self.producer("n", Some("id"), BATCH_BYTES), self.producer("n", None, BATCH_BYTES), self.admin("n")];
        readers.iter().chain(&others).map(|config| config.get(property).map(str::to_owned)).collect()
    }

    /// An address, and nothing that anybody chose.
    pub(super) fn to(bootstrap: &str) -> Self {
        Self {
            bootstrap: bootstrap.into(),
            properties: Vec::new(),
            token: None,
            session_timeout: Duration::from_secs(10),
            standby: 0,
            acceptable_recovery_lag: 0,
            replication: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Secret, Setting};

    fn settings() -> Settings {
        let property =
            |name: &str, value: &str, of| Property { name: name.into(), value: Setting::Plain(value.into()), of };
        let properties = vec![
            property("queue.buffering.max.ms", "77", Client::Producer),
            property("fetch.wait.max.ms", "7", Client::Consumer),
            property("client.rack", "a", Client::Any),
            property("isolation.level", "read_uncommitted", Client::Consumer),
            Property { name: "sasl.password".into(), value: Setting::Secret(Secret::new("hunter2")), of: Client::Any },
        ];
        Settings { properties, ..Settings::to("one:1") }
    }

    #[test]
    fn the_users_properties_go_before_defaults_and_after_what_is_promised() {
        let settings = settings();
        let reader = settings.reader("n", "g", "read_committed");
        let producer = settings.producer("n", Some("id"), settings.batch_bytes());
        assert_eq!(reader.get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(reader.get("isolation.level"), Some("read_committed"));
        assert_eq!(reader.get("queue.buffering.max.ms"), None, "it is none of a consumer's");
        assert_eq!(producer.get("queue.buffering.max.ms"), Some("77"));
        assert_eq!(producer.get("fetch.wait.max.ms"), None);
        for config in [reader, producer, settings.member("n", "g"), settings.admin("n")] {
            assert_eq!(config.get("client.rack"), Some("a"));
            assert_eq!(config.get("sasl.password"), Some("hunter2"));
            assert!(config.create_native_config().is_ok());
        }
        assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
    }

    #[test]
    fn who_asks_what_a_client_does_is_told() {
        let usual = Settings::to("one:1");
        let debug = Property { name: "debug".into(), value: Setting::Plain("all".into()), of: Client::Any };
        let asked = Settings { properties: vec![debug], ..usual.clone() };
        let levels = |settings: &Settings| {
            let producer = settings.producer("n", Some("id"), BATCH_BYTES);
            [settings.admin("n"), settings.member("n", "g"), producer].map(|config| config.log_level as i32)
        };
        // Numbers of syslog: a warning is 4.
        assert_eq!(levels(&usual), [4, 4, 6]);
        assert_eq!(levels(&asked), [7; 3]);
    }

    #[test]
    fn what_librdkafka_refuses_is_told_without_the_value() {
        assert_eq!(against("linger.ms", "5"), None);
        let why = against("linger.ms", "hunter2").unwrap();
        // It calls the property by its other name.
        assert!(why.contains("queue.buffering.max.ms") && !why.contains("hunter2"), "{why}");
        assert!(against("socket.keepalive.enable", "hunter2").is_some_and(|why| !why.contains("hunter2")));
        assert!(against("compression.type", "hunter2").is_some_and(|why| !why.contains("hunter2")));
        assert!(against("linger.sm", "5").unwrap().contains("No such configuration property"));
    }
}
