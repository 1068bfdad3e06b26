//! A full disk, with the real binary: the run waits for room, and goes on as if nothing had been.

use super::{append, log, numbers};
use millstream::record::Topic;
use millstream::transport::{TopicSpec, Transport};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const MANIFEST: &str = r#"
manifest = 1
app = "app"
[node.lines]
op = "stream"
topic = "in"
[node.rows]
op = "to-table"
from = "lines"
store = "rows"
changelog = true
[node.back]
op = "to-stream"
from = "rows"
[node.out]
op = "to"
from = "back"
topic = "out"
"#;
const RECORDS: u32 = 3000;

/// A small disk in memory; unmounted at the end.
struct Disk(PathBuf);

impl Disk {
    /// None, told loudly, where mounting is not permitted.
    fn mount(at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256m", "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.into())),
            Ok(output) => skip(&String::from_utf8_lossy(&output.stderr)),
            Err(error) => skip(&error.to_string()),
        }
    }

    /// Fills the disk but for so many bytes. Says with what.
    fn fill(&self, left: u64) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        let block = vec![0; 64 << 10];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        file.set_len(file.metadata().unwrap().len() - left).unwrap();
        ballast
    }
}

fn skip<T>(why: &str) -> Option<T> {
    eprintln!("SKIPPED: the tests of a full disk, because no tmpfs can be mounted here: {}", why.trim());
    None
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

struct Host(Child);

impl Host {
    fn start(disk: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.arg("--data-dir").arg(disk.join("data")).arg("run").arg("--manifest").arg(disk.join("millstream.toml"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A disk with an app and its input, all of it flushed.
fn made(at: &Path) -> Option<Disk> {
    let disk = Disk::mount(at)?;
    std::fs::write(at.join("millstream.toml"), MANIFEST).unwrap();
    let mut log = log(&at.join("data")).unwrap();
    for topic in ["in", "out"] {
        log.create_topic(&TopicSpec::new(Topic::new(topic), 1)).unwrap();
    }
    append(&mut log, "in", 0..RECORDS, 10_000);
    drop(log);
    // What a start finds in the write-ahead log it writes into tables.
    drop(super::log(&at.join("data")).unwrap());
    Some(disk)
}

#[test]
fn a_run_waits_for_room_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = made(directory.path()) else { return };
    let ballast = disk.fill(8 << 20);
    let mut host = Host::start(&disk.0);
    let mut lines = BufReader::new(host.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let refused = lines.find(|line| line.contains("commit refused")).expect("a line about the full disk");
    assert!(refused.contains("No space left on device"), "{refused}");
    // It is tried again and again: more than the first time.
    assert!(lines.any(|line| line.contains("commit refused")));
    std::fs::remove_file(ballast).unwrap();
    let drain = std::thread::spawn(move || lines.for_each(drop));
    let mut follow = Command::new(env!("CARGO_BIN_EXE_millstream"));
    follow
        .arg("--data-dir")
        .arg(disk.0.join("data"))
        .args(["topic", "consume", "out", "--follow", "--format", r"%o\n"]);
    let mut follower = follow.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let offsets = BufReader::new(follower.stdout.take().unwrap()).lines();
    let last = offsets.map(Result::unwrap).find(|offset| *offset == (RECORDS - 1).to_string());
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert!(last.is_some(), "all records come through");
    host.signal(Signal::TERM);
    assert!(host.0.wait().unwrap().success());
    drain.join().unwrap();
    let mut log = log(&disk.0.join("data")).unwrap();
    for topic in ["in", "out", "app-rows-changelog"] {
        let found = numbers(&mut log, topic).unwrap();
        assert!(found == (0..RECORDS).collect::<Vec<_>>(), "{topic}: {} of {RECORDS}", found.len());
    }
}

#[test]
fn a_run_that_is_stopped_on_a_full_disk_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let Some(disk) = made(directory.path()) else { return };
    let ballast = disk.fill(8 << 20);
    let mut host = Host::start(&disk.0);
    let mut lines = BufReader::new(host.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("commit refused")).expect("a line about the full disk");
    host.signal(Signal::TERM);
    let told = lines.find(|line| line.contains("MS-S004")).expect("what became of it");
    assert!(told.contains("No space left on device"), "{told}");
    assert_eq!(host.0.wait().unwrap().code(), Some(1));
    std::fs::remove_file(ballast).unwrap();
    let mut again = Command::new(env!("CARGO_BIN_EXE_millstream"));
    again.arg("--data-dir").arg(disk.0.join("data")).args(["run", "--until-end", "--manifest"]);
    let again = again.arg(disk.0.join("millstream.toml")).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let mut log = log(&disk.0.join("data")).unwrap();
    for topic in ["out", "app-rows-changelog"] {
        assert!(numbers(&mut log, topic).unwrap() == (0..RECORDS).collect::<Vec<_>>(), "{topic}");
    }
}
