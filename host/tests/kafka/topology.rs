//! Apps that share a name share tasks: only where their topologies agree.

use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Record};
use crate::guests;
use crate::host::Host;

/// An app that copies `<app>.in` under another node's name, or other topics.
fn manifest(app: &str, input: &str, settings: &str) -> String {
    format!(
        "manifest = 1\napp = \"{app}\"\n{settings}[node.lines]\nop = \"stream\"\ntopic = \"{app}.{input}\"\n[node.out]\nop = \"to\"\nfrom = \"lines\"\ntopic = \"{app}.out\"\n"
    )
}

/// An app that splits and counts words, its store by this name.
fn counts(app: &str, store: &str, lower_case: bool, format: &str) -> String {
    format!(
        r#"manifest = 1
app = "{app}"
[plugin.words]
component = "words.wasm"
params = {{ lower-case = {lower_case} }}
[node.lines]
op = "stream"
topic = "{app}.in"
[node.by-word]
op = "group-by"
from = "lines"
call = "words.word-as-key"
[node.counts]
op = "count"
from = "by-word"
store = "{store}"
changelog = true
emit = "every-update"
format = "{format}"
"#
    )
}

fn at(manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::copy(guests::built("words"), directory.path().join("words.wasm")).expect("the plugin is copied");
    std::fs::write(directory.path().join("millstream.toml"), manifest).expect("a manifest can be written");
    directory
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
    let ended = Host::run(second.path(), &bootstrap, &["--until-end"]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    for words in ["error[MS-R013]", "app shared", "subtopology 0 reads shared.more instead of shared.in", "help: "] {
        assert!(ended.log.contains(words), "it does not say {words:?} but {}", ended.log);
    }
    client.produce("shared.in", &[record("2")]);
    await_that("the first app goes on", || positions.find("shared.in", 0) == Some(2));
    assert_eq!(host.stop().code, Some(0));
    client.produce("shared.more", &[record("3")]);
    let ended = Host::run(second.path(), &bootstrap, &["--until-end"]).end();
    assert_eq!((ended.code, ended.count("records")), (Some(0), Some(1)), "{}", ended.log);
    assert!(ended.log.contains("the topology is another than before: subtopology 0 reads"), "{}", ended.log);
}

#[test]
fn the_same_topology_with_another_plugin_and_other_policies_shares_the_tasks() {
    let (bootstrap, client) = client(&["rolled.in"]);
    let before = at(&counts("rolled", "counts", true, "long"));
    let after = at(&format!("{}[guarantee]\ncommit-interval = \"50ms\"\n", counts("rolled", "counts", false, "long")));
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
    let app = at(&counts("left", "counts", true, "long"));
    client.produce("left.in", &[record("word")]);
    assert_eq!(Host::run(app.path(), &bootstrap, &["--until-end"]).end().code, Some(0));
    // Another data directory knows nothing of the store: only the group does.
    let other = at(&counts("left", "counts", true, "text"));
    let ended = Host::run(other.path(), &bootstrap, &["--until-end"]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("error[MS-R010]") && ended.log.contains("count long"), "{}", ended.log);
    client.produce("left-by-word-repartition", &[record("word")]);
    let other = at(&manifest("left", "in", "").replace("left.out", "left.in"));
    let ended = Host::run(other.path(), &bootstrap, &["--until-end"]).end();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("error[MS-R014]") && ended.log.contains("does not read it"), "{}", ended.log);
}

#[test]
fn a_copy_older_than_its_changelog_keeps_deletions_is_read_anew() {
    let (bootstrap, client) = client(&["old.in"]);
    client.create("old-counts-changelog", 1, &[("cleanup.policy", "compact"), ("delete.retention.ms", "0")]);
    let app = at(&counts("old", "counts", true, "long"));
    client.produce("old.in", &[record("word")]);
    let until_end = || Host::run(app.path(), &bootstrap, &["--until-end"]).end();
    assert_eq!(until_end().code, Some(0));
    let ended = until_end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(ended.log.contains("read anew: deletions that it has not seen"), "{}", ended.log);
}
