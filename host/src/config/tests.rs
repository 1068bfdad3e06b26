use super::*;
use crate::transport::Client;
use std::time::Duration;

/// A directory with files that configurations name.
fn around() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in
        [("password", "hunter2\n"), ("ca.pem", "ca"), ("one.pem", "one"), ("key.pem", "key"), ("empty", "\n")]
    {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    std::fs::write(directory.path().join("binary"), [0xff, 0xfe]).unwrap();
    directory
}

fn env(name: &str) -> Option<String> {
    (name == "KAFKA_PASSWORD").then(|| "hunter2".into())
}

/// Stands for librdkafka: it wants numbers where a name ends in `ms`.
fn check(name: &str, value: &str) -> Option<String> {
    (name.ends_with(".ms") && value.parse::<f64>().is_err()).then(|| "it wants a number".into())
}

fn parse(directory: &Path, text: &str) -> Result<Config, Vec<Problem>> {
    Config::parse(text, &Around { directory, env: &env }, &check)
}

fn kafka(directory: &Path, lines: &str) -> Kafka {
    parse(directory, &format!("[transport.kafka]\n{lines}")).unwrap().kafka.unwrap()
}

/// Names and values, secrets included.
fn properties(kafka: &Kafka) -> Vec<(&str, &str)> {
    kafka.properties.iter().map(|property| (property.name.as_str(), property.value.reveal())).collect()
}

#[test]
fn keys_have_defaults_and_are_read() {
    let directory = around();
    let at = directory.path();
    assert_eq!(parse(at, "").unwrap(), Config::default());
    let plain = kafka(at, "");
    assert_eq!(plain, Kafka::default());
    assert_eq!((plain.standby, plain.replication_factor, plain.session_timeout), (0, None, Duration::from_secs(10)));
    let full = kafka(
        at,
        "bootstrap = [\"one:9092\", \"[::1]:9093\"]\nstandby = 1\nreplication-factor = 3\nsession-timeout = \"20s\"\n\
         acceptable-recovery-lag = 7\ninstance = \"orders-1\"\n",
    );
    assert_eq!(full.bootstrap.as_deref(), Some("one:9092,[::1]:9093"));
    assert_eq!((full.standby, full.replication_factor), (1, Some(3)));
    assert_eq!((plain.acceptable_recovery_lag, full.acceptable_recovery_lag), (10_000, 7));
    assert_eq!((full.session_timeout, full.instance.as_deref()), (Duration::from_secs(20), Some("orders-1")));
    assert_eq!(
        kafka(at, "bootstrap = \"one, two:1\"\nreplication-factor = -1\n").bootstrap.as_deref(),
        Some("one,two:1")
    );
}

#[test]
fn sections_become_properties_and_paths_begin_at_the_file() {
    let directory = around();
    let at = directory.path();
    let path = |name: &str| at.join(name).display().to_string();
    let tls = kafka(
        at,
        "[transport.kafka.tls]\nca = \"ca.pem\"\ncertificate = \"one.pem\"\nkey = \"key.pem\"\nkey-password = { file = \"password\" }\n",
    );
    let (ca, certificate, key) = (path("ca.pem"), path("one.pem"), path("key.pem"));
    let expected = [
        ("security.protocol", "ssl"),
        ("ssl.ca.location", &ca),
        ("ssl.certificate.location", &certificate),
        ("ssl.key.location", &key),
        ("ssl.key.password", "hunter2"),
    ];
    assert_eq!(properties(&tls), expected);
    let text = "[transport.kafka.sasl]\nmechanism = \"SCRAM-SHA-512\"\nusername = \"me\"\npassword = { env = \"KAFKA_PASSWORD\" }\n";
    let expected = [
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanisms", "SCRAM-SHA-512"),
        ("sasl.password", "hunter2"),
        ("sasl.username", "me"),
    ];
    assert_eq!(properties(&kafka(at, text)), expected);
    let both = kafka(at, &format!("[transport.kafka.tls]\n{text}"));
    assert_eq!(properties(&both)[0], ("security.protocol", "sasl_ssl"));
    let pem = kafka(at, "[transport.kafka.tls]\nca = { env = \"KAFKA_PASSWORD\" }\n");
    assert_eq!(properties(&pem)[1], ("ssl.ca.pem", "hunter2"));
}

