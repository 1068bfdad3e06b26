//! `reset` and `topic delete`: an app begins anew, and nothing of what it was before is left behind.

#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

#[path = "../kafka/keys.rs"]
mod keys;

use std::path::Path;
use std::process::{Command, Output};

/// An app that counts keys, and writes what it counts. The same under two names, of which one begins with the other.
fn manifest(app: &str) -> String {
    let out = format!("[node.out]\nop = \"to\"\nfrom = \"counts\"\ntopic = \"{app}-out\"\n");
    keys::counting(app, "in") + &out
}

struct Home(tempfile::TempDir);

impl Home {
    fn new(apps: &[&str]) -> Self {
        let home = Self(tempfile::tempdir().expect("a directory"));
        for app in apps {
            std::fs::write(home.at().join(format!("{app}.toml")), manifest(app)).expect("it is written");
        }
        home
    }

    fn at(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
        command.current_dir(self.at()).args(line.split(' ')).env_remove("MILLSTREAM_DATA_DIR").env_remove("RUST_LOG");
        command
    }

    /// What a command prints that must succeed.
    #[track_caller]
    fn prints(&self, line: &str) -> String {
        let Output { status, stdout, stderr } = self.command(line).output().expect("it starts");
        assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).expect("it is UTF-8")
    }

    /// What a command says that must fail.
    #[track_caller]
    fn fails(&self, line: &str, code: i32) -> String {
        let Output { status, stderr, .. } = self.command(line).output().expect("it starts");
        let said = String::from_utf8(stderr).expect("it is UTF-8");
        assert_eq!(status.code(), Some(code), "{line}: {said}");
        said
    }

    fn produce(&self, lines: &str) {
        std::fs::write(self.at().join("lines.txt"), lines).expect("it is written");
        self.prints("topic produce in lines.txt -K :");
    }

    fn run(&self, app: &str) {
        self.prints(&format!("--quiet run --until-end --manifest {app}.toml"));
    }

    fn counts(&self, app: &str) -> String {
        self.prints(&format!("state range counts --manifest {app}.toml -f %k=%s, "))
    }
}

#[test]
fn an_app_begins_anew_and_another_is_left_alone() {
    let home = Home::new(&["orders", "orders-eu"]);
    home.prints("topic create in");
    home.produce("a:1\nb:1\na:2\n");
    for app in ["orders", "orders-eu"] {
        home.run(app);
        assert_eq!(home.counts(app), "a=2,b=1,", "{app}");
    }
    let all = home.prints("topic list");
    let told = "\
INPUT  PARTITION  COMMITTED  NEW
in     0          3          0

TOPIC TO DELETE            RECORDS
orders-counts-changelog    2
orders-spread-repartition  3

STORE TO DELETE  ROWS
counts           2

";
    for by in ["--manifest orders.toml", "orders"] {
        assert_eq!(home.prints(&format!("reset {by}")), format!("{told}nothing was changed; --yes does it\n"), "{by}");
    }
    assert_eq!(home.prints("topic list"), all, "a dry run changes nothing");
    for by in ["--manifest orders.toml", "orders"] {
        assert_eq!(home.prints(&format!("reset {by} --yes")), format!("{told}done\n"), "{by}");
        assert_eq!(home.counts("orders-eu"), "a=2,b=1,");
        let left = home.prints("topic list");
        assert!(!left.contains("orders-counts") && left.contains("orders-eu-counts-changelog"), "{left}");
        home.run("orders");
        // Were the state still there the counts would be twice as high, were the offsets still there nothing would be.
        assert_eq!(home.counts("orders"), "a=2,b=1,", "{by}");
    }
    home.run("orders-eu");
    assert_eq!(home.counts("orders-eu"), "a=2,b=1,");
}

