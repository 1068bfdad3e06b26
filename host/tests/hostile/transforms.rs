//! Stateless operators that break down on one record.

use crate::harness::{App, Ran, Record, guest};

const OBEY: &str = "op = \"map-values\"\ncall = \"p.obey\"";
const LIE: &str = "op = \"flat-map-values\"\ncall = \"p.lie\"";

/// So many numbered records, one of them with another value.
fn tape(count: usize, guilty: usize, value: &str) -> Vec<Record> {
    let mut tape: Vec<Record> = (0..count).map(|number| Record::of(&number.to_string())).collect();
    tape[guilty] = Record { timestamp: 77, headers: vec![("h".into(), Some("1".into()))], ..Record::keyed("k", value) };
    tape
}

/// All came out in order, once, but for the guilty one; that one is among the dead letters as it was. Gives the dead
/// letter.
#[track_caller]
fn only_one_is_dead<'a>(ran: &'a Ran, tape: &[Record], guilty: usize) -> &'a Record {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut expected: Vec<String> = tape.iter().map(Record::text).collect();
    expected.remove(guilty);
    assert_eq!(ran.texts(), expected);
    assert_eq!(ran.dead.len(), 1, "{:?}", ran.dead);
    let dead = &ran.dead[0];
    assert_eq!((&dead.key, &dead.value, dead.timestamp), (&tape[guilty].key, &tape[guilty].value, 77));
    assert_eq!(dead.header("h"), "1");
    assert_eq!(dead.header("__streams.errors.offset"), guilty.to_string());
    assert_eq!(dead.header("__millstream.errors.node"), "tried");
    assert_eq!(ran.committed, Some(i64::try_from(tape.len()).expect("few")));
    dead
}

/// Runs a tape with one guilty record, and expects this class and text of its dead letter.
#[track_caller]
fn guilty(value: &str, count: usize, limits: &'static str, class: &str, text: &str) {
    let tape = tape(count, count * 7 / 10, value);
    let ran = App { limits, ..App::over(guest("hostile"), OBEY, tape.clone()) }.run();
    let dead = only_one_is_dead(&ran, &tape, count * 7 / 10);
    assert_eq!(dead.header("__streams.errors.exception"), class);
    assert!(dead.header("__streams.errors.message").contains(text), "{dead:?}");
}

#[test]
fn one_panic_in_a_thousand() {
    guilty("panic", 1000, "", "millstream.PluginTrapped", "told to panic");
}

#[test]
fn one_loop_without_end() {
    let limits = "deadline = \"40ms\"";
    guilty("loop", 40, limits, "millstream.PluginTimedOut", "the plugin did not return within 41 ms");
}

#[test]
fn one_that_grows_without_end() {
    let limits = "memory = \"8MiB\"";
    guilty("grow", 200, limits, "millstream.PluginMemoryExceeded", "more than its 8388608 bytes of memory");
}

#[test]
fn one_that_exhausts_its_stack() {
    guilty("recurse", 200, "", "millstream.PluginTrapped", "");
}

#[test]
fn one_that_returns_a_gigabyte() {
    let limits = "memory = \"3GiB\"";
    guilty("huge", 20, limits, "millstream.PluginBrokeContract", "too much data is being copied");
}

#[test]
fn one_that_a_plugin_gives_up_on() {
    guilty("fail", 1000, "", "millstream.RecordFailed", "told to fail");
    guilty("number", 10, "", "core::num::error::ParseIntError", "invalid digit");
}

#[test]
fn a_panic_names_its_place() {
    let tape = tape(3, 1, "panic");
    let ran = App::over(guest("hostile"), OBEY, tape.clone()).run();
    let dead = only_one_is_dead(&ran, &tape, 1);
    assert!(dead.header("__streams.errors.message").contains("hostile/src/lib.rs:"), "{dead:?}");
    let trace = dead.header("__streams.errors.stacktrace");
    assert!(trace.contains("at hostile::") && !trace.contains("_R") && !trace.contains("_ZN"), "{trace}");
    assert_eq!(dead.header("__millstream.errors.plugin"), "p");
    assert_eq!(dead.header("__millstream.errors.operator"), "obey");
    assert_eq!(dead.header("__millstream.errors.digest").len(), 64);
}

