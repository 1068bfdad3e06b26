//! At-least-once under kills of the process and of the broker: no record is lost, and what is repeated is repeated in order.

use crate::bad_input::copies;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::host::Host;
use std::path::Path;

const PARTITIONS: i32 = 4;
/// Records that are put in before each kill.
const PIECE: usize = 4_000;
/// Where the host is killed: with records sent and flushed and their offsets not committed, a moment later, with records
/// sent, and with records read.
const KILLS: [&str; 5] = [
    "kafka-plain-before-offsets:1",
    "kafka-plain-before-offsets:2:1000",
    "sent:20",
    "kafka-plain-before-offsets:2",
    "fetched:9",
];

fn piece(number: usize) -> Vec<Record> {
    let record = |number: usize| Record {
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a partition")]
        partition: (number % PARTITIONS as usize) as i32,
        value: Some(number.to_string().into_bytes()),
        timestamp: 1,
        ..Record::default()
    };
    (number * PIECE..(number + 1) * PIECE).map(record).collect()
}

fn run(at: &Path, bootstrap: &str, kill: &str) -> Host {
    let reached = at.join(format!("reached-{}", kill.replace(':', "-"))).display().to_string();
    let environment =
        [("MILLSTREAM_KILL_AT", kill), ("MILLSTREAM_TURN_ROWS", "8"), ("MILLSTREAM_KILL_LOG", reached.as_str())];
    Host::run_in(at, bootstrap, &["--until-end", "--config", "host.toml"], &environment)
}

/// Goes through a partition's records. Says how many there were of each of its numbers, which come one after the other and
/// from an earlier one on.
fn repeats(records: &[Record], partition: i32) -> usize {
    #[expect(clippy::cast_sign_loss, reason = "a partition")]
    let (first, step) = (partition as usize, PARTITIONS as usize);
    let (mut due, mut repeated) = (first, 0);
    for record in records.iter().filter(|record| record.partition == partition) {
        let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
        let number: usize = text.parse().expect("a number");
        assert!(number <= due, "{partition}: {number} follows, and {due} is due");
        if number == due { due += step } else { repeated += 1 }
    }
    assert_eq!(due, first + step * (PIECE * (KILLS.len() + 1) / step), "{partition}: not all are there");
    repeated
}

#[test]
fn at_least_once_loses_nothing() {
    let mut broker = Broker::start(1, &[]);
    let often = "[guarantee]\nprocessing = \"at-least-once\"\ncommit-interval = \"20ms\"\n";
    let (bootstrap, directory) = (broker.bootstrap(), copies("loose", often));
    let client = Client::to(&bootstrap);
    ["in", "out"].iter().for_each(|topic| client.create(&format!("loose.{topic}"), PARTITIONS, &[]));
    let soon = "[transport.kafka]\nsession-timeout = \"1s\"\n";
    std::fs::write(directory.path().join("host.toml"), soon).expect("a configuration can be written");
    for (number, kill) in KILLS.iter().enumerate() {
        client.produce("loose.in", &piece(number));
        let ended = run(directory.path(), &bootstrap, kill).end();
        assert_eq!(ended.code, None, "INVALID: {kill} was not reached: {}", ended.log);
    }
    client.produce("loose.in", &piece(KILLS.len()));
    let host = run(directory.path(), &bootstrap, "sent:10:stop");
    crate::await_that("it is at work", || directory.path().join("reached-sent-10-stop").exists());
    broker.kill(1);
    broker.restart(1);
    host.signal(rustix::process::Signal::CONT);
    let ended = host.end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let records = client.read("loose.out", Isolation::Committed);
    let repeated: usize = (0..PARTITIONS).map(|partition| repeats(&records, partition)).sum();
    println!("{} records, {repeated} of them repeated", records.len());
    assert!(repeated > 0, "INVALID: no kill came between records and their offsets");
}
