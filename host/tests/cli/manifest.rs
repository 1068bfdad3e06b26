//! What is wrong with a manifest, and what help says.

use crate::{Ran, command, fails, finish, prints, ran, write};

#[test]
fn every_problem_is_said_at_once_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let text = r#"manifest = 1
app = "broken"

[plugin.gone]
component = "gone.wasm"

[plugin.text]
component = "text.wasm"

[node.lines]
op = "stream"
topic = "in"

[node.out]
op = "to"
form = "lines"
topic = "out"
"#;
    write(at, "millstream.toml", text);
    write(at, "text.wasm", "no wasm");
    let words = [
        "error[MS-R007]: component \"gone.wasm\" cannot be read",
        "millstream.toml:4",
        "help: build it with millstream build",
        "MS-P002",
        "millstream.toml:7",
        "\"form\"",
        "did you mean \"from\"?",
        "millstream.toml:16",
    ];
    fails(at, &["check"], 2, &words);
    write(at, "millstream.toml", &text.replace("form", "from"));
    fails(at, &["check"], 1, &["MS-R007", "MS-P002"]);
}

#[test]
fn a_missing_manifest_and_a_missing_crate_say_how_to_begin() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    fails(at, &["check"], 1, &["MS-R001", "millstream.toml", "millstream new"]);
    fails(at, &["build"], 2, &["MS-B001", "Cargo.toml", "millstream new"]);
    fails(at, &["plugin", "inspect", "none.wasm"], 1, &["MS-C013", "none.wasm"]);
}

#[test]
fn help_tells_exit_codes_and_shells_are_served() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    for arguments in [&["--help"][..], &["run", "--help"]] {
        let help = prints(at, arguments);
        assert!(help.contains("Exit codes:") && help.contains("130  interrupted twice"), "{help}");
    }
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef millstream"), ("fish", "complete -c millstream")] {
        assert!(prints(at, &["completions", shell]).contains(sign), "{shell}");
    }
    assert_eq!(ran(at, &["chekc"]).code, Some(2));
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let directory = tempfile::tempdir().expect("a directory");
    let names = ["MILLSTREAM_DATA_DIR", "MILLSTREAM_KAFKA", "MILLSTREAM_CONFIG"];
    for arguments in [&["run", "--help"][..], &["reset", "--help"], &["topic", "list", "--help"], &["help", "run"]] {
        let mut command = command(directory.path(), arguments);
        command.envs(names.map(|name| (name, "orders:hunter2@one.example:9092")));
        let help = finish(command, "").out;
        assert!(names.iter().all(|name| help.contains(name)), "{help}");
        assert!(!help.contains("hunter2"), "{help}");
    }
}

#[test]
fn brokers_with_a_password_among_them_are_refused_and_not_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let brokers = "sasl_ssl://orders:hunter2@one.example:9092";
    let by_option = ran(directory.path(), &["topic", "list", "--kafka", brokers]);
    let mut by_environment = command(directory.path(), &["topic", "list"]);
    by_environment.env("MILLSTREAM_KAFKA", brokers);
    for Ran { code, out, err } in [by_option, finish(by_environment, "")] {
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        for word in ["error[MS-C001]", "--kafka", "help: write HOST:PORT", "--config"] {
            assert!(err.contains(word), "it does not say {word:?} but {err}");
        }
        assert!(!err.contains("hunter2"), "{err}");
    }
}
