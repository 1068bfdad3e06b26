//! What is held together when something fails.

use super::*;
use crate::record::Partition;
use crate::transport::kafka::settings::Settings as KafkaSettings;

/// A worker's transport to a cluster that is not there.
fn unreachable(directory: &std::path::Path) -> KafkaTransport {
    let link = Arc::new(Link::new(KafkaSettings::to("127.0.0.1:1"), "app", || 0).unwrap());
    let member = link.clients.member("app-0", "app");
    let db = Db::open(directory, crate::store::Settings::default()).unwrap();
    KafkaTransport::worker(link, "app-0".into(), db, true, Arc::new(member.unwrap()))
}

#[test]
fn what_was_written_before_something_failed_is_not_counted_with_what_follows() {
    let directory = tempfile::tempdir().unwrap();
    let mut transport = unreachable(directory.path());
    let changelog = TopicPartition::new(Topic::new("app-rows-changelog"), Partition::new(0));
    transport.ends.learn(&changelog, Offset::new(5));
    transport.ends.wrote(&changelog, 3);
    let failed = transport.send(vec![(changelog.clone(), Vec::new())]);
    assert!(matches!(failed, Err(TransportError::InDoubt(_))), "it has no producer");
    // The next transaction, of one record and its end.
    transport.ends.wrote(&changelog, 1);
    transport.ends.committed(true);
    assert_eq!(transport.ends.known(&changelog), Some(Offset::new(7)));
}

#[test]
fn what_is_left_of_a_transaction_that_has_ended_is_not_committed() {
    let directory = tempfile::tempdir().unwrap();
    let mut transport = unreachable(directory.path());
    let input = TopicPartition::new(Topic::new("in"), Partition::new(0));
    let rest = Transaction { offsets: vec![(input.clone(), Offset::new(5))], ..Transaction::default() };
    let ended = |result: Result<(), TransportError>| match result {
        Err(TransportError::InDoubt(why)) => why.contains("has ended"),
        _ => false,
    };
    transport.written = true;
    assert!(ended(transport.send(vec![(input.clone(), Vec::new())])));
    transport.written = true;
    assert!(ended(transport.commit("app", &rest)));
    transport.abort().unwrap();
    assert!(!ended(transport.send(vec![(input, Vec::new())])), "a new one begins");
}
