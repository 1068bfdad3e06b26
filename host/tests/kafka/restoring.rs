//! Restores beside tasks that run.

use crate::broker::Broker;
use crate::client::{Client, Isolation, Record, send};
use crate::host::Host;
use crate::standby::{numbered, restored};
use crate::{PATIENCE, await_that};
use rdkafka::producer::Producer;

const APP: &str = "beside";
const NODES: &str = "[node.rows]
op = \"table\"
topic = \"beside.in\"
store = \"rows\"
changelog = true
[node.back]
op = \"to-stream\"
from = \"rows\"
[node.out]
op = \"to\"
from = \"back\"
topic = \"beside.out\"
";
/// Rows of each of the two tasks.
const ROWS: usize = 3000;
/// Rows that a restore cannot get at until the transaction ends that writes them.
const HELD: usize = 3;
/// Records, one after the other, that the other task works off meanwhile.
const ROUNDS: usize = 10;

fn place() -> tempfile::TempDir {
    let at = tempfile::tempdir().expect("a directory");
    std::fs::write(at.path().join("millstream.toml"), format!("manifest = 1\napp = \"{APP}\"\n{NODES}"))
        .expect("a manifest");
    at
}

/// The record of this number, whose partition is 0 or 1 by whether it is even.
fn one(number: usize) -> Vec<Record> {
    numbered(number..number + 1, 2)
}

/// One worker has both tasks here: while it restores the store of one, as long as the test wants, it works on the other.
#[test]
fn a_task_goes_on_and_commits_while_its_worker_restores_the_store_of_another() {
    let bootstrap = Broker::shared().bootstrap();
    let client = Client::to(&bootstrap);
    let [input, output] = ["in", "out"].map(|topic| format!("{APP}.{topic}"));
    let changelog = format!("{APP}-rows-changelog");
    [&input, &output].iter().for_each(|topic| client.create(topic, 2, &[]));
    client.produce(&input, &numbered(0..2 * ROWS, 2));
    let ended = Host::until_end(place().path(), &bootstrap);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let somebody = client.transactional("beside-somebody");
    somebody.begin_transaction().expect("a transaction begins");
    let held: Vec<Record> = (0..HELD).flat_map(|number| one(1_000_000 + 2 * number)).collect();
    send(&somebody, &changelog, &held);
    somebody.flush(PATIENCE).expect("the broker takes them");
    // Where nothing lies: all is to be restored.
    let at = place();
    let host = Host::run(at.path(), &bootstrap, &["--workers", "1"]);
    let keys = || {
        let records = client.read(&output, Isolation::Committed).into_iter();
        let key =
            |record: Record| String::from_utf8_lossy(&record.key.expect("a key")).parse::<usize>().expect("a number");
        let mut keys: Vec<usize> = records.map(key).filter(|key| *key >= 2 * ROWS).collect();
        keys.sort_unstable();
        keys
    };
    client.produce(&input, &one(2 * ROWS));
    let mut gone_on = Vec::new();
    for number in (0..ROUNDS).map(|round| 2 * (ROWS + round) + 1) {
        client.produce(&input, &one(number));
        gone_on.push(number);
        await_that("the other task goes on", || keys() == gone_on);
        // No transaction of the worker is open for longer than it takes to commit.
        client.await_stable(&output);
    }
    assert_eq!(
        restored(&host.log(), 0),
        ROWS as u64,
        "the store of one task is restored, and that of the other is not"
    );
    somebody.commit_transaction(PATIENCE).expect("it is committed");
    await_that("the task goes on whose store is restored", || keys().first() == Some(&(2 * ROWS)));
    let ended = host.stop();
    assert_eq!((ended.code, restored(&ended.log, 0)), (Some(0), (2 * ROWS + HELD) as u64), "{}", ended.log);
}
