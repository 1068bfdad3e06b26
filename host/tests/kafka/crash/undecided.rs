//! A store is restored while a transaction is open on its changelog, as one of a process that was lost in its commit: what
//! is decided later belongs to the store, so nobody works with it before.

use crate::await_some;
use crate::broker::Broker;
use crate::client::{Client, Isolation, Record, send};
use crate::host::Host;
use rdkafka::producer::Producer;
use std::path::Path;
use std::time::Duration;

/// How long the transaction is open when the restore has begun. A host that does not wait for it is done in a part of it.
const OPEN: Duration = Duration::from_secs(3);
/// How long the broker may take for an answer.
const ANSWER: Duration = Duration::from_secs(30);

fn keyed(key: &str) -> Record {
    Record { key: Some(key.into()), value: Some(b"1".to_vec()), timestamp: 1, ..Record::default() }
}

fn manifest(app: &str) -> String {
    format!(
        "manifest = 1\napp = \"{app}\"\n[node.in]\nop = \"stream\"\ntopic = \"{app}.in\"\n\
         [node.by-key]\nop = \"group-by-key\"\nfrom = \"in\"\n[node.counts]\nop = \"count\"\nfrom = \"by-key\"\n\
         store = \"counts\"\nchangelog = true\nemit = \"every-update\"\n\
         [node.out]\nop = \"to\"\nfrom = \"counts\"\ntopic = \"{app}.out\"\n"
    )
}

/// A host in a directory that knows nothing of the app's state.
fn host(at: &Path, manifest: &str, arguments: &[&str], fault: &str) -> Host {
    std::fs::create_dir(at).expect("a directory can be made");
    std::fs::write(at.join("millstream.toml"), manifest).expect("a manifest can be written");
    let reached = at.join("reached").display().to_string();
    let environment = [
        ("MILLSTREAM_KILL_AT", "restore-before-step:1:go-on"),
        ("MILLSTREAM_KILL_LOG", reached.as_str()),
        ("MILLSTREAM_FAULT", fault),
    ];
    Host::run_in(at, Broker::shared().bootstrap().as_str(), arguments, &environment)
}

/// What is counted for a key whose first count is decided while the store is restored: its two outputs are to be 1 and 2.
fn counted(app: &str, fault: &str) -> Vec<u8> {
    let (client, directory) = (Client::to(&Broker::shared().bootstrap()), tempfile::tempdir().expect("a directory"));
    ["in", "out"].iter().for_each(|topic| client.create(&format!("{app}.{topic}"), 1, &[]));
    let (input, output, changelog) = (format!("{app}.in"), format!("{app}.out"), format!("{app}-counts-changelog"));
    client.produce(&input, &[keyed("first")]);
    let ended = host(&directory.path().join("0"), &manifest(app), &["--until-end"], "").end();
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    let row = client.read(&changelog, Isolation::Committed).pop().expect("a row");
    let somebody = client.transactional(&format!("somebody-{app}"));
    somebody.begin_transaction().expect("a transaction begins");
    send(&somebody, &changelog, &[Record { key: Some(b"second".to_vec()), ..row }]);
    somebody.flush(ANSWER).expect("the broker takes it");
    client.produce(&input, &[keyed("second")]);
    let at = directory.path().join("1");
    let running = host(&at, &manifest(app), &[], fault);
    crate::await_that("the restore begins", || at.join("reached").exists());
    // The time is the fault itself.
    std::thread::sleep(OPEN);
    somebody.commit_transaction(ANSWER).expect("the transaction ends");
    let value = await_some("the second key is counted", || {
        let records = client.read(&output, Isolation::Committed);
        records.into_iter().find(|record| record.key.as_deref() == Some(b"second")).and_then(|record| record.value)
    });
    assert_eq!(running.stop().code, Some(0));
    value
}

#[test]
fn a_restore_waits_for_what_is_undecided() {
    assert_eq!(counted("undecided", "").last(), Some(&2));
}

#[test]
fn a_restore_that_waits_for_nothing_is_caught() {
    assert_eq!(counted("decided", "restores-to-what-is-committed").last(), Some(&1));
}
