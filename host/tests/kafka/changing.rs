//! Topics that change while an app runs on them: those that it writes get partitions, and any of them is deleted.

use crate::bad_input::copies;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::host::{Ended, Host};
use crate::standby::numbered;
use crate::{PATIENCE, await_some_within, await_that};
use millstream::record::{Partition, partition_for};
use std::path::Path;

/// Records that are written at once.
const SOME: usize = 20;

struct App {
    bootstrap: String,
    client: Client,
    name: &'static str,
    at: tempfile::TempDir,
}

impl App {
    /// An app that copies a topic of one partition into another.
    fn new(name: &'static str) -> Self {
        Self::with(name, "")
    }

    /// The same, with settings.
    fn with(name: &'static str, settings: &str) -> Self {
        let bootstrap = Broker::shared().bootstrap();
        let app = Self { client: Client::to(&bootstrap), bootstrap, name, at: copies(name, settings) };
        [app.input(), app.output()].iter().for_each(|topic| app.client.create(topic, 1, &[]));
        app
    }

    fn input(&self) -> String {
        format!("{}.in", self.name)
    }

    fn output(&self) -> String {
        format!("{}.out", self.name)
    }

    fn run(&self) -> Host {
        Host::run(self.at.path(), &self.bootstrap, &["--workers", "1"])
    }

    fn produce(&self, numbers: std::ops::Range<usize>) {
        self.client.produce(&self.input(), &numbered(numbers, 1));
    }

    /// What was written, in the order of its numbers, which is that in which it was read.
    fn written(&self) -> Vec<(usize, Record)> {
        let records = self.client.read(&self.output(), Isolation::Committed).into_iter();
        let key = |record: &Record| String::from_utf8_lossy(record.key.as_deref().expect("a key")).into_owned();
        let mut records: Vec<_> = records.map(|record| (key(&record).parse().expect("a number"), record)).collect();
        records.sort_by_key(|(number, _)| *number);
        records
    }

    /// Their numbers.
    fn numbers(&self) -> Vec<usize> {
        self.written().into_iter().map(|(number, _)| number).collect()
    }

    fn await_written(&self, count: usize) {
        await_that("all is written", || self.written().len() >= count);
    }
}

/// Whether a record lies where Java's producer puts it in a topic of so many partitions.
fn is_in_place(record: &Record, partitions: i32) -> bool {
    partition_for(record.key.as_deref(), Partition::new(0), partitions).get() == record.partition
}

/// As with Java's producers, which hear of it within five minutes.
#[test]
fn keys_go_to_all_partitions_that_an_output_topic_gets_while_the_app_runs() {
    let app = App::new("widened");
    let host = app.run();
    app.produce(0..SOME);
    app.await_written(SOME);
    app.client.grow(&app.output(), 3);
    let mut produced = SOME;
    let mut is_written = || {
        app.produce(produced..produced + SOME);
        produced += SOME;
        app.await_written(produced);
        app.written()[produced - SOME..].iter().all(|(_, record)| is_in_place(record, 3))
    };
    await_that("keys go to the new partitions", &mut is_written);
    assert!((0..5).all(|_| is_written()), "they go on so");
    let ended = host.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert!(!ended.log.contains("made anew"), "its producer does not know of the new partitions: {}", ended.log);
    let written = app.written();
    assert_eq!(app.numbers(), (0..produced).collect::<Vec<_>>(), "each is written once");
    let first = written.iter().position(|(_, record)| record.partition > 0).expect("there are new partitions");
    let astray = written[first..].iter().find(|(_, record)| !is_in_place(record, 3));
    assert_eq!(astray, None, "a key went to its old partition behind others that went to the new ones");
}

/// It waits for the topic, as brokers that have just started know of none, and takes some time to give up what is open.
fn ends_by_itself(mut host: Host, topic: &str) -> Ended {
    let ended = await_some_within(3 * PATIENCE, "the host ends", || host.ended());
    ended.says(&["error[MS-R017]", &format!("topic {topic} is not there any more"), "help: make the topic again"]);
    let lines = ended.log.lines().count();
    assert!(lines < 500, "{lines} lines: {}", ended.log);
    ended
}

fn until_end(app: &App, at: &Path) {
    let ended = Host::until_end(at, &app.bootstrap);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
}

#[test]
fn an_input_topic_that_is_deleted_ends_the_app_which_goes_on_with_a_new_one() {
    let app = App::new("input-deleted");
    let host = app.run();
    app.produce(0..SOME);
    app.await_written(SOME);
    app.client.delete(&app.input());
    ends_by_itself(host, &app.input());
    app.client.create(&app.input(), 1, &[]);
    app.produce(SOME..SOME + 5);
    until_end(&app, app.at.path());
    assert_eq!(app.numbers(), (0..SOME + 5).collect::<Vec<_>>());
}

/// Deletes an output topic, and lets the app write to it or not; a new one gets what was not committed, and what comes.
#[track_caller]
fn output_is_deleted(name: &'static str, is_written: bool) {
    let app = App::new(name);
    let host = app.run();
    app.produce(0..SOME);
    app.await_written(SOME);
    app.client.delete(&app.output());
    if is_written {
        app.produce(SOME..SOME + 5);
    }
    ends_by_itself(host, &app.output());
    assert!(!app.client.topics().contains_key(&app.output()), "it is not for the app to make it again");
    app.client.create(&app.output(), 2, &[]);
    if !is_written {
        app.produce(SOME..SOME + 5);
    }
    until_end(&app, app.at.path());
    assert_eq!(app.numbers(), (SOME..SOME + 5).collect::<Vec<_>>());
}

#[test]
fn an_output_topic_that_is_deleted_ends_the_app_that_writes_to_it() {
    output_is_deleted("output-deleted", true);
}

#[test]
fn an_output_topic_that_is_made_anew_with_fewer_partitions_ends_the_app() {
    let app = App::with("made-smaller", "[guarantee]\nprocessing = \"at-least-once\"\n");
    app.client.grow(&app.output(), 3);
    let host = app.run();
    app.produce(0..SOME);
    app.await_written(SOME);
    app.client.delete(&app.output());
    await_that("it is gone", || !app.client.topics().contains_key(&app.output()));
    app.client.create(&app.output(), 1, &[]);
    app.produce(SOME..2 * SOME);
    ends_by_itself(host, &app.output());
}

#[test]
fn an_output_topic_that_is_deleted_ends_the_app_that_has_nothing_to_write() {
    output_is_deleted("output-deleted-idle", false);
}
