//! The verifier and the proxy of `tests/verifier`: programs of their own, in another language and with another client.

use crate::broker::{Broker, scripts};
use crate::client::{Client, Isolation, Record, send};
use crate::proxy::{Proxy, program};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use std::time::Duration;

/// How long a client waits for one answer before the test fails.
const ANSWER: Duration = Duration::from_secs(30);

/// A test in Python against a broker: it says itself what failed.
fn passes(name: &str) {
    let mut command = program(name);
    command.arg(Broker::shared().bootstrap()).arg(scripts().join("cli"));
    assert!(command.status().expect("python3 is there; run make setup").success(), "{name} failed");
}

#[test]
fn the_verifiers_client_agrees_with_kafkas_tools() {
    passes("on_broker.py");
}

#[test]
fn the_proxy_does_what_it_is_told() {
    passes("proxy_on_broker.py");
}

fn record(value: &str) -> Record {
    Record { value: Some(value.into()), timestamp: 7, ..Record::default() }
}

fn values(client: &Client, topic: &str) -> Vec<String> {
    let records = client.read(topic, Isolation::Committed);
    records.iter().map(|record| String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into()).collect()
}

/// A producer that soon connects and asks again when it was cut off.
fn transactional(proxy: &Proxy, id: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", proxy.bootstrap()).set("transactional.id", id).set("retry.backoff.ms", "5");
    config.set("reconnect.backoff.max.ms", "100");
    let producer: BaseProducer = config.create().expect("a client");
    producer.init_transactions(ANSWER).expect("the broker answers");
    producer
}

/// The reason for which a producer in doubt is made anew: what it asked for may still be on its way.
#[test]
fn librdkafka_commits_half_a_transaction_when_the_end_of_the_one_before_comes_late() {
    let client = Client::to(&Broker::shared().bootstrap());
    client.create("late-end", 1, &[]);
    let mut proxy = Proxy::before(Broker::shared());
    proxy.order("hold-end-txn late-* nth=2 close");
    let producer = transactional(&proxy, "late-1");
    for value in ["one", "two"] {
        producer.begin_transaction().expect("a transaction begins");
        send(&producer, "late-end", &[record(value)]);
        // The second one's end is held; librdkafka asks again by itself, and is told that it is done.
        producer.commit_transaction(ANSWER).expect("a transaction ends");
    }
    let held = proxy.told("held");
    assert_eq!((held["id"].as_str(), held["transaction"].as_u64()), (Some("late-1"), Some(2)));
    producer.begin_transaction().expect("a transaction begins");
    send(&producer, "late-end", &[record("half")]);
    producer.flush(ANSWER).expect("the broker takes the record");
    // No error: the broker took it for the end of the open transaction.
    assert_eq!(proxy.told("released")["error"].as_i64(), Some(0));
    let _ = producer.abort_transaction(ANSWER);
    assert_eq!(values(&client, "late-end"), ["one", "two", "half"]);
}

#[test]
fn librdkafka_stays_behind_the_proxy_when_its_connections_are_dropped() {
    let client = Client::to(&Broker::shared().bootstrap());
    client.create("dropped", 1, &[]);
    let mut proxy = Proxy::before(Broker::shared());
    proxy.order("drop-end-txn-answer dropped-* every=3 close");
    let producer = transactional(&proxy, "dropped-1");
    let wanted: Vec<String> = (0..9).map(|number| number.to_string()).collect();
    for value in &wanted {
        producer.begin_transaction().expect("a transaction begins");
        send(&producer, "dropped", &[record(value)]);
        producer.flush(ANSWER).expect("the broker takes the record");
        proxy.order("drop-connections");
        producer.commit_transaction(ANSWER).expect("a transaction ends");
    }
    let status = proxy.order("status");
    assert_eq!(status["transactions"]["dropped-1"].as_u64(), Some(9), "{status}");
    assert_eq!(status["counts"]["dropped"].as_u64(), Some(3), "{status}");
    assert!(proxy.passed("dropped").iter().all(|told| told["commits"] == true && told["error"] == 0));
    assert_eq!(values(&client, "dropped"), wanted);
}
