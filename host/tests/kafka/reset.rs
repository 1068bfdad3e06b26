//! `reset` on a cluster: an app begins anew, nothing of what it was before is left behind, and others are left alone.

use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Record};
use crate::host::{Ended, Host};
use crate::keys;
use crate::topic::{Said, finish, millstream};
use std::path::Path;
use std::process::Command;

/// A directory with the data of apps that read one topic.
struct Home {
    at: tempfile::TempDir,
    bootstrap: String,
    client: Client,
    input: String,
}

impl Home {
    fn new(input: &str, apps: &[&str]) -> Self {
        let at = tempfile::tempdir().expect("a directory");
        for app in apps {
            std::fs::write(at.path().join(format!("{app}.toml")), keys::counting(app, input)).expect("a manifest");
        }
        let bootstrap = Broker::shared().bootstrap();
        Self { at, client: Client::to(&bootstrap), bootstrap, input: input.into() }
    }

    fn at(&self) -> &Path {
        self.at.path()
    }

    /// Appends records of these keys, the first at this time and each a second after the one before.
    fn feed(&self, keys: &[&str], begin: i64) {
        let record = |(key, timestamp): (&&str, i64)| Record {
            key: Some(key.as_bytes().to_vec()),
            value: Some(b"v".to_vec()),
            timestamp,
            ..Record::default()
        };
        let times = (begin..).step_by(1000);
        self.client.produce(&self.input, &keys.iter().zip(times).map(record).collect::<Vec<_>>());
    }

    fn host(&self, app: &str, arguments: &[&str]) -> Host {
        let manifest = format!("{app}.toml");
        Host::run(self.at(), &self.bootstrap, &[&["--manifest", &manifest], arguments].concat())
    }

    fn ended(&self, app: &str) -> Ended {
        self.host(app, &["--until-end"]).end()
    }

    #[track_caller]
    fn run(&self, app: &str) {
        let ended = self.ended(app);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
    }

    /// Has the app work off its first records.
    #[track_caller]
    fn begins(&self, app: &str, keys: &[&str]) {
        self.client.create(&self.input, 1, &[]);
        self.feed(keys, 1000);
        self.run(app);
    }

    fn reset(&self, arguments: &str) -> Command {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        millstream(self.at(), &[&["reset", "--kafka", &self.bootstrap], &arguments[..]].concat())
    }

    /// What a reset prints that must succeed.
    #[track_caller]
    fn resets(&self, arguments: &str) -> String {
        let said = finish(self.reset(arguments), "");
        assert_eq!(said.code, Some(0), "{arguments}: {}", said.err);
        said.out
    }

    /// Rows of the store, as they lie here.
    fn counts(&self, app: &str) -> String {
        let manifest = format!("{app}.toml");
        let arguments = ["state", "range", "counts", "--manifest", &manifest, "-f", "%k=%s,"];
        let said = finish(millstream(self.at(), &arguments), "");
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out
    }

    /// Topics that an app made for itself.
    fn made_by(&self, app: &str) -> Vec<String> {
        let made = ["counts-changelog", "spread-repartition", "tasks"].map(|name| format!("{app}-{name}"));
        let there = self.client.topics();
        made.into_iter().filter(|name| there.contains_key(name)).collect()
    }
}

/// The first words of the lines below a table's header.
fn rows(said: &str, header: &str) -> Vec<String> {
    let lines = said.lines().skip_while(|line| !line.starts_with(header)).skip(1);
    let words = lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    words.map(str::to_owned).collect()
}

