//! From nothing to a running app, with a cargo that has no cache and no network.

use crate::{Ran, command, fails, finish, prints, write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the app's crates are compiled: kept from run to run, as the guests are.
fn target() -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let guests = std::env::var("MILLSTREAM_GUESTS").unwrap_or_else(|_| format!("{home}/.cache/millstream/guests"));
    PathBuf::from(guests).join("new")
}

fn alone(mut command: Command, app: &Path) -> Command {
    command.env("CARGO_TARGET_DIR", target()).env("CARGO_HOME", app.join("cargo")).env("CARGO_NET_OFFLINE", "true");
    command
}

#[track_caller]
fn build(app: &Path) {
    let Ran { code, out, err } = finish(alone(command(app, &["build"]), app), "");
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("built ") && out.contains("operators "), "{out}");
}

#[test]
fn a_transform() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let made = prints(at, &["new", "my-app", "--lang", "rust"]);
    assert!(made.starts_with("made my-app") && made.contains("  millstream build"), "{made}");
    fails(at, &["new", "my-app"], 1, &["MS-C010", "my-app is there already"]);
    fails(at, &["new", "My App"], 2, &["MS-C011"]);
    fails(at, &["new", "serde"], 2, &["MS-C011"]);
    let app = at.join("my-app");
    fails(&app, &["test"], 1, &["MS-R007", "my_app.wasm", "millstream build"]);
    build(&app);
    assert!(prints(&app, &["check"]).ends_with("millstream.toml is sound: 1 sub-topology, 4 steps\n"));
    let inspected = prints(&app, &["plugin", "inspect", "my_app.wasm"]);
    assert!(inspected.contains("\nOPERATOR     KIND        PARAMS"), "{inspected}");
    cases(&app);
    prints(&app, &["run", "--input", "lines=input.txt", "--until-end"]);
    assert_eq!(
        prints(&app, &["topic", "consume", "shouted", "-f", "%s\\n"]),
        "HELLO WORLD\nALL STREAMS LEAD TO KAFKA\n"
    );
    let tested = alone(Command::new("cargo"), &app).args(["test", "--locked"]).current_dir(&app).output();
    let tested = tested.expect("cargo runs");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}

/// Cases pass, fail with a difference, and are written anew.
fn cases(app: &Path) {
    assert_eq!(prints(app, &["test"]), "test shout ... ok\n\n1 passed, 0 failed\n");
    let path = app.join("tests/shout.toml");
    let sound = std::fs::read_to_string(&path).expect("the case is there");
    let broken = sound.replace("value = \"BYE\"", "value = \"CIAO\"").replace("dropped = 0", "dropped = 3");
    write(app, "tests/shout.toml", &broken);
    let Ran { code, out, .. } = finish(command(app, &["test"]), "");
    assert_eq!(code, Some(1));
    let expected = "\
test shout ... FAILED
  topic \"shouted\"
    key \"a\"  value \"HELLO WORLD\"  timestamp 1769860800000
  - key null  value \"CIAO\"  timestamp 1769860802000
  + key null  value \"BYE\"  timestamp 1769860802000
  dropped
  - 3
  + 0


0 passed, 1 failed
";
    assert_eq!(out, expected);
    assert_eq!(prints(app, &["test", "--update"]), "test shout ... written\n\n0 passed, 0 failed, 1 written\n");
    let written = std::fs::read_to_string(&path).expect("the case is there");
    assert_eq!(written.split("[[expect").next(), sound.split("[[expect").next(), "the inputs stay as they are");
    assert_eq!(prints(app, &["test", "--filter", "sho"]), "test shout ... ok\n\n1 passed, 0 failed\n");
    fails(app, &["test", "--filter", "none"], 2, &["MS-C014", "\"none\""]);
    write(app, "tests/wrong.toml", "[[input]]\nnoed = \"lines\"\n");
    fails(app, &["test"], 2, &["MS-C014", "wrong.toml", "line 2", "noed"]);
    write(app, "tests/wrong.toml", "[[input]]\nnode = \"line\"\n");
    fails(app, &["test"], 2, &["MS-C014", "input 1", "no source node \"line\"", "there is lines"]);
    std::fs::remove_file(app.join("tests/wrong.toml")).expect("it is there");
}

#[test]
fn a_count() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    prints(at, &["new", "tally", "--template", "count"]);
    let app = at.join("tally");
    build(&app);
    assert_eq!(prints(&app, &["test"]), "test count ... ok\n\n1 passed, 0 failed\n");
    prints(&app, &["run", "--input", "lines=input.txt", "--until-end"]);
    let counts = prints(&app, &["topic", "consume", "counts", "-s", "value=q", "-f", "%k %s,", "-c", "3"]);
    assert_eq!(counts, "hello 1,world 1,ok 1,");
    let state = |arguments: &[&str]| {
        let all = [&["state"], arguments, &["-s", "value=q", "-f", "%k=%s "]].concat();
        prints(&app, &all)
    };
    assert_eq!(state(&["range", "word-counts"]), "all=1 hello=1 kafka=1 lead=1 ok=1 streams=1 to=1 world=1 ");
    assert_eq!(state(&["range", "word-counts", "hello", "lead"]), "hello=1 kafka=1 lead=1 ");
    assert_eq!(state(&["range", "word-counts", "b", "--limit", "2"]), "hello=1 kafka=1 ");
    assert_eq!(state(&["prefix", "word-counts", "l"]), "lead=1 ");
    assert_eq!(state(&["get", "word-counts", "ok"]), "ok=1 ");
    let json = prints(&app, &["state", "get", "word-counts", "ok", "-J", "-s", "value=q"]);
    assert!(json.starts_with(r#"{"store":"word-counts","partition":0,"key":"ok","value":1,"ts":"#), "{json}");
    fails(&app, &["state", "get", "word-counts", "none"], 1, &["MS-C012", "\"none\""]);
    fails(&app, &["state", "get", "word-count", "ok"], 2, &["MS-C002", "word-counts"]);
}
