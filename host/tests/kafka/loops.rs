//! Records on which a plugin loops are found by calls that run into their deadlines. That may take longer than a transaction
//! may be open.

use crate::await_some_within;
use crate::bad_input::values;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::guests;
use crate::host::Host;
use std::time::Duration;

/// Bad records among as many good ones: to find them takes some twenty calls of half a second, and a transaction is open for
/// ten seconds.
const LOOPS: usize = 8;
/// How long all of it may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(180);

const MANIFEST: &str = r#"manifest = 1
app = "loops"
[plugin.p]
component = "hostile.wasm"
[errors]
dead-letter-topic = "loops.dead"
[node.lines]
op = "stream"
topic = "loops.in"
[node.obey]
op = "map-values"
from = "lines"
call = "p.obey"
[node.out]
op = "to"
from = "obey"
topic = "loops.out"
"#;

fn record(partition: i32, value: &str) -> Record {
    Record { partition, value: Some(value.into()), timestamp: 1, ..Record::default() }
}

#[test]
fn finding_records_may_take_longer_than_a_transaction_may_be_open() {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    [("loops.in", 2), ("loops.out", 2), ("loops.dead", 1)]
        .iter()
        .for_each(|(topic, partitions)| client.create(topic, *partitions, &[]));
    let mut bad: Vec<Record> = Vec::new();
    for number in 0..LOOPS {
        bad.extend([record(1, &format!("fine {number}")), record(1, "loop")]);
    }
    let good: Vec<Record> = (0..LOOPS).map(|number| record(0, &format!("good {number}"))).collect();
    // The good ones are sent first, in the transaction that the bad ones would hold open.
    client.produce("loops.in", &good);
    client.produce("loops.in", &bad);
    let app = tempfile::tempdir().expect("a directory");
    std::fs::copy(guests::built("hostile"), app.path().join("hostile.wasm")).expect("the plugin is copied");
    std::fs::write(app.path().join("millstream.toml"), MANIFEST).expect("a manifest");
    let host = Host::run(app.path(), &bootstrap, &[]);
    let letters = || Some(client.read("loops.dead", Isolation::Committed)).filter(|letters| letters.len() >= LOOPS);
    let letters = await_some_within(PATIENCE, "all bad records are found", letters);
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(letters.len(), LOOPS);
    let mut out = values(&client, "loops.out");
    out.sort_unstable();
    let expected = ["fine", "good"].map(|kind| (0..LOOPS).map(move |number| format!("{kind} {number}")));
    assert_eq!(out, expected.into_iter().flatten().collect::<Vec<_>>());
}