#[test]
fn an_app_begins_anew_and_another_is_left_alone() {
    // The name of one begins with the other's.
    let (orders, abroad) = ("anew-orders", "anew-orders-eu");
    let home = Home::new("anew-orders.in", &[orders, abroad]);
    home.client.create(&home.input, 1, &[]);
    home.feed(&["a", "b", "a"], 1000);
    for app in [orders, abroad] {
        home.run(app);
        assert_eq!(home.counts(app), "a=2,b=1,", "{app}");
    }
    let made = home.made_by(orders);
    assert_eq!(made.len(), 3, "{made:?}");
    let told = |said: &str| {
        let words: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            words[..2],
            [vec!["INPUT", "PARTITION", "COMMITTED", "NEW"], vec![&home.input, "0", "3", "0"]],
            "{said}"
        );
        assert_eq!(rows(said, "TOPIC TO DELETE"), made, "{said}");
        assert!(words.contains(&vec!["counts", "2"]) && rows(said, "STORE TO DELETE") == ["counts"], "{said}");
    };
    let by = [format!("--manifest {orders}.toml"), orders.to_owned()];
    for by in &by {
        let said = home.resets(by);
        told(&said);
        assert!(said.ends_with("\nnothing was changed; --yes does it\n"), "{by}: {said}");
    }
    assert_eq!(
        (home.made_by(orders).len(), home.counts(orders)),
        (3, "a=2,b=1,".to_owned()),
        "a dry run changes nothing"
    );
    assert_eq!(home.client.committed(orders, &home.input, 0), Some(3), "a dry run changes nothing");
    for by in &by {
        let said = home.resets(&format!("{by} --yes"));
        told(&said);
        assert!(said.ends_with("\ndone\n"), "{by}: {said}");
        assert_eq!(home.client.committed(orders, &home.input, 0), Some(0), "{by}");
        assert_eq!((home.made_by(orders), home.counts(orders)), (vec![], String::new()), "{by}");
        assert_eq!((home.made_by(abroad).len(), home.counts(abroad)), (3, "a=2,b=1,".to_owned()), "{by}");
        assert_eq!(home.client.committed(abroad, &home.input, 0), Some(3), "{by}");
        home.run(orders);
        // Were the state still there the counts would be twice as high, were the offsets still there nothing would be.
        assert_eq!(home.counts(orders), "a=2,b=1,", "{by}");
    }
    home.run(abroad);
    assert_eq!(home.counts(abroad), "a=2,b=1,");
}

#[test]
fn an_app_with_members_is_not_reset() {
    let app = "anew-busy";
    let (home, tool) = (Home::new("anew-busy.in", &[app]), Home::new("anew-busy.in", &[app]));
    home.client.create(&home.input, 1, &[]);
    let host = home.host(app, &[]);
    home.feed(&["a"], 1000);
    let positions = home.client.positions(app);
    await_that("it works", || positions.find(&home.input, 0) == Some(1));
    let refused = |said: &Said| {
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
        for word in ["error[MS-R022]", "group anew-busy has", "members", "help: stop them all first"] {
            assert!(said.err.contains(word), "it does not say {word:?} but {}", said.err);
        }
    };
    // Its data directory is in use, which another one is not.
    for arguments in ["--manifest anew-busy.toml", "--manifest anew-busy.toml --yes", "anew-busy --yes"] {
        refused(&finish(tool.reset(arguments), ""));
    }
    assert_eq!((home.made_by(app).len(), positions.find(&home.input, 0)), (3, Some(1)));
    home.feed(&["a"], 2000);
    await_that("it goes on", || positions.find(&home.input, 0) == Some(2));
    assert_eq!(host.stop().code, Some(0));
    assert_eq!(home.counts(app), "a=2,");
    tool.resets("--manifest anew-busy.toml --yes");
    assert_eq!((home.made_by(app), positions.find(&home.input, 0)), (vec![], Some(0)));
}

#[test]
fn input_is_read_on_where_it_is_asked_to_be() {
    let app = "anew-elsewhere";
    let home = Home::new("anew-elsewhere.in", &[app]);
    home.begins(app, &["k"; 4]);
    assert_eq!(home.counts(app), "k=4,");
    for (to, counted) in [
        ("--to-offset 3", "k=1,"),
        ("--shift-by -3", "k=3,"),
        ("--to-datetime 1970-01-01T00:00:03Z", "k=2,"),
        ("--to-latest", ""),
        ("--to-offset 99 --input-topics anew-elsewhere.in", ""),
    ] {
        home.resets(&format!("--manifest {app}.toml --yes {to}"));
        home.run(app);
        assert_eq!(home.counts(app), counted, "{to}");
    }
}

