//! What the app's user may not do: told with the right that is missing, and nothing lost.
//!
//! Everybody may do everything with a topic of which no rule speaks; with one that is named, only what the rule grants.

use crate::broker::{Broker, scripts};
use crate::client::{Client, Isolation, Record};
use crate::host::{Ended, Host};
use crate::keys;
use std::process::Command;
use std::sync::OnceLock;

const RULES: [&str; 2] = [
    "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found=true",
];

/// A broker with rules, for all tests here.
fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start(1, &RULES))
}

/// Changes the rules of a topic by Kafka's own tool.
fn rules(topic: &str, arguments: &[&str]) {
    let mut command = Command::new(scripts().join("cli"));
    command.args(["org.apache.kafka.tools.AclCommand", "--bootstrap-server", &broker().bootstrap(), "--topic", topic]);
    let told = command.args(arguments).output().expect("the tool runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
}

/// Grants everybody this and no more.
fn grant_only(topic: &str, operations: &[&str]) {
    let operations = operations.iter().flat_map(|operation| ["--operation", operation]);
    let arguments = ["--add", "--allow-principal", "User:ANONYMOUS"].into_iter().chain(operations);
    rules(topic, &arguments.collect::<Vec<_>>());
}

/// An app that copies the numbers from 0 to 2, under a guarantee.
fn app(name: &str, guarantee: &str) -> (tempfile::TempDir, Client) {
    let client = Client::to(&broker().bootstrap());
    ["in", "out"].iter().for_each(|topic| client.create(&format!("{name}.{topic}"), 1, &[]));
    let record = |number: u8| Record { value: Some(vec![b'0' + number]), timestamp: 1, ..Record::default() };
    client.produce(&format!("{name}.in"), &(0..3).map(record).collect::<Vec<_>>());
    let directory = tempfile::tempdir().expect("a directory");
    let manifest = format!(
        "manifest = 1\napp = \"{name}\"\n[guarantee]\nprocessing = \"{guarantee}\"\n[node.lines]\nop = \"stream\"\ntopic = \"{name}.in\"\n[node.out]\nop = \"to\"\nfrom = \"lines\"\ntopic = \"{name}.out\"\n"
    );
    std::fs::write(directory.path().join("millstream.toml"), manifest).expect("a manifest");
    (directory, client)
}

fn until_end(at: &tempfile::TempDir) -> Ended {
    Host::until_end(at.path(), &broker().bootstrap())
}

fn written(client: &Client, topic: &str) -> Vec<Option<Vec<u8>>> {
    client.await_stable(topic);
    client.read(topic, Isolation::Committed).into_iter().map(|record| record.value).collect()
}

#[test]
fn an_output_that_may_not_be_written() {
    for guarantee in ["exactly-once", "at-least-once"] {
        let name = format!("write-{guarantee}");
        let (directory, client) = app(&name, guarantee);
        let output = format!("{name}.out");
        grant_only(&output, &["Read", "DescribeConfigs"]);
        until_end(&directory).says(&["MS-T020", &output, "help: ", "grant the app's user WRITE"]);
        assert_eq!(written(&client, &output), [], "{guarantee}");
        rules(&output, &["--remove", "--force"]);
        assert_eq!(until_end(&directory).code, Some(0));
        let all: Vec<_> = (b'0'..b'3').map(|number| Some(vec![number])).collect();
        assert_eq!(written(&client, &output), all, "{guarantee}");
    }
}

#[test]
fn an_input_that_may_not_be_read() {
    let (directory, client) = app("read", "exactly-once");
    grant_only("read.in", &["Write", "DescribeConfigs"]);
    until_end(&directory).says(&["MS-T029", "read.in", "help: ", "grant the app's user READ"]);
    rules("read.in", &["--remove", "--force"]);
    assert_eq!(until_end(&directory).code, Some(0));
    assert_eq!(written(&client, "read.out").len(), 3);
}

#[test]
fn settings_that_may_not_be_seen_keep_no_app_from_running() {
    let client = Client::to(&broker().bootstrap());
    client.create("unseen.in", 1, &[]);
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("millstream.toml"), keys::counting("unseen", "unseen.in"))
        .expect("a manifest");
    assert_eq!(until_end(&directory).code, Some(0));
    for topic in ["unseen-counts-changelog", "unseen-spread-repartition"] {
        grant_only(topic, &["Read", "Write", "Delete"]);
    }
    let ended = until_end(&directory);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}
