//! What is wrong with a manifest, and what help says.

use crate::{fails, prints, ran, write};

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
