//! Components that are turned away, each by name and code, before a record is read.

use crate::harness::{App, Record, guest, wasi_guest};
use millstream::plugin::{AdmissionError, Compiler, Limits, Plugins, Refusal};
use std::path::{Path, PathBuf};

fn admit(component: &Path) -> Result<(), AdmissionError> {
    let bytes = std::fs::read(component).expect("a guest");
    let plugins = Plugins::new(Compiler::at(env!("CARGO_BIN_EXE_millstream")), None);
    plugins.admit("p", &bytes, Limits::default()).map(drop)
}

fn file(directory: &Path, bytes: &[u8]) -> PathBuf {
    let path = directory.join("p.wasm");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// The whole program says it as well, and takes no record.
#[track_caller]
fn run_says(component: PathBuf, node: &'static str, code: i32, words: &[&str]) {
    let ran = App::over(component, node, vec![Record::of("1")]).run();
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{word} is not in {}", ran.stderr);
    }
    assert!(ran.out.is_empty());
    assert_eq!(ran.committed, None);
}

const OBEY: &str = "op = \"map-values\"\ncall = \"p.obey\"";

#[test]
fn a_file_that_is_no_component() {
    let directory = tempfile::tempdir().expect("a directory");
    run_says(file(directory.path(), b"hello"), OBEY, 1, &["MS-P002", "does not begin like WebAssembly"]);
    let truncated = std::fs::read(guest("hostile")).expect("a guest");
    run_says(file(directory.path(), &truncated[..truncated.len() / 2]), OBEY, 1, &["MS-P002"]);
}

#[test]
fn a_component_that_is_no_plugin() {
    let directory = tempfile::tempdir().expect("a directory");
    run_says(file(directory.path(), b"\0asm\x0d\0\x01\0"), OBEY, 1, &["MS-P003", "millstream:plugin/plugin@0.1.0"]);
}

#[test]
fn an_operator_that_is_not_there() {
    let words =
        ["MS-T015", "has no operator \\\"obay\\\"", "did you mean \\\"obey\\\"?"].map(|word| word.replace('\\', ""));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run_says(guest("hostile"), "op = \"map-values\"\ncall = \"p.obay\"", 2, &words);
    run_says(guest("hostile"), "op = \"filter\"\ncall = \"p.obey\"", 2, &["MS-T016", "of kind \"map-values\""]);
}

#[test]
fn an_operator_without_its_interface() {
    let node = "op = \"aggregate\"\ncall = \"p.sum\"\nstore = \"Sums\"";
    run_says(guest("halved"), node, 1, &["MS-P011", "operator \"sum\"", "interface \"fold\""]);
}

#[test]
fn a_plugin_that_wants_sockets() {
    let node = "op = \"filter\"\ncall = \"p.call-home\"";
    run_says(wasi_guest("sockets"), node, 1, &["MS-P004", "wasi:sockets/tcp@0.2", "plugins have no network"]);
}

#[test]
fn a_plugin_that_wants_a_clock() {
    let refused = match admit(&wasi_guest("clocks")) {
        Err(AdmissionError::Refused(Refusal::Imports(imports))) => imports,
        other => panic!("{other:?}"),
    };
    assert!(refused.iter().any(|import| import.starts_with("wasi:clocks/monotonic-clock@0.2")), "{refused:?}");
    assert!(refused.iter().all(|import| import.starts_with("wasi:clocks/")), "{refused:?}");
}

/// Admits a guest under limits that it cannot keep, and gives what is said.
fn said_of(guest: PathBuf, limits: Limits) -> String {
    let bytes = std::fs::read(guest).expect("a guest");
    let plugins = Plugins::new(Compiler::at(env!("CARGO_BIN_EXE_millstream")), None);
    plugins.admit("p", &bytes, limits).map(drop).expect_err("it cannot describe itself").to_string()
}

#[test]
fn a_description_takes_no_more_than_its_memory() {
    let said = said_of(guest("hostile"), Limits { memory_bytes: 1 << 16, ..Limits::default() });
    assert!(said.starts_with("MS-P006") && said.contains("65536 bytes of memory"), "{said}");
}

#[test]
fn a_description_takes_no_longer_than_its_deadline() {
    let deadline = std::time::Duration::from_millis(20);
    let said = said_of(guest("endless"), Limits { deadline, ..Limits::default() });
    assert!(said.starts_with("MS-P006") && said.contains("did not return within 20 ms"), "{said}");
}
