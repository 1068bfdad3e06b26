//! What goes wrong on a cluster: each time a clear error with a stable code, or a policy, and nothing lost.

use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::host::Host;
use crate::proxy::Proxy;
use crate::{await_some, await_that};
use std::path::Path;
use std::time::Duration;

/// Times that clients are told of no broker, and answers after which most of a host's had one.
const ROUNDS: u32 = 8;
const TOLD_MIN: u32 = 8;

/// An app that copies one topic into another, with an end of its own to the manifest.
pub(crate) fn copies(app: &str, settings: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let nodes = format!(
        "[node.lines]\nop = \"stream\"\ntopic = \"{app}.in\"\n[node.out]\nop = \"to\"\nfrom = \"lines\"\ntopic = \"{app}.out\"\n"
    );
    write(directory.path(), &format!("manifest = 1\napp = \"{app}\"\n{nodes}{settings}"));
    directory
}

fn write(at: &Path, manifest: &str) {
    std::fs::write(at.join("millstream.toml"), manifest).expect("a manifest can be written");
}

/// The shared broker with the topics of such an app.
pub(crate) fn shared(app: &str) -> (String, Client) {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    ["in", "out"].iter().for_each(|topic| client.create(&format!("{app}.{topic}"), 1, &[]));
    (bootstrap, client)
}

pub(crate) fn numbered(numbers: std::ops::Range<u32>) -> Vec<Record> {
    let record =
        |number: u32| Record { value: Some(number.to_string().into_bytes()), timestamp: 1, ..Record::default() };
    numbers.map(record).collect()
}

pub(crate) fn values(client: &Client, topic: &str) -> Vec<String> {
    client.await_stable(topic);
    let records = client.read(topic, Isolation::Committed);
    records.into_iter().map(|record| String::from_utf8(record.value.expect("a value")).expect("text")).collect()
}

pub(crate) fn texts(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}

#[test]
fn a_broker_that_is_not_there() {
    let app = copies("unreachable", "");
    // Port 1 is nobody's.
    Host::until_end(app.path(), "127.0.0.1:1").says(&["error[MS-", "MS-T024", "127.0.0.1:1", "help: "]);
}

/// A broker that has just started names none, not even itself, and librdkafka then forgets those that it knew: of ten
/// clients one or two for ever.
#[test]
fn clients_that_were_told_of_no_broker_find_them_again() {
    let (_, client) = shared("told");
    let mut proxy = Proxy::before(Broker::shared());
    let app = copies("told", "");
    let host = Host::run(app.path(), proxy.bootstrap(), &[]);
    let positions = client.positions("told");
    for round in 1..=ROUNDS {
        client.produce("told.in", &numbered(round - 1..round));
        await_that("the app goes on", || positions.find("told.in", 0) == Some(round.into()));
        proxy.order("hide-brokers");
        proxy.order("drop-connections");
        await_that("most clients were told", || {
            proxy.order("status")["counts"]["hidden"].as_u64() >= Some(u64::from(round * TOLD_MIN))
        });
        proxy.order("clear");
    }
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(values(&client, "told.out"), texts(0..ROUNDS));
}

#[test]
fn a_broker_that_goes_and_comes_back_costs_no_record() {
    goes_and_comes_back("away", 10_000, |client| {
        let positions = client.positions("away");
        await_that("all is committed", || positions.find("away.in", 0) == Some(10_000));
    });
}

#[test]
fn a_broker_that_goes_while_there_is_work_costs_no_record() {
    // The host is busy with them for some seconds.
    let count = 400_000;
    goes_and_comes_back("busy", count, |client| {
        // Offsets are told only when no transaction is open; the output's end is told at once.
        let end = || Some(client.bounds("busy.out", 0, Isolation::Committed).1).filter(|end| *end > 0);
        let begun = await_some("something is committed", end);
        assert!(begun < i64::from(count), "the broker must go while there is work");
    });
}

/// Kills the broker of an app at a moment, starts it again, and sees that every record comes out once.
fn goes_and_comes_back(name: &str, count: u32, moment: impl FnOnce(&Client)) {
    let mut broker = Broker::beside_controller(Duration::from_secs(3));
    let client = Client::to(&broker.bootstrap());
    let [input, output] = ["in", "out"].map(|topic| format!("{name}.{topic}"));
    [&input, &output].iter().for_each(|topic| client.create(topic, 1, &[]));
    client.produce(&input, &numbered(0..count));
    let app = copies(name, "[guarantee]\ncommit-interval = \"10ms\"\n");
    let mut host = Host::run(app.path(), &broker.bootstrap(), &[]);
    moment(&client);
    broker.kill_until_fenced();
    await_that("the host notices", || {
        ["no broker can be reached", "a broker cannot be reached"].iter().any(|why| host.log().contains(why))
    });
    assert!(host.ended().is_none(), "it waits: {}", host.log());
    broker.restart(1);
    // librdkafka may leave the one of before without brokers.
    let client = Client::to(&broker.bootstrap());
    client.produce(&input, &numbered(count..count + 10));
    let positions = client.positions(name);
    await_that("all is processed", || positions.find(&input, 0) == Some(i64::from(count) + 10));
    assert_eq!(host.stop().code, Some(0));
    let (found, expected) = (values(&client, &output), texts(0..count + 10));
    let wrong = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    assert_eq!((found.len(), wrong), (expected.len(), None), "number of records, and the first that is another");
}

