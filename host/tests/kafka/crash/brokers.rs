//! Brokers that are killed, started again and paused while an app works: it must go on by itself, or end and go on when it
//! is started again, and leave no trace of it.

use super::place::{Left, Place, WORKERS};
use super::random::Random;
use super::round::COMPARED_MIN;
use crate::await_that;
use crate::broker::Broker;
use crate::client::Client;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

/// Rows a turn: small, so that a piece of the input is worked on for a second or so.
const ROWS: &str = "1";
/// Faults of a run on one node, and on three.
const ALONE: usize = 8;
const OF_THREE: usize = 30;
/// The longest pause of the node, seconds, and after how long its controller takes it for dead: no pause is as long.
const PAUSE_MAX_S: u64 = 12;
const SESSION: Duration = Duration::from_secs(PAUSE_MAX_S + 3);
/// The same where the node is only killed: an outage that is shorter than transactions may be open.
const SOON: Duration = Duration::from_secs(3);
/// What nodes do for the app.
const ROLES: [&str; 3] = ["leader of an output", "transaction coordinator", "group coordinator"];
/// What a broker of Kafka 4.3 says when it gives up the end of a transaction, which is torn apart then, whoever its client is
/// (docs/reliability.md). None does here.
const GIVEN_UP: &str = "these partitions are likely deleted already and hence can be skipped";
/// How long an app may stand still after a fault. Far more than it does: transactions end after ten seconds.
const STANDSTILL_MAX: Duration = Duration::from_secs(120);

struct Trial {
    broker: Broker,
    place: Place,
    host: Child,
    /// What was done, how often, and how often work was left then.
    faults: BTreeMap<String, (usize, usize)>,
    /// How long it took each time until all was worked off.
    took: Vec<Duration>,
    /// Times that the host ended and was started again.
    restarts: usize,
    /// Whether it did, and for longer than it may.
    stands_still: bool,
}

impl Trial {
    fn begin(broker: Broker, name: &str, seed: u64) -> Self {
        let place = Place::new(&broker.bootstrap(), &format!("{name}-{seed}"), seed);
        let host = start(&place);
        // Who finds no broker at the start ends, as it should.
        await_that("the host is there", || place.left().members == Some(WORKERS));
        Self { broker, place, host, faults: BTreeMap::new(), took: Vec::new(), restarts: 0, stands_still: false }
    }

    /// Puts the next piece of the input in, and spoils what is being done with it.
    fn fault(&mut self, piece: usize, of: usize, what: &str, spoil: impl FnOnce(&mut Broker, &Left)) {
        if self.stands_still {
            return;
        }
        self.place.fill(piece, of);
        let left = self.place.left();
        spoil(&mut self.broker, &left);
        let (times, at_work) = self.faults.entry(what.into()).or_default();
        (*times, *at_work) = (*times + 1, *at_work + usize::from(left.all > 0));
        self.await_work();
    }

    /// Waits until the input is worked off; a host that has ended is started again, as whoever watches it would.
    fn await_work(&mut self) {
        let Self { place, host, restarts, took, .. } = self;
        let began = Instant::now();
        loop {
            if let Some(status) = host.try_wait().expect("a child can be looked at") {
                assert_eq!(status.signal(), None, "the host crashed: {}", place.said(0));
                println!("the host ended: {status}: {}", place.said(0));
                (*host, *restarts) = (start(place), *restarts + 1);
            }
            let left = place.left();
            if left.text == 0 {
                break;
            }
            if began.elapsed() >= STANDSTILL_MAX {
                println!("it stands still: {left:?}");
                self.stands_still = true;
                return;
            }
        }
        println!("worked off after {:?}", began.elapsed());
        took.push(began.elapsed());
    }

    fn kill(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }

