//! What the host says of records that plugins fail on: which they are, and what becomes of them.

use crate::harness::{App, Ran, Record, guest};

const OBEY: &str = "op = \"map-values\"\ncall = \"p.obey\"";
const TOTAL: &str = "op = \"aggregate\"\ncall = \"p.total\"\nstore = \"Totals\"\nemit = \"every-update\"";

/// The lines of the log about failed records.
fn told(ran: &Ran) -> Vec<serde_json::Value> {
    let lines = ran.stderr.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter(|line| line["level"] == "WARN").map(|mut line| line["fields"].take()).collect()
}

/// Three good records, then so many that fail, then one that is good.
fn tape(failing: usize) -> Vec<Record> {
    let good = |value| Record::keyed("k", value);
    let mut tape = vec![good("1"), good("2"), good("3")];
    tape.extend(std::iter::repeat_n(good("fail"), failing));
    tape.push(good("4"));
    tape
}

#[test]
fn a_skipped_record_is_told() {
    let ran = App { policy: "skip", ..App::over(guest("hostile"), OBEY, tape(1)) }.run();
    let [line] = told(&ran).try_into().expect("one line");
    for (field, value) in
        [("node", "tried"), ("record", "in-0@3"), ("policy", "skip"), ("plugin", "p"), ("operator", "obey")]
    {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!(line["message"], "a record failed and is skipped: told to fail");
    assert!(ran.stderr.contains("\"stopped\""), "{}", ran.stderr);
}

#[test]
fn dead_letters_are_told_up_to_a_limit() {
    let ran = App { policy: "dead-letter", ..App::over(guest("hostile"), OBEY, tape(40)) }.run();
    let lines = told(&ran);
    let records: Vec<&str> = lines.iter().filter_map(|line| line["record"].as_str()).collect();
    assert_eq!(records, (3..13).map(|offset| format!("in-0@{offset}")).collect::<Vec<_>>());
    assert!(lines[..10].iter().all(|line| line["policy"] == "dead-letter"), "{lines:?}");
    assert_eq!(lines[10]["records"], 30, "those not shown are counted at the end: {lines:?}");
    assert_eq!((lines.len(), ran.dead.len()), (11, 40));
}

/// What a stop must say; it is no end as others.
#[track_caller]
fn names_its_record(node: &'static str, reason: &str) {
    let ran = App { policy: "stop", ..App::over(guest("hostile"), node, tape(1)) }.run();
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let what = "error[MS-R003]: node \"tried\" failed on record in-0 at offset 3, and its policy is to stop";
    for words in [
        &format!("{what}: {reason}\n"),
        "help: mend the plugin, or set on-error = \"skip\" or \"dead-letter\" at the node",
        "the record will be processed again at the next run",
    ] {
        assert!(ran.stderr.contains(words), "{words:?} is not in {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("\"stopped\""), "{}", ran.stderr);
}

#[test]
fn a_stop_names_its_record() {
    names_its_record(OBEY, "told to fail");
    names_its_record(TOTAL, "\"fail\" is no number");
}
