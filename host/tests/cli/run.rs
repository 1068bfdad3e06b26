//! `run`: inputs that stream, and how it ends.

use crate::{command, fails, prints, ran, write};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// An app without plugins: one topic into another.
const COPY: &str = r#"
manifest = 1
app = "copy"

[node.lines]
op = "stream"
topic = "in"

[node.out]
op = "to"
from = "lines"
topic = "out"
"#;

fn app() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    write(directory.path(), "millstream.toml", COPY);
    directory
}

fn out(at: &Path) -> String {
    prints(at, &["topic", "consume", "out", "-f", "%k=%s,"])
}

/// The lines of a log: it is JSON where nobody looks.
fn log(err: &str) -> Vec<serde_json::Value> {
    let line = |line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
    err.lines().map(|text| line(text).get("fields").expect("a line has fields").clone()).collect()
}

#[test]
fn an_input_streams_while_the_app_runs_and_one_interrupt_ends_it_well() {
    let directory = app();
    let at = directory.path();
    prints(at, &["topic", "create", "out"]);
    let mut run = command(at, &["run", "--input", "lines=-"]).stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = run.stdin.take().expect("it is piped");
    let mut follow =
        command(at, &["topic", "consume", "out", "-f", "%s\\n", "-F", "-c", "2"]).spawn().expect("it starts");
    let mut seen = BufReader::new(follow.stdout.take().expect("it is piped")).lines();
    // Each line arrives before the next one is written, though the input has not ended.
    for line in ["one", "two"] {
        writeln!(input, "{line}").expect("it is read");
        assert_eq!(seen.next().expect("a line").expect("text"), line);
    }
    assert!(follow.wait().expect("it ends").success());
    let interrupt = Command::new("kill").args(["-INT", &run.id().to_string()]).status();
    assert!(interrupt.expect("kill runs").success());
    assert_eq!(run.wait().expect("it ends").code(), Some(0), "with its input still open");
    assert_eq!(out(at), "=one,=two,");
}

#[test]
fn until_end_waits_for_the_end_of_the_input() {
    let directory = app();
    let at = directory.path();
    prints(at, &["topic", "create", "out"]);
    let mut run = command(at, &["run", "--input", "lines=-", "--until-end"]);
    let mut run = run.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut input = run.stdin.take().expect("it is piped");
    writeln!(input, "first").expect("it is read");
    // All that there is is processed, and the input has not ended.
    assert_eq!(prints(at, &["topic", "consume", "out", "-f", "%s", "-F", "-c", "1"]), "first");
    let lines: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    input.write_all(lines.as_bytes()).expect("it is still read");
    drop(input);
    let done = run.wait_with_output().expect("it ends");
    let err = String::from_utf8(done.stderr).expect("it is UTF-8");
    assert_eq!(done.status.code(), Some(0), "{err}");
    let [begun, ended] = log(&err).try_into().expect("a line at the start and one at the end");
    let running = "running; Ctrl-C ends after a last commit";
    assert_eq!((&begun["message"], &begun["app"], &begun["topics"]), (&running.into(), &"copy".into(), &"in".into()));
    assert_eq!((&begun["workers"], &begun["guarantee"]), (&1.into(), &"exactly-once".into()));
    assert_eq!((&begun["on"], &begun["data"]), (&"the embedded log".into(), &".millstream".into()));
    assert_eq!((&ended["message"], &ended["records"]), (&"stopped".into(), &20_001.into()));
    let lines = format!("first\n{lines}");
    assert_eq!(prints(at, &["topic", "consume", "out", "-f", "%s\\n"]), lines);
    // Again, with nothing new.
    prints(at, &["run", "--until-end"]);
    assert_eq!(prints(at, &["topic", "list"]).lines().last(), Some("out    1           20001"));
}

#[test]
fn topics_that_are_written_are_there_before_the_first_record() {
    let directory = app();
    let at = directory.path();
    let settings = "[errors]\ndead-letter-topic = \"letters\"\n[topic.out]\npartitions = 3\n";
    write(at, "millstream.toml", &format!("{COPY}{settings}"));
    prints(at, &["run", "--until-end"]);
    let list = "\
TOPIC    PARTITIONS  RECORDS
in       1           0
letters  1           0
out      3           0
";
    assert_eq!(prints(at, &["topic", "list"]), list);
}

#[test]
fn a_file_that_is_appended_again_is_warned_of() {
    let directory = app();
    let at = directory.path();
    write(at, "input.txt", "a\nb\n");
    let warning = |arguments: &[&str]| {
        let err = ran(at, &[&["run", "--until-end"], arguments].concat()).err;
        let lines = err.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("the log is JSON"));
        let warnings = lines.filter(|line| line["level"] == "WARN").map(|line| line["fields"].clone());
        warnings.map(|fields| format!("{} {}", fields["topic"], fields["records"])).collect::<Vec<_>>()
    };
    assert_eq!(warning(&["--input", "lines=input.txt"]), [""; 0]);
    assert_eq!(warning(&["--input", "lines=input.txt"]), ["\"in\" 2"]);
    assert_eq!(warning(&["--input", "lines=-"]), [""; 0], "what is piped in is new each time");
    assert_eq!(warning(&[]), [""; 0]);
    assert_eq!(out(at), "=a,=b,=a,=b,");
}

#[test]
fn lines_may_hold_keys() {
    let directory = app();
    let at = directory.path();
    write(at, "keyed.txt", "a\t1\nb\t2\n");
    prints(at, &["run", "--input", "lines=keyed.txt", "-K", r"\t", "--until-end"]);
    assert_eq!(out(at), "a=1,b=2,");
    write(at, "bad.txt", "c\t3\nplain\n");
    fails(at, &["run", "--input", "lines=bad.txt", "-K", r"\t", "--until-end"], 1, &["MS-C016", "line 2"]);
}

#[test]
fn inputs_that_are_none_are_refused_before_anything_is_made() {
    let directory = app();
    let at = directory.path();
    fails(at, &["run", "--input", "lines"], 2, &["MS-C001", "NODE=FILE"]);
    fails(at, &["run", "--input", "line=-"], 2, &["MS-C001", "did you mean \"lines\"?"]);
    fails(at, &["run", "--input", "lines=gone.txt"], 1, &["MS-C013", "gone.txt"]);
    fails(at, &["run", "--input", "lines=."], 1, &["MS-C013"]);
    assert!(!at.join(".millstream").exists());
}

#[test]
fn a_store_of_another_op_is_refused_and_its_reset_says_so() {
    let directory = app();
    let at = directory.path();
    let counts = "[node.keyed]\nop = \"group-by-key\"\nfrom = \"lines\"\n[node.counts]\nop = \"count\"\nfrom = \"keyed\"\nstore = \"Counts\"\nchangelog = true\n";
    write(at, "millstream.toml", &format!("{COPY}{counts}"));
    write(at, "input.txt", "a:1\na:2\n");
    let run = ["run", "--input", "lines=input.txt", "-K", ":", "--until-end"];
    prints(at, &run);
    write(at, "millstream.toml", &format!("{COPY}{counts}format = \"text\"\n"));
    fails(at, &run, 1, &["MS-R010", "Counts", "count long", "count text", "millstream state reset Counts --yes"]);
    assert_eq!(out(at), "a=1,a=2,", "not even the input was read");
    let reset = prints(at, &["state", "reset", "Counts", "--yes"]);
    assert!(reset.contains("values of \"count long\", go from the changelog too"), "{reset}");
    prints(at, &run);
    assert_eq!(prints(at, &["state", "get", "Counts", "a", "-f", "%s"]), "2");
}
