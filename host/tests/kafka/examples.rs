//! Every example writes to Kafka what it writes to the embedded log.

use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::guests;
use crate::host::Host;
use millstream::topology::Manifest;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// There are so many examples at least: one that moved away would be missed.
const EXAMPLES_MIN: usize = 3;

/// Records of a topic: lengths of keys and values, their bytes in hexadecimal digits, and headers.
type Topics = BTreeMap<String, String>;

#[test]
fn every_example_writes_the_same_to_both_transports() {
    let examples = std::fs::read_dir(repository().join("examples")).expect("the examples can be read");
    let examples = examples.map(|entry| entry.expect("the examples can be read").path());
    let examples: Vec<PathBuf> = examples.filter(|path| path.join("millstream.toml").exists()).collect();
    assert!(examples.len() >= EXAMPLES_MIN, "{examples:?}");
    // Of their own: whatever topic is new is the example's.
    let broker = Broker::start(1, &[]);
    for example in examples {
        let name = example.file_name().expect("a name").to_string_lossy().into_owned();
        let (here, there) = (on_the_embedded_log(&example, &name), on_kafka(&example, &name, &broker));
        assert!(here.values().map(|records| records.lines().count()).sum::<usize>() > 0, "{name} writes nothing");
        assert_eq!(there, here, "{name}");
        println!("example {name} ... ok ({} topics)", here.len());
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A directory of its own with all that the example needs.
fn copied(example: &Path, name: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let into = |from: &Path, name: &str| std::fs::copy(from, directory.path().join(name));
    into(&guests::built(name), &format!("{name}.wasm")).expect("the plugin is copied");
    for file in ["millstream.toml", "input.txt"] {
        into(&example.join(file), file).expect("an example has a manifest and an input");
    }
    directory
}

fn manifest(at: &Path) -> Manifest {
    let text = std::fs::read_to_string(at.join("millstream.toml")).expect("a manifest");
    Manifest::parse(&text).expect("the manifest is sound")
}

/// The argument that feeds the input to the first source, and the topics that the manifest names.
fn fed(manifest: &Manifest) -> (String, BTreeSet<String>) {
    let topic = |name: &str| manifest.nodes.iter().find(|node| node.name == name)?.fields.get("topic")?.0.as_str();
    let source = manifest.nodes.first().expect("a node");
    let named = manifest.nodes.iter().filter_map(|node| topic(&node.name));
    let letters = manifest.settings.dead_letter_topic.iter().map(millstream::record::Topic::as_str);
    (format!("{}=input.txt", source.name), named.chain(letters).map(str::to_owned).collect())
}

fn on_the_embedded_log(example: &Path, name: &str) -> Topics {
    let directory = copied(example, name);
    let (input, _) = fed(&manifest(directory.path()));
    let millstream = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        let done = command.current_dir(directory.path()).args(arguments).output().expect("the host starts");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    millstream(&["run", "--input", &input, "--until-end"]);
    let topics = millstream(&["topic", "list"]);
    let topics =
        topics.lines().skip(1).filter_map(|line| line.split_whitespace().next()).filter(|topic| is_output(topic));
    let read = |topic| millstream(&["topic", "consume", topic, "-s", "hex", "-f", "%K:%k %S:%s [%h]\\n"]);
    topics.map(|topic| (topic.to_owned(), read(topic))).collect()
}

fn on_kafka(example: &Path, name: &str, broker: &Broker) -> Topics {
    let directory = copied(example, name);
    let client = Client::to(&broker.bootstrap());
    let before = client.topics();
    let (input, topics) = fed(&manifest(directory.path()));
    topics.iter().for_each(|topic| client.create(topic, 1, &[]));
    let ended = Host::run(directory.path(), &broker.bootstrap(), &["--input", &input, "--until-end"]).end();
    assert_eq!(ended.code, Some(0), "{name}: {}", ended.log);
    let made = client.topics().into_keys().filter(|topic| !before.contains_key(topic) && is_output(topic));
    made.map(|topic| (topic.clone(), records(&client, &topic))).collect()
}

/// Topics that an app makes for itself are no output of it, and how they are kept differs between transports.
fn is_output(topic: &str) -> bool {
    !["-changelog", "-repartition", "-tasks"].iter().any(|end| topic.ends_with(end))
}

fn records(client: &Client, topic: &str) -> String {
    client.await_stable(topic);
    let mut text = String::new();
    for Record { key, value, headers, .. } in client.read(topic, Isolation::Committed) {
        let cell = |cell: Option<Vec<u8>>| match cell {
            Some(bytes) => bytes.iter().fold(format!("{}:", bytes.len()), |digits, byte| format!("{digits}{byte:02x}")),
            None => "-1:".to_owned(),
        };
        let header = |(name, value): (String, Option<Vec<u8>>)| {
            format!("{name}={}", String::from_utf8_lossy(value.as_deref().unwrap_or(b"NULL")))
        };
        let headers: Vec<String> = headers.into_iter().map(header).collect();
        writeln!(text, "{} {} [{}]", cell(key), cell(value), headers.join(",")).expect("text grows");
    }
    text
}