#[test]
fn state_that_lies_elsewhere_does_not_outlive_a_reset() {
    let app = "anew-apart";
    let (home, other) = (Home::new("anew-apart.in", &[app]), Home::new("anew-apart.in", &[app]));
    home.begins(app, &["a", "b", "a"]);
    other.run(app);
    assert_eq!(other.counts(app), "a=2,b=1,", "it is a copy of the changelog");
    home.resets(&format!("--manifest {app}.toml --yes --to-latest"));
    home.feed(&["a", "c", "d", "e", "f", "g", "h"], 4000);
    home.run(app);
    // The changelog is longer by now than what the copy had seen of the one before.
    home.feed(&["a"], 20_000);
    other.run(app);
    assert_eq!(other.counts(app), "a=2,c=1,d=1,e=1,f=1,g=1,h=1,");
}

#[cfg(feature = "kill-points")]
#[test]
fn of_two_resets_at_once_both_end_well() {
    use rustix::process::{Pid, Signal, kill_process};
    let app = "anew-twice";
    let (home, other) = (Home::new("anew-twice.in", &[app]), Home::new("anew-twice.in", &[app]));
    home.begins(app, &["a", "b", "a"]);
    let reset = format!("--manifest {app}.toml --yes");
    let first = home.reset(&reset).env("MILLSTREAM_KILL_AT", "reset-topic-deleted:1:stop").spawn().expect("it starts");
    let stat = format!("/proc/{}/stat", first.id());
    await_that("the first one is held up", || std::fs::read_to_string(&stat).expect("it is there").contains(") T "));
    other.resets(&reset);
    assert_eq!(home.made_by(app), [""; 0]);
    kill_process(Pid::from_child(&first), Signal::CONT).expect("a child gets a signal");
    let first = first.wait_with_output().expect("it ends");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    home.run(app);
    assert_eq!(home.counts(app), "a=2,b=1,");
}

/// A reset that is killed leaves an app that does not run until the reset is done, and is right then.
#[cfg(feature = "kill-points")]
#[test]
fn a_reset_that_is_killed_is_done_by_the_next_one() {
    use std::os::unix::process::ExitStatusExt;
    let app = "anew-killed";
    let home = Home::new("anew-killed.in", &[app]);
    home.begins(app, &["a", "b", "a"]);
    for place in ["reset-topic-deleted:1", "reset-topic-deleted:3", "reset-store-dropped:1", "reset-offsets-moved:1"] {
        let reset = format!("--manifest {app}.toml --yes");
        let killed = home.reset(&reset).env("MILLSTREAM_KILL_AT", place).status();
        assert_eq!(killed.expect("it starts").signal(), Some(9), "{place}");
        home.ended(app).says(&["error[MS-R023]", "millstream reset --yes --kafka BROKERS"]);
        home.resets(&reset);
        home.run(app);
        assert_eq!(home.counts(app), "a=2,b=1,", "{place}");
    }
}

#[cfg(feature = "kill-points")]
#[test]
fn a_reset_on_a_cluster_is_not_finished_by_one_without() {
    let app = "anew-without";
    let home = Home::new("anew-without.in", &[app]);
    home.begins(app, &["a"]);
    let reset = format!("--manifest {app}.toml --yes");
    home.reset(&reset).env("MILLSTREAM_KILL_AT", "reset-topic-deleted:1").status().expect("it starts");
    let without = ["reset", "--manifest", &format!("{app}.toml"), "--yes"];
    let said = finish(millstream(home.at(), &without), "");
    assert_eq!((said.code, home.counts(app).as_str()), (Some(0), ""), "{}", said.err);
    home.ended(app).says(&["error[MS-R023]"]);
    home.resets(&reset);
    home.run(app);
    assert_eq!(home.counts(app), "a=1,");
}
