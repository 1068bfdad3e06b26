//! Two processes by one name, as when a data directory was copied: their producers fence each other, so that nothing is
//! written twice, and one of them must end and say why instead of fighting for ever.

use super::place::{Ended, Place, WORKERS, has_ended, signal};
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use rustix::process::Signal;

/// Pieces of the input: one before the copy, and one for every look at the two.
const PIECES: usize = 30;
/// Rows a turn: small, so that there is work all the time.
const ROWS: [(&str, &str); 1] = [("MILLSTREAM_TURN_ROWS", "4")];

#[test]
fn of_two_processes_by_one_name_one_ends_and_says_why() {
    let seed = super::seed();
    let place = Place::new(&Broker::shared().bootstrap(), &format!("namesake-{seed}"), seed);
    place.fill(1, PIECES);
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    place.copy(0, 1);
    let mut hosts = vec![(0, place.start_in(0, &[], &ROWS))];
    await_that("the first one is there", || place.left().members == Some(WORKERS));
    hosts.push((1, place.start_in(1, &[], &ROWS)));
    for piece in 2..=PIECES {
        place.fill(piece, PIECES);
        await_that("somebody works", || place.left().text == 0 || hosts.iter_mut().any(|(_, host)| has_ended(host)));
    }
    await_that("one of them ends", || hosts.iter_mut().any(|(_, host)| has_ended(host)));
    let second = usize::from(!has_ended(&mut hosts[0].1));
    let (loser, ended) = hosts.remove(second);
    let Ended::Otherwise(why) = place.end_in(loser, ended) else { panic!("process {loser} said nothing") };
    println!("process {loser}: {why}");
    assert!(why.contains("MS-T030") && why.contains("data directory"), "{why}");
    let (winner, mut host) = hosts.remove(0);
    await_that("the other one goes on", || place.left().text == 0 || has_ended(&mut host));
    signal(&host, Signal::TERM);
    assert_eq!(place.end_in(winner, host), Ended::Done);
    assert_eq!(place.end(place.start(&[])), Ended::Done);
    let verdict = place.verify(2, &["--finished", "--any-order"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
}
