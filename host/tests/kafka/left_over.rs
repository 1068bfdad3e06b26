//! What waits in the topic that counts of another form read is processed before this form runs, and what only looks so,
//! because it has offsets, keeps nobody from running.

use crate::broker::Broker;
use crate::client::{Client, Record, send};
use crate::host::Host;
use crate::words;
use rdkafka::producer::Producer;

/// The topic of groups that are counted where they are read.
const PLAIN: &str = "waits-by-word-repartition";

#[test]
fn records_wait_in_another_forms_topic_but_not_the_ends_of_transactions() {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    [PLAIN, "waits.in"].iter().for_each(|topic| client.create(topic, 1, &[]));
    let app = words::at(&words::counting("waits", true, "emit = \"on-commit\"\n"));
    let record = || Record { value: Some(b"word".to_vec()), timestamp: 1, ..Record::default() };
    let producer = client.transactional("waits");
    producer.begin_transaction().expect("a transaction begins");
    send(&producer, PLAIN, &[record()]);
    producer.flush(crate::PATIENCE).expect("it is flushed");
    producer.abort_transaction(crate::PATIENCE).expect("it is aborted");
    client.await_stable(PLAIN);
    let until_end = || Host::until_end(app.path(), &bootstrap);
    let ended = until_end();
    assert_eq!(ended.code, Some(0), "an aborted record and a mark are no records: {}", ended.log);
    client.produce(PLAIN, &[record()]);
    until_end().says(&["error[MS-R030]", PLAIN]);
}
