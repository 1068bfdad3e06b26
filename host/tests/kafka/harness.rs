//! What the other tests stand on does what they think it does.

use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record, send};
use rdkafka::producer::Producer;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn values(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or(b"null")).into()).collect()
}

fn record(partition: i32, value: &str) -> Record {
    Record { partition, value: Some(value.into()), timestamp: 7, ..Record::default() }
}

#[test]
fn records_come_back_as_they_were_and_aborted_ones_only_to_who_asks() {
    let client = Client::to(&Broker::shared().bootstrap());
    client.create("come-back", 2, &[("cleanup.policy", "compact")]);
    assert_eq!(client.topics().get("come-back"), Some(&2));
    assert_eq!(client.settings("come-back").get("cleanup.policy").map(String::as_str), Some("compact"));
    let whole = Record {
        partition: 1,
        key: Some(b"k".to_vec()),
        value: None,
        timestamp: 12,
        headers: vec![("h".into(), Some(b"v".to_vec())), ("h".into(), None)],
        ..Record::default()
    };
    client.produce("come-back", std::slice::from_ref(&whole));
    assert_eq!(client.read("come-back", Isolation::Uncommitted), [whole]);
    client.create("transactions", 1, &[]);
    let producer = client.transactional("harness");
    for (value, commits) in [("kept", true), ("aborted", false), ("kept too", true)] {
        producer.begin_transaction().expect("a transaction begins");
        send(&producer, "transactions", &[record(0, value)]);
        // Aborting takes back what was not sent yet: here it has been.
        producer.flush(Duration::from_secs(30)).expect("the broker takes the record");
        let ended = if commits { producer.commit_transaction(None) } else { producer.abort_transaction(None) };
        ended.expect("a transaction ends");
    }
    assert_eq!(values(&client.read("transactions", Isolation::Committed)), ["kept", "kept too"]);
    assert_eq!(values(&client.read("transactions", Isolation::Uncommitted)), ["kept", "aborted", "kept too"]);
    // Each transaction ends with a mark that takes an offset.
    assert_eq!(client.bounds("transactions", 0, Isolation::Uncommitted), (0, 6));
    assert_eq!(client.committed("nobody", "transactions", 0), None);
}

#[test]
fn nodes_are_killed_paused_and_started_again_with_what_they_had() {
    let mut broker = Broker::start(3, &[]);
    let client = Client::to(&broker.bootstrap());
    await_that("three nodes find each other", || client.nodes() == 3);
    client.create("kept", 1, &[]);
    client.produce("kept", &[record(0, "before")]);
    broker.kill(2);
    await_that("two nodes go on", || client.nodes() == 2);
    client.produce("kept", &[record(0, "meanwhile")]);
    broker.restart(2);
    await_that("the second node catches up", || client.in_sync());
    broker.pause(3);
    await_that("two nodes go on", || client.nodes() == 2);
    client.produce("kept", &[record(0, "paused")]);
    broker.resume(3);
    await_that("three nodes find each other", || client.nodes() == 3);
    assert_eq!(values(&client.read("kept", Isolation::Committed)), ["before", "meanwhile", "paused"]);
    let directory = broker.directory().to_owned();
    let processes: Vec<_> = (1..=3).map(|node| broker.process(node).expect("the node runs")).collect();
    drop(broker);
    assert!(!directory.exists(), "{} is left", directory.display());
    // A process that was killed lets go of its memory first.
    await_that("the nodes are gone", || processes.iter().all(|process| !runs(process.as_raw_nonzero().get())));
}

#[test]
fn a_broker_that_does_not_start_shows_its_log() {
    let start = || Broker::start(1, &["log.segment.bytes=a lot"]);
    let panicked = std::panic::catch_unwind(start).map(drop).expect_err("it does not start");
    let said = panicked.downcast_ref::<String>().expect("it says why");
    assert!(said.contains("log.segment.bytes") && said.contains("a lot"), "{said}");
}

#[test]
fn nothing_outlives_a_test_that_is_killed() {
    let name = "harness::a_child_that_holds_a_broker";
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--nocapture"]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let said = lines.map(|line| line.expect("text")).find_map(|line| line.strip_prefix("holds ").map(str::to_owned));
    let said = said.expect("the child holds a broker");
    let (process, directory) = said.split_once(' ').expect("a process and a directory");
    let process = process.parse().expect("a number");
    assert!(runs(process));
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    await_that("the broker ends", || !runs(process) && !Path::new(directory).exists());
}

#[test]
#[ignore = "the child of the test above, which kills it"]
fn a_child_that_holds_a_broker() {
    let broker = Broker::start(1, &[]);
    let process = broker.process(1).expect("the node runs").as_raw_nonzero();
    println!("\nholds {process} {}", broker.directory().display());
    await_that("somebody kills this", || false);
}

/// Whether a process runs: one that has ended and was not waited for does not.
fn runs(process: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
