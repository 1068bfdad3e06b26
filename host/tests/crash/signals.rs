//! Ctrl-C once ends after a last commit, twice at once.

use crate::child::{self, Ended};
use crate::data;
use crate::round::Round;
use crate::verifier;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read};
use std::process::Child;

/// A host with input that hangs or goes on at a place of which it tells a pipe; returns when the place is reached.
fn host_at(round: &mut Round, at: &str) -> Child {
    round.append_tape();
    round.produce_notes();
    let pipe = round.place.file("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).expect("a pipe");
    let log = pipe.display().to_string();
    let environment = [
        ("MILLSTREAM_KILL_AT", at),
        ("MILLSTREAM_KILL_LOG", &log),
        ("MILLSTREAM_TURN_ROWS", "1"),
        ("RUST_LOG", "info"),
    ];
    let host = child::start(&round.place, &["run", "--workers", "2"], &environment);
    let mut told = String::new();
    // Opening blocks until the host opens the other end, reading until it has closed it.
    std::fs::File::open(&pipe).and_then(|mut pipe| pipe.read_to_string(&mut told)).expect("the pipe is read");
    assert_eq!(told, format!("{}\n", at.split(':').next().unwrap_or_default()));
    host
}

fn interrupt(host: &Child) {
    kill_process(Pid::from_child(host), Signal::INT).expect("the signal is sent");
}

#[test]
fn one_interrupt_ends_after_a_last_commit() {
    let mut round = Round::new(crate::seed(), None);
    let host = host_at(&mut round, "committed:9:go-on");
    interrupt(&host);
    assert_eq!(child::end(host), Ended::Done);
    let export = round.place.file("export");
    let left = data::export(&round.place, &export);
    assert!(left.text > 0, "it stopped before the end: {left:?}");
    let verdict = verifier::verdict(verifier::begin(&round.place, &export, false, 1_000));
    assert_eq!(verdict.failures, []);
    round.finish();
    assert!(round.violations.is_empty(), "{:?}", round.violations);
}

#[test]
fn two_interrupts_end_at_once() {
    let mut round = Round::new(crate::seed(), None);
    // A worker that never comes to its commit: the first interrupt cannot end this host.
    let mut host = host_at(&mut round, "before-commit:9:hang");
    let mut said = BufReader::new(host.stderr.take().expect("it is a pipe"));
    interrupt(&host);
    let mut line = String::new();
    while !line.contains("once more to stop at once") {
        line.clear();
        assert_ne!(said.read_line(&mut line).expect("it is text"), 0, "the host ended at the first interrupt");
    }
    interrupt(&host);
    assert_eq!(host.wait().expect("a child can be waited for").code(), Some(130));
    let export = round.place.file("export");
    data::export(&round.place, &export);
    let verdict = verifier::verdict(verifier::begin(&round.place, &export, false, 1_000));
    assert_eq!(verdict.failures, []);
    round.finish();
    assert!(round.violations.is_empty(), "{:?}", round.violations);
}
