//! What plugins print and log: it reaches the host's log, tagged and bounded.

use crate::harness::{App, Record, guest, wasi_guest};

const PRINT: &str = "op = \"map-values\"\ncall = \"p.print\"";
const CHATTER: &str = "op = \"peek\"\ncall = \"p.chatter\"";

#[test]
fn prints_reach_the_log() {
    let ran = App::over(wasi_guest("printing"), PRINT, vec![Record::of("hello")]).run();
    assert_eq!(ran.texts(), ["4 letters, 0 variables, 0 arguments, 0 bytes read"], "{}", ran.stderr);
    let line =
        |words: &str| ran.stderr.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("{}", ran.stderr));
    assert!(line("out hello").contains("INFO") && line("out hello").contains("\"plugin\":\"p\""));
    assert!(line("err hello").contains("WARN"));
}

#[test]
fn an_exit_fails_the_record_alone() {
    let input = ["a", "exit", "b"].map(Record::of).to_vec();
    let ran = App::over(wasi_guest("printing"), PRINT, input).run();
    assert_eq!(ran.out.len(), 2, "{}", ran.stderr);
    assert_eq!(ran.dead.len(), 1);
    assert_eq!(ran.dead[0].header("__streams.errors.message"), "the plugin called exit");
}

#[test]
fn lines_are_cut_tamed_and_counted() {
    let input = (0..100).map(|number| Record::of(&format!("{number}\u{1b}[31m{}", "x".repeat(100)))).collect();
    let limits = "log-line = \"20B\"\nlog-rate = 10";
    let ran = App { limits, ..App::over(guest("hostile"), CHATTER, input) }.run();
    assert_eq!(ran.out.len(), 100, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("xxx")).collect();
    assert!(!lines.is_empty() && lines.len() < 100, "{} lines", lines.len());
    assert!(lines.iter().all(|line| !line.contains("xxxxxxxxxxxxxxxxxxxx") && !line.contains('\u{1b}')), "{lines:?}");
}

#[test]
fn a_level_silences_what_is_below() {
    let ran =
        App { limits: "log-level = \"warn\"", ..App::over(guest("hostile"), CHATTER, vec![Record::of("quiet")]) }.run();
    assert_eq!(ran.out.len(), 1, "{}", ran.stderr);
    assert!(!ran.stderr.contains("quiet"), "{}", ran.stderr);
}
