//! `topic` on a cluster.

use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record, send};
use rdkafka::producer::Producer;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// `millstream topic` with these arguments, in a directory.
pub(crate) fn topic(at: &Path, arguments: &[&str]) -> Command {
    millstream(at, &[&["topic"], arguments].concat())
}

/// `millstream` with these arguments, in a directory.
pub(crate) fn millstream(at: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.args(arguments).current_dir(at);
    for name in ["RUST_LOG", "MILLSTREAM_DATA_DIR", "MILLSTREAM_KAFKA", "MILLSTREAM_CONFIG"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it, with lines to read.
pub(crate) fn finish(mut command: Command, lines: &str) -> Said {
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("it reads");
    let done = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Said { code: done.status.code(), out: text(done.stdout), err: text(done.stderr) }
}

/// A command on the shared broker, in a directory without data.
fn ran(arguments: &[&str], lines: &str) -> Said {
    let at = tempfile::tempdir().expect("a directory");
    let bootstrap = Broker::shared().bootstrap();
    let said = finish(topic(at.path(), &[arguments, &["--kafka", &bootstrap]].concat()), lines);
    assert!(!at.path().join(".millstream").exists(), "a cluster's topics need no data directory");
    said
}

#[track_caller]
fn prints(arguments: &[&str]) -> String {
    let said = ran(arguments, "");
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.out
}

#[track_caller]
fn fails(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}{}", said.out, said.err);
    for word in words {
        assert!(said.err.contains(word), "it does not say {word:?} but {}", said.err);
    }
}

#[test]
fn topics_are_made_listed_described_and_deleted() {
    let client = Client::to(&Broker::shared().bootstrap());
    let made = prints(&["create", "made", "--partitions", "2", "--retention", "7d", "--retention-bytes", "5000"]);
    assert_eq!(made, "made made with 2 partitions\n");
    let settings = client.settings("made");
    let there = ["retention.ms", "retention.bytes", "cleanup.policy"].map(|name| settings[name].as_str());
    assert_eq!(there, ["604800000", "5000", "delete"]);
    prints(&["create", "made-too", "--compact"]);
    assert_eq!(client.settings("made-too")["cleanup.policy"], "compact");
    fails(&ran(&["create", "made"], ""), 1, &["error[MS-C017]", "2 partitions", "help: "]);
    // What a group commits makes Kafka's own topic, which is not listed.
    client.positions("nobody").find("made", 0);
    await_that("there is a topic of Kafka's own", || client.all_topics().contains_key("__consumer_offsets"));
    let listed = prints(&["list", "--json"]);
    assert!(listed.contains("{\"topic\":\"made\",\"partitions\":2,\"records\":0}\n"), "{listed}");
    assert!(!listed.contains("__consumer_offsets"), "{listed}");
    let record = Record { partition: 1, value: Some(b"v".to_vec()), timestamp: 1, ..Record::default() };
    client.produce("made", &[record]);
    let described = "\
topic            made
cleanup.policy   delete
retention.ms     604800000
retention.bytes  5000

PARTITION  START  END  RECORDS
0          0      0    0
1          0      1    1
";
    assert_eq!(prints(&["describe", "made"]), described);
    fails(&ran(&["describe", "maed"], ""), 1, &["error[MS-C003]", "did you mean \"made\"?"]);
    let dry = prints(&["delete", "made", "made-too"]);
    assert!(dry.starts_with("would delete made with 2 partitions and 1 record\n") && dry.contains("--yes"), "{dry}");
    assert!(client.topics().contains_key("made"));
    fails(&ran(&["delete", "made", "unmade", "--yes"], ""), 1, &["error[MS-C003]", "unmade"]);
    assert!(client.topics().contains_key("made"), "all or none");
    prints(&["delete", "made", "made-too", "--yes"]);
    await_that("the topics are gone", || !client.topics().keys().any(|name| name == "made" || name == "made-too"));
}

#[test]
fn what_is_appended_is_printed_from_where_it_is_asked_for() {
    let client = Client::to(&Broker::shared().bootstrap());
    client.create("lines", 2, &[]);
    let append = |arguments: &[&str], lines: &str| {
        let said = ran(&[&["produce", "lines"], arguments].concat(), lines);
        assert_eq!(said.code, Some(0), "{}", said.err);
    };
    append(&["-K", ":", "-p", "1", "-T", "2000"], "a:1\nb:2\n");
    append(&["-k", "x", "-H", "h=1", "-p", "0", "-T", "1000", "-Z"], "v\n\n");
    let all = [
        "1000 lines-0@0 x=v [h=1]\n",
        "1000 lines-0@1 x=NULL [h=1]\n",
        "2000 lines-1@0 a=1 []\n",
        "2000 lines-1@1 b=2 []\n",
    ];
    let shown = |arguments: &[&str]| {
        prints(&[&["consume", "lines", "-Z", "-f", r"%T %t-%p@%o %k=%s [%h]\n"], arguments].concat())
    };
    assert_eq!(shown(&[]), all.concat());
    assert_eq!(shown(&["-p", "1", "-o", "-1"]), all[3]);
    assert_eq!(shown(&["-p", "0", "--to", "1"]), all[0]);
    assert_eq!(shown(&["-o", "@1500"]), all[2..].concat());
    assert_eq!(shown(&["-p", "0", "-c", "1"]), all[0]);
    assert_eq!(shown(&["-o", "end"]), "");
    // Without a partition, keys go where Java's clients send them.
    append(&["-K", ":"], "k1:v\n");
    let sent = client.read("lines", Isolation::Committed).into_iter().find(|record| record.key == Some(b"k1".to_vec()));
    let wanted = millstream::record::partition_for(Some(b"k1"), millstream::record::Partition::new(0), 2);
    assert_eq!(sent.map(|record| record.partition), Some(wanted.get()));
}

#[test]
fn what_is_not_committed_is_not_printed() {
    let client = Client::to(&Broker::shared().bootstrap());
    client.create("committed", 1, &[]);
    let producer = client.transactional("topic-consume");
    let write = |value: &str| {
        producer.begin_transaction().expect("a transaction begins");
        let record = Record { value: Some(value.into()), timestamp: 1, ..Record::default() };
        send(&producer, "committed", &[record]);
        producer.flush(Duration::from_secs(30)).expect("the broker takes the record");
    };
    write("kept");
    producer.commit_transaction(None).expect("a transaction ends");
    write("aborted");
    producer.abort_transaction(None).expect("a transaction ends");
    write("open");
    assert_eq!(prints(&["consume", "committed", "-f", r"%o %s\n"]), "0 kept\n");
    producer.commit_transaction(None).expect("a transaction ends");
    client.await_stable("committed");
    assert_eq!(prints(&["consume", "committed", "-f", r"%o %s\n"]), "0 kept\n4 open\n");
}

#[test]
fn a_follower_sees_what_comes() {
    let (bootstrap, at) = (Broker::shared().bootstrap(), tempfile::tempdir().expect("a directory"));
    let client = Client::to(&bootstrap);
    client.create("followed", 1, &[]);
    // The cluster may as well be named by the environment.
    let mut command = topic(at.path(), &["consume", "followed", "--follow", "-f", r"%s\n"]);
    let mut follower = Killed(command.env("MILLSTREAM_KAFKA", &bootstrap).spawn().expect("it starts"));
    let mut lines = BufReader::new(follower.0.stdout.take().expect("it is piped")).lines();
    for value in ["one", "two"] {
        let record = Record { value: Some(value.into()), timestamp: 1, ..Record::default() };
        client.produce("followed", &[record]);
        assert_eq!(lines.next().expect("it goes on").expect("text"), value);
    }
}

/// A child that ends with its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        if std::thread::panicking() {
            let mut said = String::new();
            let _ = self.0.stderr.take().map(|mut pipe| pipe.read_to_string(&mut said));
            eprintln!("it said:\n{said}");
        }
    }
}

#[test]
fn what_cannot_be_appended_is_told_and_makes_no_topic() {
    let client = Client::to(&Broker::shared().bootstrap());
    fails(&ran(&["produce", "a-slip"], "v\n"), 1, &["error[MS-C003]", "a-slip", "help: "]);
    assert!(!client.topics().contains_key("a-slip"));
    client.create("narrow", 1, &[("max.message.bytes", "100")]);
    let large = format!("{}\n", "1".repeat(500));
    fails(
        &ran(&["produce", "narrow"], &large),
        1,
        &["error[MS-T020]", "narrow-0", "MessageSizeTooLarge", "max.message.bytes", "help: "],
    );
    fails(&ran(&["produce", "narrow", "-p", "1"], "v\n"), 2, &["error[MS-C008]", "help: "]);
    let at = tempfile::tempdir().expect("a directory");
    let nobody = finish(topic(at.path(), &["list", "--kafka", "127.0.0.1:1"]), "");
    fails(&nobody, 1, &["error[MS-T024]: ", "127.0.0.1:1", "help: "]);
}
