//! Aggregates that break down on one record: its key's state keeps what the other records made of it.

use crate::harness::{App, Ran, Record, guest};

const TOTAL: &str = "op = \"aggregate\"\ncall = \"p.total\"\nstore = \"Totals\"\nemit = \"every-update\"";
const LIES: &str = "op = \"aggregate\"\ncall = \"p.fold\"\nstore = \"Lies\"\nemit = \"every-update\"";

/// Ones for two keys in turn, one of them replaced.
fn tape(count: usize, guilty: usize, value: &str) -> Vec<Record> {
    let key = |number: usize| if number.is_multiple_of(2) { "even" } else { "odd" };
    let mut tape: Vec<Record> = (0..count).map(|number| Record::keyed(key(number), "1")).collect();
    tape[guilty] = Record::keyed(key(guilty), value);
    tape
}

/// Both keys' sums go up one by one, but for the guilty record's.
#[track_caller]
fn sums(ran: &Ran, count: usize, guilty: usize) {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut expected = Vec::new();
    let mut sums = [0, 0];
    for number in (0..count).filter(|number| *number != guilty) {
        sums[number % 2] += 1;
        expected.push(sums[number % 2].to_string());
    }
    assert_eq!(ran.texts(), expected);
}

#[track_caller]
fn guilty(value: &str, count: usize, limits: &'static str, class: &str, text: &str) {
    let at = count * 7 / 10;
    let ran = App { limits, ..App::over(guest("hostile"), TOTAL, tape(count, at, value)) }.run();
    sums(&ran, count, at);
    assert_eq!(ran.dead.len(), 1, "{:?}", ran.dead);
    let dead = &ran.dead[0];
    assert_eq!(dead.text(), value);
    assert_eq!(dead.header("__streams.errors.offset"), at.to_string());
    assert_eq!(dead.header("__streams.errors.exception"), class);
    assert!(dead.header("__streams.errors.message").contains(text), "{dead:?}");
}

#[test]
fn one_panic_in_a_thousand() {
    guilty("panic", 1000, "", "millstream.PluginTrapped", "told to panic");
}

#[test]
fn one_loop_without_end() {
    guilty("loop", 40, "deadline = \"40ms\"", "millstream.PluginTimedOut", "did not return within");
}

#[test]
fn one_that_grows_without_end() {
    guilty("grow", 100, "memory = \"8MiB\"", "millstream.PluginMemoryExceeded", "bytes of memory");
}

#[test]
fn one_that_exhausts_its_stack() {
    guilty("recurse", 100, "", "millstream.PluginTrapped", "");
}

#[test]
fn one_that_the_aggregate_gives_up_on() {
    guilty("many", 1000, "", "millstream.RecordFailed", "\"many\" is no number");
}

#[test]
fn states_that_lie() {
    for (lie, text) in [
        ("short", "add up to"),
        ("count", "states where 1 were asked for"),
        ("stranger", "failed"),
        ("endless", "out of bounds"),
    ] {
        let ran = App::over(guest("liar"), LIES, tape(10, 7, &format!("lie:{lie}."))).run();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(ran.out.len(), 9, "{lie}");
        assert_eq!(ran.last("odd"), Some("!".into()));
        assert_eq!(ran.dead.len(), 1, "{lie}: {:?}", ran.dead);
        assert_eq!(ran.dead[0].header("__streams.errors.exception"), "millstream.PluginBrokeContract", "{lie}");
        assert!(ran.dead[0].header("__streams.errors.message").contains(text), "{lie}: {:?}", ran.dead[0]);
    }
}

#[test]
fn policy_skip_leaves_no_letter() {
    let ran = App { policy: "skip", ..App::over(guest("hostile"), TOTAL, tape(100, 50, "panic")) }.run();
    sums(&ran, 100, 50);
    assert!(ran.dead.is_empty());
}

#[test]
fn policy_stop_commits_nothing_of_the_turn() {
    let ran = App { policy: "stop", ..App::over(guest("hostile"), TOTAL, tape(100, 50, "panic")) }.run();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("told to panic"), "{}", ran.stderr);
    assert!(ran.out.is_empty() && ran.dead.is_empty());
    assert_eq!(ran.committed, None);
}