#[test]
fn a_token_is_named_and_not_kept() {
    let directory = around();
    let at = directory.path();
    let token =
        |source: &str| kafka(at, &format!("[transport.kafka.sasl]\nmechanism = \"OAUTHBEARER\"\ntoken = {source}\n"));
    let of_file = token("{ file = \"password\" }");
    assert_eq!(of_file.token, Some(Token::File(at.join("password"))));
    assert_eq!(properties(&of_file), [("security.protocol", "sasl_plaintext"), ("sasl.mechanisms", "OAUTHBEARER")]);
    assert_eq!(token("{ env = \"KAFKA_PASSWORD\" }").token, Some(Token::Env("KAFKA_PASSWORD".into())));
}

#[test]
fn properties_pass_by_their_names_with_or_without_quotes() {
    let directory = around();
    let at = directory.path();
    let text = "[transport.kafka.properties]\n\"linger.ms\" = 0.5\nretry.backoff.ms = 5\nretry.backoff.max.ms = 7\n\
                socket.keepalive.enable = true\ncompression.type = \"zstd\"\nsasl.password = { file = \"password\" }\n\
                ssl.crl.location = \"ca.pem\"\nfetch.min.bytes = 1\n";
    let read = kafka(at, text);
    let crl = at.join("ca.pem").display().to_string();
    let mut found = properties(&read);
    found.sort_unstable();
    let expected = [
        ("compression.codec", "zstd"),
        ("fetch.min.bytes", "1"),
        // The name that goes over the host's own default.
        ("queue.buffering.max.ms", "0.5"),
        ("retry.backoff.max.ms", "7"),
        ("retry.backoff.ms", "5"),
        ("sasl.password", "hunter2"),
        ("socket.keepalive.enable", "true"),
        ("ssl.crl.location", &crl),
    ];
    assert_eq!(found, expected);
    let of = |name: &str| read.properties.iter().find(|property| property.name == name).map(|property| property.of);
    assert_eq!(of("queue.buffering.max.ms"), Some(Client::Producer));
    assert_eq!(of("fetch.min.bytes"), Some(Client::Consumer));
    assert_eq!(of("retry.backoff.ms"), Some(Client::Any));
    assert!(!format!("{read:?}").contains("hunter2"), "{read:?}");
}