#[test]
fn input_is_read_on_where_it_is_asked_to_be() {
    let home = Home::new(&["orders"]);
    home.prints("topic create in");
    for time in ["1000", "2000", "3000", "4000"] {
        std::fs::write(home.at().join("lines.txt"), "k:v\n").expect("it is written");
        home.prints(&format!("topic produce in lines.txt -K : -T {time}"));
    }
    home.run("orders");
    assert_eq!(home.counts("orders"), "k=4,");
    for (to, counted) in [
        ("--to-offset 3", "k=1,"),
        ("--to-latest", ""),
        ("--shift-by -3", "k=3,"),
        ("--to-datetime 1970-01-01T00:00:03Z", "k=2,"),
        ("--to-offset 99", ""),
        ("--shift-by -99", "k=4,"),
        ("--by-duration 1h", ""),
        ("--to-earliest --input-topics in", "k=4,"),
    ] {
        home.prints(&format!("reset --manifest orders.toml --yes {to}"));
        home.run("orders");
        assert_eq!(home.counts("orders"), counted, "{to}");
    }
}

#[test]
fn what_cannot_be_reset_is_told() {
    let home = Home::new(&["orders"]);
    assert!(home.fails("reset --manifest orders.toml", 1).contains("MS-S005"));
    home.prints("topic create other");
    assert!(home.fails("reset --manifest orders.toml", 1).contains("MS-C018"));
    assert!(home.fails("reset order", 1).contains("MS-C018"));
    home.run("orders");
    let said = home.fails("reset --manifest orders.toml --input-topics inn", 1);
    assert!(said.contains("MS-R021") && said.contains("did you mean \"in\"?"), "{said}");
    assert!(home.fails("reset --manifest orders.toml --to-datetime noon", 2).contains("MS-C009"));
    assert!(home.fails("reset --manifest orders.toml --by-duration long", 2).contains("MS-C009"));
    home.fails("reset --manifest orders.toml --to-latest --to-offset 3", 2);
    home.fails("reset orders --manifest orders.toml", 2);
    let mut run = home.command("--quiet run --manifest orders.toml").spawn().expect("it starts");
    // The socket is there when it works.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !home.at().join(".millstream/millstream.sock").exists() {
        assert!(std::time::Instant::now() < deadline, "the host did not start");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(home.fails("reset --manifest orders.toml --yes", 1).contains("MS-S001"));
    assert!(home.fails("topic delete other --yes", 1).contains("MS-R024"));
    run.kill().expect("it is killed");
    run.wait().expect("it ends");
}

#[test]
fn topics_are_deleted_all_or_none() {
    let home = Home::new(&["orders"]);
    home.prints("topic create in -p 2");
    home.prints("topic create other");
    home.produce("a:1\na:2\n");
    let said = home.prints("topic delete in other");
    assert_eq!(
        said,
        "would delete in with 2 partitions and 2 records\nwould delete other with 1 partition and 0 records\n\
         nothing was changed; --yes does it\n"
    );
    let missing = home.fails("topic delete in othr --yes", 1);
    assert!(missing.contains("MS-C003") && missing.contains("did you mean \"other\"?"), "{missing}");
    assert!(home.prints("topic list").contains("in "), "none was deleted");
    assert!(home.prints("topic delete in --yes").starts_with("deleted in with 2 partitions and 2 records\n"));
    assert!(home.fails("topic consume in", 1).contains("MS-C003"));
    home.prints("topic create in");
    assert_eq!(home.prints("topic consume in -f %s"), "");
}

/// A reset that is killed leaves an app that does not run until the reset is done, and is right then.
#[cfg(feature = "kill-points")]
#[test]
fn killed_in_the_middle() {
    use std::os::unix::process::ExitStatusExt;
    let places = ["reset-topic-deleted:1", "reset-topic-deleted:2", "reset-store-dropped:1", "reset-offsets-moved:1"];
    for place in places {
        let home = Home::new(&["orders"]);
        home.prints("topic create in");
        home.produce("a:1\nb:1\na:2\n");
        home.run("orders");
        let killed = home.command("reset --manifest orders.toml --yes").env("MILLSTREAM_KILL_AT", place).status();
        assert_eq!(killed.expect("it starts").signal(), Some(9), "{place}");
        let refused = home.fails("--quiet run --until-end --manifest orders.toml", 1);
        assert!(refused.contains("MS-R023") && refused.contains("millstream reset --yes"), "{place}: {refused}");
        home.prints("reset --manifest orders.toml --yes");
        home.run("orders");
        assert_eq!(home.counts("orders"), "a=2,b=1,", "{place}");
    }
}
