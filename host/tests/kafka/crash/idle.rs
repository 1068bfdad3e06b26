//! Offsets of an app that has nothing to do: a group forgets those of topics that it is not subscribed to, so they are
//! committed again before that.

use super::place::{Ended, Place, signal};
use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation};
use rustix::process::Signal;

/// The topic in which brokers keep committed offsets.
const OFFSETS: &str = "__consumer_offsets";
/// Partitions of the topic that is looked at, and times that all of its offsets must come again: more than its last
/// records, on their way through the app, are committed in.
const PARTITIONS: usize = 4;
const TIMES: usize = 30;

/// How often offsets of the topic were committed for the app.
fn commits(client: &Client, app: &str, topic: &str) -> usize {
    let holds = |key: &[u8], name: &str| key.windows(name.len()).any(|part| part == name.as_bytes());
    let records = client.read(OFFSETS, Isolation::Committed);
    records.iter().filter_map(|record| record.key.as_deref()).filter(|key| holds(key, app) && holds(key, topic)).count()
}

#[test]
fn an_app_with_nothing_to_do_keeps_its_offsets() {
    let (seed, bootstrap) = (super::seed(), Broker::shared().bootstrap());
    let place = Place::new(&bootstrap, &format!("idle-{seed}"), seed);
    place.fill(1, 8);
    let host = place.start_in(0, &[], &[("MILLSTREAM_REFRESH_MS", "100")]);
    await_that("all is worked off", || place.left().text == 0);
    let (client, topic) = (Client::to(&bootstrap), format!("{}.lines", place.app));
    let first = commits(&client, &place.app, &topic);
    await_that("the offsets are committed again and again", || {
        commits(&client, &place.app, &topic) >= first + TIMES * PARTITIONS
    });
    signal(&host, Signal::TERM);
    assert_eq!(place.end(host), Ended::Done);
}
