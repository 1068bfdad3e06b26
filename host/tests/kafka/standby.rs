//! Copies of each other's stores: kept by processes that work on other tasks, and used when one of them dies.

use crate::await_that;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record};
use crate::host::Host;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const MANIFEST: &str = "manifest = 1
app = \"standby\"
[node.rows]
op = \"table\"
topic = \"standby.in\"
store = \"rows\"
changelog = true
";
const CONFIG: &str = "[transport.kafka]\nstandby = 1\nsession-timeout = \"2s\"\n";
const PARTITIONS: i32 = 4;
/// How long a question may wait for an answer, and a time in which some wait for longer.
const QUESTIONS: &str = "[transport.kafka.properties]\n\"socket.timeout.ms\" = 1000\n";
const OUTAGE: Duration = Duration::from_secs(6);

/// A process's directory, for the app of the manifest under this name.
fn place(app: &str) -> tempfile::TempDir {
    let at = tempfile::tempdir().expect("a directory");
    let manifest = MANIFEST.replace("\"standby", &format!("\"{app}"));
    std::fs::write(at.path().join("millstream.toml"), manifest).expect("a manifest");
    std::fs::write(at.path().join("host.toml"), CONFIG).expect("a configuration");
    at
}

/// Rows of the store that lie with the process that runs here.
fn rows(at: &Path) -> usize {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let found = command.args(["state", "range", "rows", "-f", "%k\\n"]).current_dir(at).output().expect("it runs");
    String::from_utf8_lossy(&found.stdout).lines().count()
}

/// Records whose keys go round the partitions.
pub(crate) fn numbered(numbers: std::ops::Range<usize>, partitions: i32) -> Vec<Record> {
    let text = |number: usize| Some(number.to_string().into_bytes());
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a partition")]
    let partition = |number: usize| (number % partitions as usize) as i32;
    let record = |number: usize| Record {
        partition: partition(number),
        key: text(number),
        value: text(number),
        timestamp: 1,
        ..Record::default()
    };
    numbers.map(record).collect()
}

#[test]
fn every_process_has_all_rows_and_goes_on_with_those_of_the_dead() {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    client.create("standby.in", PARTITIONS, &[]);
    client.produce("standby.in", &numbered(0..400, PARTITIONS));
    let (one, two) = (place("standby"), place("standby"));
    let run = |at: &Path| Host::run(at, &bootstrap, &["--config", "host.toml"]);
    let (first, second) = (run(one.path()), run(two.path()));
    // Each works on half of the tasks and has a copy of the other half.
    await_that("both have all rows", || rows(one.path()) == 400 && rows(two.path()) == 400);
    drop(first);
    client.produce("standby.in", &numbered(400..800, PARTITIONS));
    await_that("the other one works on all of it", || rows(two.path()) == 800);
    let ended = second.stop();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(rows(two.path()), 800);
}

/// Records that a process read from changelogs to restore the stores of tasks, as it logged it after its first `from` bytes.
pub(crate) fn restored(log: &str, from: usize) -> u64 {
    let told = log[from..].lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let fields = told.map(|line| line["fields"].clone());
    let done = fields.filter(|fields| fields["message"].as_str().is_some_and(|text| text.ends_with("changelog: done")));
    done.map(|fields| fields["records"].as_u64().expect("a number")).sum()
}

/// Copies are where tasks are to go.
#[test]
fn of_three_processes_those_that_have_the_copies_go_on_with_the_tasks_of_the_dead() {
    const APP: &str = "inherited";
    const TASKS: i32 = 12;
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    let (input, changelog) = (format!("{APP}.in"), format!("{APP}-rows-changelog"));
    client.create(&input, TASKS, &[]);
    let places = [APP; 3].map(place);
    let run = |at: &tempfile::TempDir| Host::run(at.path(), &bootstrap, &["--config", "host.toml", "--workers", "1"]);
    let hosts = places.each_ref().map(run);
    let tasks_of_each = |processes: usize| {
        let tasks = client.tasks_of_members(APP);
        tasks.len() == processes && tasks.iter().all(|tasks| *tasks == 12 / processes)
    };
    await_that("each has four tasks", || tasks_of_each(3));
    // The second time those that are not to have copies any more have let go of them.
    let held = || places.iter().map(|at| rows(at.path())).sum::<usize>();
    client.produce(&input, &numbered(0..1200, TASKS));
    await_that("each row is held by two", || held() >= 2400);
    let before = held();
    client.produce(&input, &numbered(1200..2400, TASKS));
    await_that("each row is held by two", || held() == before + 2400);
    let logged = hosts.each_ref().map(|host| host.log().len());
    let [first, second, third] = hosts;
    drop(first);
    await_that("each has six tasks", || tasks_of_each(2));
    client.produce(&input, &numbered(2400..2412, TASKS));
    await_that("all go on", || client.read(&changelog, Isolation::Committed).len() == 2412);
    // Before one of them ends: the other takes over what that one had.
    let logs = [second.log(), third.log()];
    let inherited = [(&logs[0], logged[1]), (&logs[1], logged[2])].map(|(log, from)| restored(log, from));
    assert_eq!(inherited, [0, 0], "records that were restored, where copies should have been: {logs:#?}");
}

