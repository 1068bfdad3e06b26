//! Apps that begin where their inputs end (`auto-offset-reset = "latest"`): each task commits where it begins when it is
//! opened, and nothing but that.

use super::place::{Ended, Place, has_ended};
use super::point::{Phase, Point, at};
use super::round::Round;
use crate::await_that;
use crate::broker::Broker;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

/// Where the app is killed while it opens its tasks: few passages, as every start finds fewer to be opened.
const OPENING: [Point; 4] = [
    at("kafka-before-end", Phase::Work, 3),
    at("kafka-after-end", Phase::Work, 3),
    at("kafka-before-state", Phase::Work, 3),
    at("task-assembled", Phase::Work, 4),
];
/// Where it is killed at work.
const WORKING: [Point; 4] = [
    at("kafka-before-offsets", Phase::Work, 3),
    at("kafka-before-end", Phase::Work, 3),
    at("kafka-after-end", Phase::Work, 3),
    at("committed", Phase::Work, 3),
];
/// Things that must have been compared at the end, where half of the tape was to be read.
const COMPARED_MIN: u64 = 5_000;

#[test]
fn what_was_there_before_is_never_read_and_all_else_once() {
    let app = format!("latest-{}", super::seed());
    let mut round = Round::at_the_end(&Broker::shared().bootstrap(), &app, super::seed(), COMPARED_MIN);
    round.fill_part(1, 2);
    for point in &OPENING {
        assert!(round.kill(point), "{:?}", round.violations);
    }
    round.catch_up();
    round.fill_part(2, 2);
    for point in &WORKING {
        assert!(round.kill(point), "{:?}", round.violations);
    }
    round.finish();
    assert!(round.violations.is_empty(), "{:#?}", round.violations);
}

/// Tasks of the app, and partitions of the tape's topics; the first task reads two.
const TASKS: u64 = 17;
const PLACES: u64 = 13;
const OF_THE_FIRST: u64 = 2;
/// Parts of its input: the first is there before, and the second is being worked on.
const PARTS: usize = 4;
/// How long the broker may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// An open transaction with an offset of the group: until it ends nobody is told where the partition is read on. So it is
/// when somebody dies in the midst of committing where a task begins.
fn undecided(bootstrap: &str, place: &Place, topic: &str) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", &place.app);
    let consumer: BaseConsumer = config.create().expect("a client");
    config.remove("group.id");
    config.set("transactional.id", format!("somebody-{}", place.app));
    let producer: BaseProducer = config.create().expect("a client");
    producer.init_transactions(ANSWER).expect("the broker answers");
    producer.begin_transaction().expect("a transaction begins");
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&format!("{}.{topic}", place.app), 0, Offset::Offset(1)).expect("an offset");
    let group = consumer.group_metadata().expect("a group");
    producer.send_offsets_to_transaction(&offsets, &group, ANSWER).expect("the group takes it");
    producer
}

/// A task that finds its place late, while others of its worker have sent what they wrote: what they wrote must not be
/// committed with the place.
#[test]
fn a_task_that_is_opened_late_commits_nothing_of_the_others() {
    let (seed, bootstrap) = (super::seed(), Broker::shared().bootstrap());
    let mut place = Place::new(&bootstrap, &format!("late-place-{seed}"), seed);
    place.workers = 1;
    place.begin_at_the_end();
    place.fill(1, PARTS);
    let somebody = undecided(&bootstrap, &place, "lines");
    let at = format!("task-assembled:{TASKS}");
    let mut host = place.start_in(0, &[], &[("MILLSTREAM_KILL_AT", &at), ("MILLSTREAM_TURN_ROWS", "1")]);
    await_that("all other tasks are open", || place.left().places == PLACES - OF_THE_FIRST || has_ended(&mut host));
    place.fill(2, PARTS);
    let filled = place.left().text;
    await_that("the others work", || place.left().text < filled || has_ended(&mut host));
    assert!(!has_ended(&mut host), "INVALID: it ended before the last task opened: {}", place.said(0));
    somebody.abort_transaction(ANSWER).expect("the transaction ends");
    assert_eq!(place.end(host), Ended::Killed);
    let left = place.left();
    assert!(left.places == PLACES && left.text > 0, "INVALID: nothing was left to do when it opened: {left:?}");
    (3..=PARTS).for_each(|part| place.fill(part, PARTS));
    let verdict = place.verify(1, &["--latest", "--any-order"], 1);
    assert!(verdict.failures.is_empty(), "after the kill: {:#?}", verdict.failures);
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    let verdict = place.verify(1, &["--latest", "--any-order", "--finished"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "at the end: {:#?}", verdict.failures);
}
