//! The `millstream` binary: parse arguments, run, turn an error into text and an exit code.
fn main() {}
