//! librdkafka's properties that are the host's: setting them would break what it promises.

/// Properties that are the host's: those names, why, and what to do instead.
type Refusal = (&'static [&'static str], &'static str, &'static str);

const ALL: [Refusal; 21] = [
    (
        &["bootstrap.servers", "metadata.broker.list"],
        "it has a key of its own",
        "write bootstrap under [transport.kafka]",
    ),
    (&["session.timeout.ms"], "it has a key of its own", "write session-timeout under [transport.kafka]"),
    (&["group.id"], "the group is the app: its offsets and its members belong together", "change app in the manifest"),
    (
        &["group.instance.id", "client.id"],
        "the host names its members, and fences them by these names",
        "write instance under [transport.kafka]",
    ),
    (
        &["transactional.id"],
        "the host names its producers, so that a new one fences the one before it",
        "write instance under [transport.kafka]",
    ),
    (
        &[
            "partition.assignment.strategy",
            "group.protocol",
            "group.protocol.type",
            "group.remote.assignor",
            "heartbeat.interval.ms",
        ],
        "tasks move between members in the one way that the host was made for",
        "leave it out; session-timeout under [transport.kafka] says how soon a lost member is noticed",
    ),
    (
        &["isolation.level"],
        "records of aborted transactions would be processed",
        "leave it out: the host reads what is committed",
    ),
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.offset.store",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
        ],
        "offsets are committed with what was made from their records, or records would be lost or doubled",
        "leave it out; commit-interval under [guarantee] of the manifest says how often",
    ),
    (
        &["auto.offset.reset"],
        "where to begin belongs to the app, and to the offsets that it commits",
        "write auto-offset-reset under [guarantee] of the manifest",
    ),
    (
        &[
            "enable.idempotence",
            "enable.gapless.guarantee",
            "acks",
            "request.required.acks",
            "retries",
            "message.send.max.retries",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "queuing.strategy",
            "msg_order_cmp",
        ],
        "records could be lost, doubled, or written out of order",
        "leave it out; processing under [guarantee] of the manifest chooses exactly-once or at-least-once",
    ),
    (
        &["message.timeout.ms", "delivery.timeout.ms", "transaction.timeout.ms"],
        "a record that is given up would be lost, and a transaction that outlasts its host holds up all readers",
        "leave it out: the host sets it so that a commit fails as a whole",
    ),
    (
        &["delivery.report.only.error", "dr_cb", "dr_msg_cb", "produce.offset.report"],
        "the host must learn what became of its records",
        "leave it out",
    ),
    (
        &["partitioner", "partitioner_cb", "sticky.partitioning.linger.ms"],
        "the host chooses every record's partition, as Java's clients do, so that keys meet",
        "leave it out",
    ),
    (
        &["allow.auto.create.topics", "topic.blacklist"],
        "the host makes topics, with the partitions that their tasks need, and must see them all",
        "describe topics under [topic.NAME] of the manifest",
    ),
    (
        &[
            "enable.partition.eof",
            "consume.callback.max.messages",
            "enabled_events",
            "log.queue",
            "internal.termination.signal",
        ],
        "the host's way of reading from the client depends on it",
        "leave it out",
    ),
    (
        &["log_level", "log.connection.close"],
        "by what a client logs the host learns that a connection was lost, and then begins no transaction on it",
        "leave it out; debug says what librdkafka tells of itself, and RUST_LOG what of it is shown",
    ),
    (
        &["message.max.bytes"],
        "what is too large each topic says by max.message.bytes, and the host asks it before it sends a record",
        "leave it out; change max.message.bytes of the topic",
    ),
    (
        &["plugin.library.paths", "ssl.engine.location", "ssl.engine.id", "interceptors"],
        "foreign code would run inside the host",
        "leave it out",
    ),
    (
        &[
            "sasl.kerberos.service.name",
            "sasl.kerberos.principal",
            "sasl.kerberos.kinit.cmd",
            "sasl.kerberos.keytab",
            "sasl.kerberos.min.time.before.relogin",
        ],
        "this build has no Kerberos",
        "use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER under [transport.kafka.sasl]",
    ),
    (
        &[
            "enable.sasl.oauthbearer.unsecure.jwt",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.method",
            "sasl.oauthbearer.client.id",
            "sasl.oauthbearer.client.credentials.client.id",
            "sasl.oauthbearer.client.credentials.client.secret",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.scope",
            "sasl.oauthbearer.extensions",
            "sasl.oauthbearer.token.endpoint.url",
            "sasl.oauthbearer.grant.type",
            "sasl.oauthbearer.assertion.algorithm",
            "sasl.oauthbearer.assertion.private.key.file",
            "sasl.oauthbearer.assertion.private.key.passphrase",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.assertion.file",
            "sasl.oauthbearer.assertion.claim.aud",
            "sasl.oauthbearer.assertion.claim.exp.seconds",
            "sasl.oauthbearer.assertion.claim.iss",
            "sasl.oauthbearer.assertion.claim.jti.include",
            "sasl.oauthbearer.assertion.claim.nbf.seconds",
            "sasl.oauthbearer.assertion.claim.sub",
            "sasl.oauthbearer.assertion.jwt.template.file",
            "sasl.oauthbearer.metadata.authentication.type",
            "https.ca.location",
            "https.ca.pem",
        ],
        "this build fetches no tokens itself",
        "let your platform's agent write the token into a file, and name it by token under [transport.kafka.sasl]",
    ),
    (
        &[
            "error_cb",
            "throttle_cb",
            "stats_cb",
            "log_cb",
            "background_event_cb",
            "socket_cb",
            "connect_cb",
            "closesocket_cb",
            "open_cb",
            "resolve_cb",
            "opaque",
            "default_topic_conf",
            "ssl_key",
            "ssl_certificate",
            "ssl_ca",
            "ssl_engine_callback_data",
            "ssl.certificate.verify_cb",
            "oauthbearer_token_refresh_cb",
            "consume_cb",
            "rebalance_cb",
            "offset_commit_cb",
            "builtin.features",
        ],
        "it is for programs and has no value that could be written down",
        "leave it out",
    ),
];

/// Why a property is the host's, and what to do instead; none if it is not.
pub(super) fn find(name: &str) -> Option<(&'static str, &'static str)> {
    ALL.iter().find(|(names, _, _)| names.contains(&name)).map(|(_, why, instead)| (*why, *instead))
}

/// All of them.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|(names, _, _)| names.iter().copied())
}
