//! Apps that share a name share tasks: only where their topologies agree.

use crate::broker::Broker;
use crate::client::{Client, Record};
use crate::host::Host;
use crate::words::{self, at};
use crate::{await_some, await_that};

/// Times that two apps start at the same moment.
const STARTS: usize = 3;

/// An app that copies `<app>.in` under another node's name, or other topics.
fn manifest(app: &str, input: &str, settings: &str) -> String {
    format!(
        "manifest = 1\napp = \"{app}\"\n{settings}[node.lines]\nop = \"stream\"\ntopic = \"{app}.{input}\"\n[node.out]\nop = \"to\"\nfrom = \"lines\"\ntopic = \"{app}.out\"\n"
    )
}

/// An app that splits and counts words, its store in this form.
fn counts(app: &str, lower_case: bool, format: &str) -> String {
    let counts = "store = \"counts\"\nchangelog = true\nemit = \"every-update\"\n";
    words::counting(app, lower_case, &format!("{counts}format = \"{format}\"\n"))
}

fn client(topics: &[&str]) -> (String, Client) {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    topics.iter().for_each(|topic| client.create(topic, 1, &[]));
    (bootstrap, client)
}

fn record(value: &str) -> Record {
    Record { value: Some(value.into()), timestamp: 1, ..Record::default() }
}

#[test]
fn another_topology_is_refused_while_members_are_there_and_taken_on_when_they_are_gone() {
    let (bootstrap, client) = client(&["shared.in", "shared.more", "shared.out"]);
    let (first, second) = (at(&manifest("shared", "in", "")), at(&manifest("shared", "more", "")));
    let host = Host::run(first.path(), &bootstrap, &[]);
    client.produce("shared.in", &[record("1")]);
    let positions = client.positions("shared");
    await_that("the first app runs", || positions.find("shared.in", 0) == Some(1));
    let refused = ["error[MS-R013]", "app shared", "subtopology 0 reads shared.more instead of shared.in", "help: "];
    Host::until_end(second.path(), &bootstrap).says(&refused);
    client.produce("shared.in", &[record("2")]);
    await_that("the first app goes on", || positions.find("shared.in", 0) == Some(2));
    assert_eq!(host.stop().code, Some(0));
    client.produce("shared.more", &[record("3")]);
    let ended = Host::until_end(second.path(), &bootstrap);
    assert_eq!((ended.code, ended.count("records")), (Some(0), Some(1)), "{}", ended.log);
    assert!(ended.log.contains("the topology is another than before: subtopology 0 reads"), "{}", ended.log);
}

#[test]
fn the_same_topology_with_another_plugin_and_other_policies_shares_the_tasks() {
    let (bootstrap, client) = client(&["rolled.in"]);
    let before = at(&counts("rolled", true, "long"));
    let after = at(&format!("{}[guarantee]\ncommit-interval = \"50ms\"\n", counts("rolled", false, "long")));
    let host = Host::run(before.path(), &bootstrap, &[]);
    client.produce("rolled.in", &[record("word")]);
    let positions = client.positions("rolled");
    await_that("the first process runs", || positions.find("rolled.in", 0) == Some(1));
    let next = Host::run(after.path(), &bootstrap, &[]);
    await_that("the second process runs", || next.log().contains("running; Ctrl-C"));
    assert_eq!(host.stop().code, Some(0));
    client.produce("rolled.in", &[record("word")]);
    await_that("the second process has the tasks", || positions.find("rolled.in", 0) == Some(2));
    let ended = next.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn what_another_topology_left_is_neither_misread_nor_forgotten() {
    let (bootstrap, client) = client(&["left.in"]);
    let app = at(&counts("left", true, "long"));
    client.produce("left.in", &[record("word")]);
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    // Another data directory knows nothing of the store: only the group does.
    let other = at(&counts("left", true, "text"));
    Host::until_end(other.path(), &bootstrap).says(&["error[MS-R010]", "count long"]);
    client.produce("left-by-word-repartition", &[record("word")]);
    let other = at(&manifest("left", "in", "").replace("left.out", "left.in"));
    Host::until_end(other.path(), &bootstrap).says(&["error[MS-R014]", "does not read it"]);
}

#[test]
fn a_copy_older_than_its_changelog_keeps_deletions_is_read_anew() {
    let (bootstrap, client) = client(&["old.in"]);
    client.create("old-counts-changelog", 1, &[("cleanup.policy", "compact"), ("delete.retention.ms", "0")]);
    let app = at(&counts("old", true, "long"));
    client.produce("old.in", &[record("word")]);
    let until_end = || Host::until_end(app.path(), &bootstrap);
    assert_eq!(until_end().code, Some(0));
    let ended = until_end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("read anew: deletions that it has not seen"), "{}", ended.log);
}

#[test]
fn a_topology_with_fewer_tasks_than_before_works_on_its_own() {
    let (bootstrap, client) = client(&["fewer.in", "fewer.out"]);
    client.produce("fewer.in", &[record("word")]);
    let (before, after) = (at(&counts("fewer", true, "long")), at(&manifest("fewer", "in", "")));
    assert_eq!(Host::until_end(before.path(), &bootstrap).code, Some(0));
    assert_eq!(client.topics().get("fewer-tasks"), Some(&2));
    client.produce("fewer.in", &[record("again")]);
    let ended = Host::until_end(after.path(), &bootstrap);
    assert_eq!((ended.code, ended.count("records")), (Some(0), Some(1)), "{}", ended.log);
}

#[test]
fn of_two_topologies_that_start_at_once_one_is_left_at_most() {
    let (bootstrap, _client) = client(&["race.in", "race.more", "race.out"]);
    let apps = [at(&manifest("race", "in", "")), at(&manifest("race", "more", ""))];
    for _ in 0..STARTS {
        let mut hosts: Vec<Host> = apps.iter().map(|app| Host::run(app.path(), &bootstrap, &[])).collect();
        let (place, refused) = await_some("one is refused", || {
            hosts.iter_mut().enumerate().find_map(|(place, host)| Some((place, host.ended()?)))
        });
        refused.says(&["error[MS-R013]"]);
        let other = hosts.remove(1 - place).stop();
        // Each may have seen the other.
        if other.code != Some(0) {
            other.says(&["error[MS-R013]"]);
        }
    }
}

#[test]
fn an_app_that_keeps_something_refuses_partitions_that_were_added() {
    let (bootstrap, client) = client(&["wider.in"]);
    let rows = "[node.rows]\nop = \"table\"\ntopic = \"wider.in\"\nstore = \"rows\"\nchangelog = true\n";
    let app = at(&format!("manifest = 1\napp = \"wider\"\n{rows}"));
    client.produce("wider.in", &[Record { key: Some(b"key".to_vec()), ..record("row") }]);
    assert_eq!(Host::until_end(app.path(), &bootstrap).code, Some(0));
    client.grow("wider.in", 2);
    let refused = ["error[MS-R009]", "wider-rows-changelog has 1 partition", "help: "];
    Host::until_end(app.path(), &bootstrap).says(&refused);
}
