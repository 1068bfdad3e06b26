//! The process that compiles bounds itself before it looks at what it is given.

use crate::harness::guest;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

#[test]
fn bounds_itself_before_it_reads() {
    let component = std::fs::read(guest("hostile")).expect("a guest");
    // More than a pipe holds: once it is written the child has begun to read.
    assert!(component.len() > 1 << 16);
    let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .arg("compile-plugin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&component).expect("the child reads");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).expect("the child is there");
    for bound in ["Max address space 4294967296 4294967296", "Max cpu time 240 240", "Max file size 0 0"] {
        let found = limits.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(bound));
        assert!(found, "{bound} is not in\n{limits}");
    }
    drop(input);
    let mut answer = Vec::new();
    child.stdout.take().expect("a pipe").read_to_end(&mut answer).expect("an answer");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(answer.first(), Some(&b'+'), "within its bounds it compiles");
}
