//! Topics that an app makes for itself are kept as it needs them, whoever made them.

use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation};
use crate::host::{Ended, Host};
use crate::keys;
use crate::standby::numbered;
use std::path::Path;

/// A directory with a manifest.
fn directory(manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("millstream.toml"), manifest).expect("a manifest");
    directory
}

fn until_end(at: &Path) -> Ended {
    Host::until_end(at, &Broker::shared().bootstrap())
}

#[test]
fn topics_of_an_app_are_made_as_it_needs_them_whatever_the_brokers_do_by_default() {
    let by_default = ["log.retention.ms=604800000", "log.retention.bytes=1000000", "log.cleanup.policy=compact,delete"];
    let broker = Broker::start(3, &by_default);
    let client = Client::to(&broker.bootstrap());
    await_that("three nodes find each other", || client.nodes() == 3);
    client.create("made.in", 1, &[]);
    let app = directory(&keys::counting("made", "made.in"));
    std::fs::write(app.path().join("host.toml"), "[transport.kafka]\nreplication-factor = 2\n").expect("a file");
    let ended = Host::run(app.path(), &broker.bootstrap(), &["--config", "host.toml", "--until-end"]).end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    for (topic, wanted) in [
        ("made-counts-changelog", &[("cleanup.policy", "compact")][..]),
        ("made-spread-repartition", &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")]),
        ("made-tasks", &[("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")]),
    ] {
        let settings = client.settings(topic);
        for (name, value) in wanted {
            assert_eq!(settings[*name], *value, "{name} of {topic}");
        }
        let replicas = client.replicas(topic);
        assert!(replicas.iter().all(|number| *number == 2), "{topic}: {replicas:?}");
    }
    assert_eq!(client.replicas("made.in"), [3], "the brokers' default is another one");
}

#[test]
fn a_topic_that_would_lose_what_the_app_needs_is_refused_with_the_setting_that_helps() {
    let client = Client::to(&Broker::shared().bootstrap());
    let (changelog, between) = ("kept-counts-changelog", "kept-spread-repartition");
    client.create("kept.in", 1, &[]);
    let app = directory(&keys::counting("kept", "kept.in"));
    for (topic, there, wanted) in [
        (changelog, ("cleanup.policy", "delete"), "cleanup.policy=compact"),
        // What Kafka Streams keeps windows in; a row without a window has no time at which it may go.
        (changelog, ("cleanup.policy", "compact,delete"), "cleanup.policy=compact"),
        (between, ("cleanup.policy", "compact"), "cleanup.policy=delete"),
        (between, ("cleanup.policy", "compact,delete"), "cleanup.policy=delete"),
        (between, ("retention.ms", "604800000"), "retention.ms=-1"),
        (between, ("retention.bytes", "1000000"), "retention.bytes=-1"),
    ] {
        client.create(topic, 2, &[there]);
        let has = format!("topic {topic} has {}={}", there.0, there.1);
        until_end(app.path()).says(&[
            "error[MS-R012]",
            &has,
            "help: set",
            wanted,
            "kafka-configs.sh",
            "another app name",
        ]);
        let made = client.topics().into_keys().filter(|name| name.starts_with("kept-")).collect::<Vec<_>>();
        assert_eq!(made, [topic], "none is made where one is refused");
        client.delete(topic);
    }
    client.create(changelog, 2, &[("cleanup.policy", "delete")]);
    client.create(between, 2, &[("retention.ms", "604800000")]);
    client.set(changelog, "cleanup.policy", "compact");
    client.set(between, "retention.ms", "-1");
    let ended = until_end(app.path());
    assert_eq!(ended.code, Some(0), "it does what it was told to do: {}", ended.log);
}

#[test]
fn topics_that_are_read_together_must_have_the_same_number_of_partitions() {
    let client = Client::to(&Broker::shared().bootstrap());
    for (topic, partitions) in [("pair.left", 2), ("pair.right", 3), ("pair.out", 1)] {
        client.create(topic, partitions, &[]);
    }
    let merged = "manifest = 1\napp = \"pair\"\n[node.left]\nop = \"stream\"\ntopic = \"pair.left\"\n\
                  [node.right]\nop = \"stream\"\ntopic = \"pair.right\"\n\
                  [node.both]\nop = \"merge\"\nfrom = [\"left\", \"right\"]\n\
                  [node.out]\nop = \"to\"\nfrom = \"both\"\ntopic = \"pair.out\"\n";
    let app = directory(merged);
    let both = "topics pair.left and pair.right are read together but have 2 and 3 partitions";
    until_end(app.path()).says(&["error[MS-R004]", both, "help: give them the same number"]);
    client.grow("pair.left", 3);
    let ended = until_end(app.path());
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

/// The ends of transactions lie in a repartition topic, too, and are no records that are left: Kafka's tools would tell of a
/// lag that never goes.
#[test]
fn nothing_is_left_of_topics_that_were_processed() {
    let (bootstrap, partitions) = (Broker::shared().bootstrap(), 0..2);
    let client = Client::to(&bootstrap);
    client.create("rests.in", 1, &[]);
    client.produce("rests.in", &numbered(0..20, 1));
    // A commit comes before the reader hears that nothing follows.
    let at_once = "[guarantee]\ncommit-interval = \"0ms\"\n";
    let app = directory(&keys::counting("rests", "rests.in").replace("[guarantee]\n", at_once));
    let host = Host::run(app.path(), &bootstrap, &[]);
    // Its topics are there by then.
    await_that("it has its tasks", || host.log().contains("got tasks from the group"));
    let (topic, positions) = ("rests-spread-repartition", client.positions("rests"));
    let end = |number| client.bounds(topic, number, Isolation::Uncommitted).1;
    await_that("all is counted", || partitions.clone().all(|number| end(number) > 0));
    await_that("nothing is left", || {
        partitions.clone().all(|number| positions.find(topic, number) == Some(end(number)))
    });
    assert_eq!(host.stop().code, Some(0));
}