#[test]
fn topics_that_are_missing_are_named_and_not_made() {
    let (bootstrap, client) = (Broker::shared().bootstrap(), Client::to(&Broker::shared().bootstrap()));
    let app = copies("missing", "");
    let both = ["error[MS-R011]", "no topic missing.in, nor missing.out", "[topic.missing.in]", "help: "];
    Host::until_end(app.path(), &bootstrap).says(&both);
    client.create("missing.in", 1, &[]);
    Host::until_end(app.path(), &bootstrap).says(&["error[MS-R011]", "missing.out"]);
    assert!(!client.topics().contains_key("missing.out"), "a name with a slip makes no topic");
}

#[test]
fn partitions_that_were_added_have_tasks_in_the_next_run() {
    let (bootstrap, client) = shared("grown");
    let app = copies("grown", "");
    client.produce("grown.in", &numbered(0..3));
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    client.grow("grown.in", 2);
    client.produce("grown.in", &[Record { partition: 1, ..numbered(3..4).remove(0) }]);
    let ended = Host::until_end(app.path(), &bootstrap);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("subtopology 0 has 2 partitions instead of 1"), "{}", ended.log);
    assert_eq!(client.topics().get("grown-tasks"), Some(&2));
    assert_eq!(values(&client, "grown.out"), texts(0..4));
}

#[test]
fn partitions_that_are_added_while_it_runs_end_the_app_and_lose_nothing() {
    let (bootstrap, client) = shared("growing");
    let app = copies("growing", "");
    let host = Host::run(app.path(), &bootstrap, &[]);
    client.produce("growing.in", &numbered(0..3));
    let positions = client.positions("growing");
    await_that("it runs", || positions.find("growing.in", 0) == Some(3));
    client.grow("growing.in", 2);
    client.produce("growing.in", &[Record { partition: 1, ..numbered(3..4).remove(0) }]);
    host.end().says(&["error[MS-R015]", "growing.in has 2 partitions and had 1", "help: run it again"]);
    let ended = Host::until_end(app.path(), &bootstrap);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(values(&client, "growing.out"), texts(0..4));
}

#[test]
fn an_interval_longer_than_a_transaction_may_be_open_does_not_keep_an_app_from_committing() {
    let (bootstrap, client) = shared("seldom");
    let app = copies("seldom", "[guarantee]\ncommit-interval = \"1h\"\n");
    let host = Host::run(app.path(), &bootstrap, &[]);
    client.produce("seldom.in", &numbered(0..1));
    let positions = client.positions("seldom");
    await_that("it commits", || positions.find("seldom.in", 0) == Some(1));
    assert_eq!(host.stop().code, Some(0));
}

#[test]
fn a_topic_with_more_replicas_than_brokers_is_refused_after_a_while() {
    let bootstrap = Broker::shared().bootstrap();
    let app =
        copies("replicas", "[topic]\n\"replicas.in\" = { partitions = 1 }\n\"replicas.out\" = { partitions = 1 }\n");
    std::fs::write(app.path().join("host.toml"), "[transport.kafka]\nreplication-factor = 3\n").expect("a file");
    let ended = Host::run(app.path(), &bootstrap, &["--config", "host.toml", "--until-end"]).end();
    ended.says(&["error[MS-T028]", "replicas.in", "3 replicas", "had 1 of its brokers", "help: start more brokers"]);
}

#[test]
fn another_app_of_the_same_name_with_other_tasks_is_refused() {
    let (bootstrap, client) = shared("named");
    client.create("named.more", 1, &[]);
    let app = copies("named", "");
    let host = Host::run(app.path(), &bootstrap, &[]);
    client.produce("named.in", &numbered(0..3));
    let positions = client.positions("named");
    await_that("the first app runs", || positions.find("named.in", 0) == Some(3));
    let more = "[node.more]\nop = \"stream\"\ntopic = \"named.more\"\n[node.also]\nop = \"to\"\nfrom = \"more\"\ntopic = \"named.out\"\n";
    let other = copies("named", more);
    Host::until_end(other.path(), &bootstrap).says(&[
        "error[MS-R013]",
        "another topology",
        "2 subtopologies instead of 1",
        "help: ",
    ]);
    client.produce("named.in", &numbered(3..6));
    await_that("the first app goes on", || positions.find("named.in", 0) == Some(6));
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(values(&client, "named.out"), texts(0..6));
}