    fn end(mut self, faults_min: usize) {
        self.kill();
        let ended = !self.stands_still && self.place.end(self.place.start(&[])) == super::place::Ended::Done;
        let verdict = self.place.verify(1, &["--finished", "--any-order"], COMPARED_MIN);
        self.tell(verdict.compared);
        let (given_up, failures) = (self.broker.logged(GIVEN_UP), &verdict.failures);
        assert!(given_up.is_empty(), "INVALID: a broker gave up ends of transactions: {given_up:#?}, {failures:#?}");
        assert!(verdict.failures.is_empty(), "{:#?}", verdict.failures);
        assert!(ended, "it does not end: {}", self.place.said(0));
        let at_work: usize = self.faults.values().map(|(_, at_work)| at_work).sum();
        assert!(at_work >= faults_min, "INVALID: only {at_work} faults came while work was left");
    }

    fn tell(&mut self, compared: u64) {
        println!("{:28} {:>6} {:>14}", "fault", "times", "work was left");
        for (what, (times, at_work)) in &self.faults {
            println!("{what:28} {times:>6} {at_work:>14}");
        }
        self.took.sort_unstable();
        let (median, worst) = (self.took.get(self.took.len() / 2), self.took.last());
        println!("worked off after {median:?} in the middle and {worst:?} at most");
        println!("{} restarts, {compared} comparisons", self.restarts);
    }
}

/// The host ends with its trial, however that ends: the next broker may get the port of this one.
impl Drop for Trial {
    fn drop(&mut self) {
        self.kill();
    }
}

fn start(place: &Place) -> Child {
    place.start_in(0, &[], &[("MILLSTREAM_TURN_ROWS", ROWS), ("RUST_LOG", "warn,millstream::worker::failures=error")])
}

#[test]
fn a_broker_that_is_killed_or_paused_leaves_no_trace() {
    let seed = super::seed();
    let mut random = Random::new(seed);
    let mut trial = Trial::begin(Broker::beside_controller(SESSION), "broker", seed);
    for piece in 1..=ALONE {
        if random.among(0, 1) == 0 {
            trial.fault(piece, ALONE, "killed and started again", |broker, _| {
                broker.kill_until_fenced();
                broker.restart(1);
            });
        } else {
            // As long as a session and more, and as a transaction may be open: both end meanwhile.
            let pause = Duration::from_secs(random.among(1, PAUSE_MAX_S));
            trial.fault(piece, ALONE, "paused", |broker, _| {
                broker.pause(1);
                // The time is the fault itself; nothing waits for anything here.
                std::thread::sleep(pause);
                broker.resume(1);
            });
        }
    }
    trial.end(ALONE / 2);
}

/// Ends of transactions that are asked for again by the same producer, and come through: an outage shorter than a transaction.
#[test]
fn a_broker_that_comes_back_soon_leaves_no_trace() {
    let mut trial = Trial::begin(Broker::beside_controller(SOON), "soon", super::seed());
    for piece in 1..=ALONE {
        trial.fault(piece, ALONE, "killed and started again", |broker, _| {
            broker.kill_until_fenced();
            broker.restart(1);
        });
    }
    trial.end(ALONE / 2);
}

/// Once in a while: it takes long, and a node of three that dies costs an app more than a broker that comes back.
#[test]
#[ignore = "takes many minutes: cargo test --features kill-points,faults --test kafka nodes_of_three -- --ignored --nocapture"]
fn nodes_of_three_that_are_killed_leave_no_trace() {
    let seed = super::seed();
    let mut trial = Trial::begin(Broker::start(3, &[]), "nodes", seed);
    let client = Client::to(&trial.broker.bootstrap());
    await_that("all roles are taken", || ROLES.iter().all(|role| trial.place.left().node(role).is_some()));
    for piece in 1..=OF_THREE {
        let role = ROLES[piece % ROLES.len()];
        trial.fault(piece, OF_THREE, role, |broker, left| {
            broker.kill(left.node(role).unwrap_or_else(|| panic!("INVALID: nobody is known as {role}: {left:?}")));
        });
        let down = (1..=3).find(|node| trial.broker.process(*node).is_none());
        trial.broker.restart(down.expect("one is down"));
        await_that("the replicas are in sync", || client.in_sync());
    }
    trial.end(OF_THREE / 2);
}