#[test]
fn a_trusted_plugin_runs_as_well() {
    guilty("panic", 100, "trusted = true", "millstream.PluginTrapped", "told to panic");
}

/// A predicate answers with the row or not, a mapper with one row; nothing is lost or doubled by one that does otherwise.
#[test]
fn answers_of_another_kind() {
    let (choose, turn) = ("op = \"filter\"\ncall = \"p.choose\"", "op = \"map-values\"\ncall = \"p.turn\"");
    for (node, lie, text) in [
        (choose, "twice", "several output rows"),
        (choose, "changed", "unchanged"),
        (turn, "twice", "several output rows"),
        (turn, "none", "1 of 1 rows have no output row"),
    ] {
        let tape = tape(10, 7, &format!("lie:{lie}."));
        let ran = App::over(guest("liar"), node, tape.clone()).run();
        let dead = only_one_is_dead(&ran, &tape, 7);
        assert_eq!(dead.header("__streams.errors.exception"), "millstream.PluginBrokeContract", "{lie}");
        assert!(dead.header("__streams.errors.message").contains(text), "{lie}: {dead:?}");
    }
}

#[test]
fn answers_that_lie() {
    for (lie, text) in [
        ("far", "comes from row 1 of a batch of 1"),
        ("back", "decrease"),
        ("short", "add up to"),
        ("long", "add up to 0 bytes, but it returned 7"),
        ("overflow", "add up to"),
        ("column", "value lengths for"),
        ("route", "goes to output 9"),
        ("failed", "both failed and has an output row"),
        ("stranger", "failed"),
        ("headers", "the header block of output row 0 is damaged"),
        ("endless", "out of bounds"),
    ] {
        let tape = tape(10, 7, &format!("lie:{lie}."));
        let ran = App::over(guest("liar"), LIE, tape.clone()).run();
        let dead = only_one_is_dead(&ran, &tape, 7);
        assert_eq!(dead.header("__streams.errors.exception"), "millstream.PluginBrokeContract", "{lie}");
        assert!(dead.header("__streams.errors.message").contains(text), "{lie}: {dead:?}");
    }
}

#[test]
fn policy_skip_leaves_no_letter() {
    let ran = App { policy: "skip", ..App::over(guest("hostile"), OBEY, tape(1000, 700, "panic")) }.run();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.out.len(), 999);
    assert!(ran.dead.is_empty());
    assert_eq!(ran.committed, Some(1000));
    assert!(ran.stderr.contains("\"dropped\":1"), "{}", ran.stderr);
}

#[test]
fn policy_stop_commits_nothing_of_the_turn() {
    let ran = App { policy: "stop", ..App::over(guest("hostile"), OBEY, tape(1000, 700, "panic")) }.run();
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("MS-R003") && ran.stderr.contains("told to panic"), "{}", ran.stderr);
    assert!(ran.out.is_empty() && ran.dead.is_empty());
    assert_eq!(ran.committed, None);
}

#[test]
fn ten_megabytes_pass_through() {
    let large: Vec<u8> = (0..10_000_000u32).map(|place| place.to_le_bytes()[place as usize % 3]).collect();
    let mut input = tape(3, 0, "first");
    input[1].value = Some(large);
    for (component, node) in [("hostile", OBEY), ("liar", LIE)] {
        let ran = App::over(guest(component), node, input.clone()).run();
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert!(ran.dead.is_empty(), "{}", ran.dead[0].header("__streams.errors.message"));
        assert!(ran.out == input, "what came out is not what went in");
    }
}

#[test]
fn null_and_empty_are_told_apart() {
    let mut input = Vec::new();
    for key in [None, Some(Vec::new()), Some(b"k".to_vec())] {
        for value in [None, Some(Vec::new()), Some(b"v".to_vec())] {
            let headers = vec![("h".into(), None), ("h".into(), Some(String::new())), ("g".into(), Some("x".into()))];
            input.push(Record { key: key.clone(), value, headers, timestamp: input.len().try_into().expect("few") });
        }
    }
    for (component, node) in [("hostile", OBEY), ("hostile", "op = \"filter\"\ncall = \"p.keep\""), ("liar", LIE)] {
        let ran = App::over(guest(component), node, input.clone()).run();
        assert_eq!(ran.out, input, "{node}: {}", ran.stderr);
    }
}