/// Lines below a header, the code that they get, at which line, and words of problem and remedy.
const WRONG: [(&str, &str, &str, usize, [&str; 2]); 35] = [
    ("[transprt]", "", "MS-T002", 1, ["\"transprt\"", "did you mean \"transport\"?"]),
    ("[transport.pulsar]", "", "MS-T002", 1, ["\"pulsar\"", "kafka"]),
    ("[transport.kafka", "", "MS-T001", 1, ["", "mend"]),
    ("[transport.kafka]", "bootstrp = \"a\"", "MS-T002", 2, ["\"bootstrp\"", "\"bootstrap\"?"]),
    ("[transport.kafka]", "bootstrap = \"PLAINTEXT://a:9092\"", "MS-T003", 2, ["bootstrap", "one:9092"]),
    ("[transport.kafka]", "bootstrap = \"a:0\"", "MS-T003", 2, ["bootstrap", "one:9092"]),
    ("[transport.kafka]", "bootstrap = [\"a\", 5]", "MS-T003", 2, ["bootstrap", "one:9092"]),
    ("[transport.kafka]", "bootstrap = []", "MS-T003", 2, ["bootstrap", "one:9092"]),
    ("[transport.kafka]", "standby = 9", "MS-T003", 2, ["standby", "0 to 8"]),
    ("[transport.kafka]", "acceptable-recovery-lag = -1", "MS-T003", 2, ["acceptable-recovery-lag", "10000"]),
    ("[transport.kafka]", "replication-factor = 0", "MS-T003", 2, ["replication-factor", "-1"]),
    ("[transport.kafka]", "session-timeout = \"2h\"", "MS-T003", 2, ["session-timeout", "10s"]),
    ("[transport.kafka]", "instance = \"a/b\"", "MS-T003", 2, ["instance", "letters"]),
    ("[transport.kafka]", "tls = true", "MS-T003", 2, ["tls", "[transport.kafka.tls]"]),
    ("[transport.kafka.tls]", "ca = \"none.pem\"", "MS-H004", 2, ["none.pem", "name a file"]),
    ("[transport.kafka.tls]", "ca = 5", "MS-T003", 2, ["ca", "path"]),
    ("[transport.kafka.tls]", "certificate = \"one.pem\"", "MS-T004", 1, ["\"key\"", "add key"]),
    ("[transport.kafka.tls]", "key-password = { file = \"password\" }", "MS-T004", 1, ["\"key\"", "add key"]),
    ("[transport.kafka.sasl]", "mechanism = \"GSSAPI\"", "MS-T003", 2, ["mechanism", "PLAIN, SCRAM-SHA-256"]),
    ("[transport.kafka.sasl]", "username = \"me\"", "MS-T004", 1, ["no mechanism", "SCRAM-SHA-512"]),
    ("[transport.kafka.sasl]", "mechanism = \"OAUTHBEARER\"", "MS-T004", 1, ["token", "add token"]),
    (
        "[transport.kafka.sasl]",
        "password = \"hunter2\"\nmechanism = \"OAUTHBEARER\"\ntoken = { env = \"KAFKA_PASSWORD\" }",
        "MS-H003",
        2,
        ["\"password\"", "{ env = \"PASSWORD\" }"],
    ),
    (
        "[transport.kafka.properties]",
        "sasl.password = \"hunter2\"",
        "MS-H003",
        2,
        ["\"sasl.password\"", "sasl.password = { file"],
    ),
    (
        "[transport.kafka.properties]",
        "\"ssl.key.pem\" = { file = \"key.pem\", env = \"X\" }",
        "MS-H003",
        2,
        ["ssl.key.pem", "env"],
    ),
    ("[transport.kafka.properties]", "\"sasl.password\" = { file = \"none\" }", "MS-H004", 2, ["none", "name a file"]),
    ("[transport.kafka.properties]", "\"sasl.password\" = { file = \"empty\" }", "MS-H004", 2, ["nothing", "write"]),
    ("[transport.kafka.properties]", "\"sasl.password\" = { file = \"binary\" }", "MS-H004", 2, ["no text", "name"]),
    ("[transport.kafka.properties]", "\"sasl.password\" = { env = \"NONE\" }", "MS-H004", 2, ["\"NONE\"", "set it"]),
    ("[transport.kafka.properties]", "linger.sm = 5", "MS-H005", 2, ["\"linger.sm\"", "\"linger.ms\"?"]),
    (
        "[transport.kafka.properties]",
        "nothing.of.the.kind = 5",
        "MS-H005",
        2,
        ["nothing.of.the.kind", "CONFIGURATION.md"],
    ),
    ("[transport.kafka.properties]", "linger.ms = \"soon\"", "MS-H006", 2, ["linger.ms: it wants a number", "write"]),
    ("[transport.kafka.properties]", "linger.ms = [5]", "MS-T003", 2, ["linger.ms", "a number"]),
    ("[transport.kafka.properties]", "sasl.mechanism = \"OAUTHBEARER\"", "MS-H007", 2, ["properties alone", "sasl]"]),
    ("[transport.kafka.properties]", "linger.ms = 5\nqueue.buffering.max.ms = 6", "MS-H007", 3, ["line 2", "take one"]),
    (
        "[transport.kafka.tls]\n[transport.kafka.properties]",
        "security.protocol = \"ssl\"",
        "MS-H007",
        3,
        ["line 1", "take"],
    ),
];

