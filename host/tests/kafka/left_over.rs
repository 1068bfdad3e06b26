//! What waits in the topic that counts of another form read is processed before this form runs, and what only looks so,
//! because it has offsets, keeps nobody from running.

use crate::broker::Broker;
use crate::client::{Client, Record, send};
use crate::guests;
use crate::host::Host;
use rdkafka::producer::Producer;
use std::path::Path;

/// The topic of groups that are counted where they are read.
const PLAIN: &str = "waits-by-word-repartition";

const APP: &str = r#"manifest = 1
app = "waits"
[plugin.words]
component = "words.wasm"
params = { lower-case = true }
[node.lines]
op = "stream"
topic = "waits.in"
[node.by-word]
op = "group-by"
from = "lines"
call = "words.word-as-key"
[node.counts]
op = "count"
from = "by-word"
emit = "on-commit"
"#;

#[test]
fn records_wait_in_another_forms_topic_but_not_the_ends_of_transactions() {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    [PLAIN, "waits.in"].iter().for_each(|topic| client.create(topic, 1, &[]));
    let app = tempfile::tempdir().expect("a directory");
    write(app.path());
    let record = || Record { value: Some(b"word".to_vec()), timestamp: 1, ..Record::default() };
    let producer = client.transactional("waits");
    producer.begin_transaction().expect("a transaction begins");
    send(&producer, PLAIN, &[record()]);
    producer.flush(crate::PATIENCE).expect("it is flushed");
    producer.abort_transaction(crate::PATIENCE).expect("it is aborted");
    client.await_stable(PLAIN);
    let until_end = || Host::run(app.path(), &bootstrap, &["--until-end"]).end();
    let ended = until_end();
    assert_eq!(ended.code, Some(0), "an aborted record and a mark are no records: {}", ended.log);
    client.produce(PLAIN, &[record()]);
    let ended = until_end();
    assert_eq!(ended.code, Some(1), "{}", ended.log);
    assert!(ended.log.contains("error[MS-R030]") && ended.log.contains(PLAIN), "{}", ended.log);
}

fn write(at: &Path) {
    std::fs::copy(guests::built("words"), at.join("words.wasm")).expect("the plugin is copied");
    std::fs::write(at.join("millstream.toml"), APP).expect("a manifest can be written");
}