#[test]
fn a_record_that_the_broker_refuses_stops_the_app_and_nothing_is_lost() {
    let (bootstrap, client) = shared("large");
    client.set("large.out", "max.message.bytes", "1000");
    let large = Record { value: Some(vec![b'1'; 5000]), timestamp: 1, ..Record::default() };
    client.produce("large.in", &[numbered(0..1), vec![large], numbered(2..3)].concat());
    let app = copies("large", "");
    Host::until_end(app.path(), &bootstrap).says(&[
        "error[MS-R003]",
        "topic large.out takes",
        "max.message.bytes=1000",
        "help: ",
    ]);
    assert_eq!(values(&client, "large.out"), [""; 0], "not even what came before it");
    client.set("large.out", "max.message.bytes", "100000");
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    assert_eq!(values(&client, "large.out"), ["0".to_owned(), "1".repeat(5000), "2".to_owned()]);
}

#[test]
fn records_that_were_deleted_before_they_were_read() {
    for (reset, expected) in [("earliest", vec![0, 1, 4, 5, 6]), ("latest", vec![0, 1, 6])] {
        let name = format!("deleted-{reset}");
        let (bootstrap, client) = shared(&name);
        let app = copies(&name, &format!("[guarantee]\nauto-offset-reset = {reset:?}\n"));
        // Where nothing was read yet, a run from the latest record on begins here.
        assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
        client.produce(&format!("{name}.in"), &numbered(0..2));
        assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
        client.produce(&format!("{name}.in"), &numbered(2..6));
        client.delete_records(&format!("{name}.in"), 0, 4);
        let ended = Host::until_end(app.path(), &bootstrap);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert!(ended.log.contains("records were deleted before they were read"), "{}", ended.log);
        client.produce(&format!("{name}.in"), &numbered(6..7));
        assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
        assert_eq!(values(&client, &format!("{name}.out")), texts(expected), "{reset}");
    }
}

#[test]
fn records_that_were_deleted_end_an_app_that_must_miss_none() {
    let (bootstrap, client) = shared("none");
    client.produce("none.in", &numbered(0..2));
    let app = copies("none", "");
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    client.produce("none.in", &numbered(2..6));
    client.delete_records("none.in", 0, 4);
    let text = std::fs::read_to_string(app.path().join("millstream.toml")).expect("a manifest");
    write(app.path(), &format!("{text}[guarantee]\nauto-offset-reset = \"none\"\n"));
    Host::until_end(app.path(), &bootstrap).says(&[
        "MS-R006",
        "none.in-0",
        "offset 4",
        "offset 2",
        "auto-offset-reset",
    ]);
    assert_eq!(client.committed("none", "none.in", 0), Some(2));
    assert_eq!(values(&client, "none.out"), texts(0..2));
}

#[test]
fn a_topic_that_was_made_anew_is_read_from_its_beginning() {
    let (bootstrap, client) = shared("anew");
    client.produce("anew.in", &numbered(0..5));
    let app = copies("anew", "");
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    client.delete("anew.in");
    client.create("anew.in", 1, &[]);
    client.produce("anew.in", &numbered(10..12));
    let ended = Host::until_end(app.path(), &bootstrap);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(values(&client, "anew.out"), texts((0..5).chain(10..12)));
}

#[test]
fn wrong_credentials_are_told_and_the_password_is_not() {
    let users = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"admin\" password=\"a\" \
                 user_admin=\"a\" user_orders=\"right-password\";";
    let broker = Broker::start(
        1,
        &[
            "listener.security.protocol.map=PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms=PLAIN",
            "sasl.mechanism.inter.broker.protocol=PLAIN",
            "inter.broker.listener.name=PLAINTEXT",
            &format!("listener.name.plaintext.plain.sasl.jaas.config={users}"),
        ],
    );
    let app = copies("sasl", "[topic]\n\"sasl.in\" = { partitions = 1 }\n\"sasl.out\" = { partitions = 1 }\n");
    for (password, code) in [("wrong-password", Some(1)), ("right-password", Some(0))] {
        std::fs::write(app.path().join("password"), password).expect("a password can be written");
        let sasl = "mechanism = \"PLAIN\"\nusername = \"orders\"\npassword = { file = \"password\" }\n";
        // With PLAIN it goes over the wire as it is: nothing of what clients can log may hold it.
        let all = "[transport.kafka.properties]\ndebug = \"all\"\n";
        std::fs::write(app.path().join("host.toml"), format!("[transport.kafka.sasl]\n{sasl}{all}")).expect("a file");
        let arguments = ["--config", "host.toml", "--until-end"];
        let ended = Host::run_in(app.path(), &broker.bootstrap(), &arguments, &[("RUST_LOG", "trace")]).end();
        assert!(ended.log.contains("SASLPLAIN"), "clients tell nothing of it");
        assert_eq!(ended.code, code, "{}", ended.log);
        assert!(!ended.log.contains(password), "{}", ended.log);
        if code == Some(1) {
            ended.says(&["MS-T026", "help: check mechanism, username and password"]);
        }
    }
}
