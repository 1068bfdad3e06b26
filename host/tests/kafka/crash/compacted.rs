//! Stores that are restored from changelogs which the broker compacts meanwhile: records are missing, offsets have gaps,
//! and what the stores hold in the end is the same.

use super::place::STORES;
use super::point::{Phase, at};
use super::round::Round;
use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};

/// Settings by which a broker compacts as soon as it can: what is not in the last segment of a partition.
const SETTINGS: [(&str, &str); 3] =
    [("cleanup.policy", "compact"), ("segment.ms", "50"), ("min.cleanable.dirty.ratio", "0.01")];
const PARTITIONS: i32 = 4;
/// Changelogs from which records must be gone; of some there is hardly anything to take.
const COMPACTED_MIN: usize = 2;

#[test]
fn a_changelog_is_compacted_under_a_restore() {
    // A broker has one thread that compacts, and other tests' topics keep that of the shared one busy.
    let (seed, broker) = (super::seed(), Broker::start(1, &[]));
    let bootstrap = broker.bootstrap();
    let mut round = Round::new(&bootstrap, &format!("compacted-{seed}"), seed, None);
    let client = Client::to(&bootstrap);
    let changelogs = STORES.map(|store| format!("{}-{store}-changelog", round.app()));
    changelogs.iter().for_each(|changelog| client.create(changelog, PARTITIONS, &SETTINGS));
    round.fill();
    assert!(round.kill(&at("committed", Phase::Work, 12)), "{:?}", round.violations);
    round.catch_up();
    round.lose_state();
    assert!(round.kill(&at("restore-after-step", Phase::Restore, 4)), "{:?}", round.violations);
    await_that("the changelogs are compacted", || {
        let compacted = changelogs.iter().filter(|changelog| {
            let records = client.read(changelog, Isolation::Committed);
            let end = records.iter().map(|record| record.offset).max();
            println!("{changelog}: {} records, the last one at {end:?}", records.len());
            is_compacted(&records)
        });
        compacted.count() >= COMPACTED_MIN
    });
    round.finish();
    assert!(round.violations.is_empty(), "{:#?}", round.violations);
}

/// Each commit has one marker; where more is missing the broker took records away.
fn is_compacted(records: &[Record]) -> bool {
    records.windows(2).any(|two| two[0].partition == two[1].partition && two[1].offset > two[0].offset + 2)
}
