//! A component is compiled once; what lies in the cache is not trusted blindly.

use crate::harness::guest;
use millstream::plugin::{AdmissionError, Compiler, Limits, Plugins};
use std::path::{Path, PathBuf};

fn admit(compiler: &str, cache: &Path, limits: Limits) -> Result<(), AdmissionError> {
    let bytes = std::fs::read(guest("hostile")).expect("a guest");
    Plugins::new(Compiler::at(compiler), Some(cache)).admit("p", &bytes, limits).map(drop)
}

fn files(cache: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(cache).expect("a cache").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

const GOOD: &str = env!("CARGO_BIN_EXE_millstream");
const NONE: &str = "/nonexistent/compiler";

#[test]
fn compiles_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let compiled_by = |compiler| admit(compiler, directory.path(), Limits::default());
    assert!(matches!(compiled_by(NONE), Err(AdmissionError::Compiler(_))));
    compiled_by(GOOD).expect("compiled");
    compiled_by(NONE).expect("taken from the cache");
    assert_eq!(files(directory.path()).len(), 1);
}

#[test]
fn a_damaged_file_is_compiled_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let compiled_by = |compiler| admit(compiler, directory.path(), Limits::default());
    compiled_by(GOOD).expect("compiled");
    let [file] = &files(directory.path())[..] else { panic!("one file") };
    let mut bytes = std::fs::read(file).expect("code");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).expect("damage");
    assert!(matches!(compiled_by(NONE), Err(AdmissionError::Compiler(_))), "it would have run damaged code");
    compiled_by(GOOD).expect("compiled again");
    compiled_by(NONE).expect("taken from the cache");
}

#[test]
fn trusted_code_is_other_code() {
    let directory = tempfile::tempdir().expect("a directory");
    admit(GOOD, directory.path(), Limits::default()).expect("compiled");
    let trusted = Limits { trusted: true, ..Limits::default() };
    assert!(admit(NONE, directory.path(), trusted).is_err(), "code with checks passed for code without");
    admit(GOOD, directory.path(), trusted).expect("compiled");
    assert_eq!(files(directory.path()).len(), 2);
}

#[test]
fn goes_without_a_cache_where_there_can_be_none() {
    admit(GOOD, Path::new("/proc/no-such-place"), Limits::default()).expect("compiled");
}