/// Tasks would stand still while whoever gets them restores their stores.
#[test]
fn who_comes_to_a_group_at_work_has_copies_before_it_takes_tasks() {
    const APP: &str = "warm";
    const TASKS: i32 = 12;
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    let (input, changelog) = (format!("{APP}.in"), format!("{APP}-rows-changelog"));
    client.create(&input, TASKS, &[]);
    let run = || {
        let at = place(APP);
        let config = "[transport.kafka]\nacceptable-recovery-lag = 0\n";
        std::fs::write(at.path().join("host.toml"), config).expect("a configuration");
        let host = Host::run(at.path(), &bootstrap, &["--config", "host.toml", "--workers", "2"]);
        (host, at)
    };
    let mut produced = 0;
    let mut all_go_on = |more: usize| {
        client.produce(&input, &numbered(produced..produced + more, TASKS));
        produced += more;
        await_that("all goes on", || client.read(&changelog, Isolation::Committed).len() == produced);
    };
    let shared_by = |processes: usize| {
        await_that("the tasks are shared", || {
            let tasks = client.tasks_of_members(APP);
            tasks.len() == 2 * processes && tasks.iter().all(|tasks| *tasks == 6 / processes)
        });
    };
    let first = run();
    shared_by(1);
    all_go_on(1200);
    let second = run();
    shared_by(2);
    all_go_on(12);
    let third = run();
    shared_by(3);
    all_go_on(12);
    // Before any of them ends and leaves its tasks to others.
    let restored = [&first, &second, &third].map(|(host, _at)| restored(&host.log(), 0));
    assert_eq!(restored, [0; 3], "records that were restored, where copies should have been");
}

/// No process has copies of others' tasks here, and none is a member any more when they come back.
#[test]
fn all_that_start_anew_get_the_tasks_whose_state_they_have() {
    const APP: &str = "restarted";
    const TASKS: i32 = 12;
    // Kafka's default: so long a new group waits for all to come.
    let broker = Broker::start(1, &["group.initial.rebalance.delay.ms=3000"]);
    let bootstrap = broker.bootstrap();
    let client = Client::to(&bootstrap);
    let (input, changelog) = (format!("{APP}.in"), format!("{APP}-rows-changelog"));
    client.create(&input, TASKS, &[]);
    let places = [APP; 3].map(place);
    let mut produced = 0;
    // By another name each time: where names decide, each gets other tasks than it had.
    let mut run = |names: [&str; 3]| {
        let start = |place: usize| {
            let (at, name) = (places[place].path(), names[place]);
            let config = format!("[transport.kafka]\ninstance = \"{name}\"\nacceptable-recovery-lag = 0\n");
            std::fs::write(at.join("host.toml"), config).expect("a configuration");
            Host::run(at, &bootstrap, &["--config", "host.toml", "--workers", "2"])
        };
        let hosts = [0, 1, 2].map(start);
        await_that("the tasks are shared", || {
            let tasks = client.tasks_of_members(APP);
            tasks.len() == 6 && tasks.iter().all(|tasks| *tasks == 2)
        });
        client.produce(&input, &numbered(produced..produced + 1200, TASKS));
        produced += 1200;
        await_that("all goes on", || client.read(&changelog, Isolation::Committed).len() == produced);
        let ended = hosts.map(|host| {
            host.signal(rustix::process::Signal::TERM);
            host
        });
        ended.map(|host| restored(&host.end().log, 0))
    };
    run(["a", "b", "c"]);
    assert_eq!(run(["c", "a", "b"]), [0; 3], "records that were restored, where the state lay somewhere");
    assert_eq!(run(["a", "c", "b"]), [0; 3], "records that were restored, where the state lay somewhere");
}

/// Who keeps copies asks the group's coordinator all the time. librdkafka ends the process when one comes back for which a
/// question waited too long.
#[test]
fn a_coordinator_that_is_away_for_longer_than_questions_wait_ends_nobody() {
    let mut broker = Broker::start(1, &[]);
    let bootstrap = broker.bootstrap();
    let client = Client::to(&bootstrap);
    client.create("standby.in", PARTITIONS, &[]);
    client.produce("standby.in", &numbered(0..4, PARTITIONS));
    let at = place("standby");
    std::fs::write(at.path().join("host.toml"), format!("{CONFIG}{QUESTIONS}")).expect("a configuration");
    let host = Host::run(at.path(), &bootstrap, &["--config", "host.toml"]);
    await_that("it runs", || rows(at.path()) == 4);
    broker.pause(1);
    // The time is the fault itself; nothing waits for anything here.
    std::thread::sleep(OUTAGE);
    broker.resume(1);
    client.produce("standby.in", &numbered(4..8, PARTITIONS));
    await_that("it goes on", || rows(at.path()) == 8);
    assert_eq!(host.stop().code, Some(0));
}