#[test]
fn what_is_wrong_is_told_with_line_and_remedy_and_without_values() {
    let directory = around();
    for (header, lines, code, line, words) in WRONG {
        let text = format!("{header}\n{lines}\n");
        let problems = parse(directory.path(), &text).unwrap_err();
        let found: Vec<_> = problems.iter().map(|problem| (problem.code.as_ref(), problem.line)).collect();
        assert_eq!(found, [(code, line)], "{text}");
        let Problem { what, remedy, .. } = &problems[0];
        assert!(what.contains(words[0]) && remedy.contains(words[1]), "{what}; {remedy}");
        let shown = render(&problems, &mask::masked(&text), "host.toml", false);
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn what_is_the_hosts_is_refused_with_the_reason() {
    let directory = around();
    let text = "[transport.kafka.properties]\ngroup.id = \"g\"\ntransactional.id = \"t\"\nisolation.level = \"read_uncommitted\"\n\
                enable.auto.commit = true\nacks = 1\nauto.offset.reset = \"latest\"\nsession.timeout.ms = 5\n\
                partition.assignment.strategy = \"range\"\nplugin.library.paths = \"/tmp/x.so\"\nerror_cb = 5\n";
    let problems = parse(directory.path(), text).unwrap_err();
    let lines: Vec<_> = problems.iter().map(|problem| (problem.code.as_ref(), problem.line)).collect();
    assert_eq!(lines, (2..=11).map(|line| ("MS-H002", line)).collect::<Vec<_>>());
    let all: String = problems.iter().map(|problem| format!("{}; {}\n", problem.what, problem.remedy)).collect();
    for words in
        ["group.id is the host's to set: the group is the app", "change app in the manifest", "write session-timeout"]
    {
        assert!(all.contains(words), "{all}");
    }
}

#[test]
fn no_property_is_both_allowed_and_refused() {
    let names: Vec<&str> = properties::ALLOWED.iter().map(|(name, _)| *name).collect();
    assert!(names.is_sorted(), "so that nobody adds one twice");
    for name in refused::names() {
        assert!(!names.contains(&name), "{name}");
    }
    assert_eq!(names.len() + refused::names().count(), 190, "as many as librdkafka 2.12.1 documents");
}

const REFERENCE: &str = include_str!("../../../docs/configuration.md");

#[test]
fn the_reference_shows_sound_configurations() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("secrets")).unwrap();
    for file in ["ca.pem", "client.pem", "client.key", "secrets/kafka-password", "secrets/token"] {
        std::fs::write(directory.path().join(file), "text").unwrap();
    }
    let env = |name: &str| (name == "KAFKA_KEY_PASSWORD").then(|| "text".into());
    let examples: Vec<_> = REFERENCE.split("```").filter_map(|block| block.strip_prefix("toml\n")).collect();
    let counts: Vec<usize> = examples
        .iter()
        .map(|text| {
            let config = Config::parse(text, &Around { directory: directory.path(), env: &env }, &check).unwrap();
            config.kafka.unwrap().properties.len()
        })
        .collect();
    assert_eq!(counts, [11, 2]);
}

#[test]
fn the_reference_names_every_key_and_names_no_property_wrong() {
    for key in kafka::KEYS.iter().chain(&security::TLS_KEYS).chain(&security::SASL_KEYS) {
        assert!(["tls", "sasl", "properties"].contains(key) || REFERENCE.contains(&format!("`{key}`")), "{key}");
    }
    let refused = REFERENCE.split("are the host's, and refused:").nth(1).unwrap();
    let columns = refused.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let named: Vec<&str> = columns.flat_map(|column| column.split(", ")).map(|name| name.trim_matches('`')).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let all = name.strip_suffix('*').unwrap_or(name);
        assert!(refused::names().any(|refused| refused == name || (all != name && refused.starts_with(all))), "{name}");
    }
}
