//! Processes of one app come and go while records flow: by SIGTERM, by SIGKILL, and stopped for longer than their session
//! lasts, so that they come back as zombies that believe in tasks which others work on by then.

use super::place::{self, Ended, Place, WORKERS};
use super::random::Random;
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::process::Child;

/// Processes at most.
const HOSTS: usize = 3;
/// Joins and leaves, and with each of them a piece of the input.
const CHANGES: usize = 30;
/// Rows a turn: small, so that there is work all the time.
const ROWS: &str = "1";
/// Changes at which work must have been left.
const AT_WORK_MIN: usize = CHANGES / 2;
/// Processes that must have been killed.
const KILLED_MIN: usize = 3;

struct Storm {
    place: Place,
    random: Random,
    /// By data directory; none where nothing runs.
    hosts: Vec<Option<Child>>,
    /// What happened how often.
    changes: BTreeMap<&'static str, usize>,
    /// Changes at which work was left.
    at_work: usize,
    /// Processes that went, or were stopped.
    gone: usize,
    violations: Vec<String>,
}

impl Storm {
    fn running(&self) -> Vec<usize> {
        (0..HOSTS).filter(|number| self.hosts[*number].is_some()).collect()
    }

    fn any(&mut self, numbers: &[usize]) -> usize {
        numbers[usize::try_from(self.random.among(0, numbers.len() as u64 - 1)).expect("an index")]
    }

    /// One process comes, or one goes; none is alone for long, and none stays.
    fn change(&mut self) {
        self.at_work += usize::from(self.place.left().text > 0);
        let running = self.running();
        let comes = running.len() < 2 || (running.len() < HOSTS && self.random.among(0, 1) == 0);
        let what = if comes { self.come() } else { self.go(&running) };
        *self.changes.entry(what).or_default() += 1;
    }

    fn come(&mut self) -> &'static str {
        let idle: Vec<usize> = (0..HOSTS).filter(|number| self.hosts[*number].is_none()).collect();
        let number = self.any(&idle);
        self.hosts[number] = Some(self.place.start_in(number, &[], &[("MILLSTREAM_TURN_ROWS", ROWS)]));
        self.await_members(self.running().len());
        "joined"
    }

    fn go(&mut self, running: &[usize]) -> &'static str {
        let number = self.any(running);
        self.gone += 1;
        match self.gone % 3 {
            0 => {
                self.end(number, Signal::TERM, &Ended::Done);
                "left by SIGTERM"
            }
            1 => {
                self.end(number, Signal::KILL, &Ended::Killed);
                self.await_members(self.running().len());
                "left by SIGKILL"
            }
            _ => {
                self.signal(number, Signal::STOP);
                self.await_members(running.len() - 1);
                self.signal(number, Signal::CONT);
                self.await_members(running.len());
                "stopped and back as zombie"
            }
        }
    }

    fn signal(&self, number: usize, signal: Signal) {
        place::signal(self.hosts[number].as_ref().expect("it runs"), signal);
    }

    fn end(&mut self, number: usize, signal: Signal, wanted: &Ended) {
        self.signal(number, signal);
        let host = self.hosts[number].take().expect("it runs");
        let ended = self.place.end_in(number, host);
        if ended != *wanted {
            self.violations.push(format!("exit: {signal:?} to process {number}: {ended:?}"));
        }
    }

    /// Waits until the group knows these processes and no others.
    fn await_members(&mut self, processes: usize) {
        let wanted = Some(processes as u64 * WORKERS);
        await_that("the group has its members", || self.place.left().members == wanted || self.somebody_ended());
        for number in 0..HOSTS {
            if let Some(host) = &mut self.hosts[number]
                && let Some(status) = host.try_wait().expect("a child can be looked at")
            {
                let host = self.hosts[number].take().expect("it is there");
                let ended = self.place.end_in(number, host);
                self.violations.push(format!("exit: process {number} ended by itself: {status}: {ended:?}"));
            }
        }
    }

    fn somebody_ended(&mut self) -> bool {
        self.hosts.iter_mut().flatten().any(place::has_ended)
    }
}

#[test]
fn processes_that_come_and_go_leave_no_trace() {
    let seed = super::seed();
    let place = Place::new(&Broker::shared().bootstrap(), &format!("storm-{seed}"), seed);
    let (hosts, random) = ((0..HOSTS).map(|_| None).collect(), Random::new(seed));
    let mut storm =
        Storm { place, random, hosts, changes: BTreeMap::new(), at_work: 0, gone: 0, violations: Vec::new() };
    for number in 1..=CHANGES {
        storm.place.fill(number, CHANGES);
        storm.change();
        if !storm.violations.is_empty() {
            break;
        }
    }
    for number in storm.running() {
        storm.end(number, Signal::TERM, &Ended::Done);
    }
    let Storm { changes, at_work, .. } = &storm;
    println!("{changes:?}, {at_work} while work was left");
    assert!(storm.violations.is_empty(), "{:#?}", storm.violations);
    let ended = storm.place.end(storm.place.start(&[]));
    assert_eq!(ended, Ended::Done);
    let verdict = storm.place.verify(HOSTS, &["--finished", "--any-order"], COMPARED_MIN);
    assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
    let killed = storm.changes.get("left by SIGKILL").copied().unwrap_or_default();
    assert!(killed >= KILLED_MIN, "INVALID: only {killed} processes were killed");
    assert!(storm.at_work >= AT_WORK_MIN, "INVALID: only {} changes came while work was left", storm.at_work);
    println!("{} changes, {} comparisons", CHANGES, verdict.compared);
}
