use super::*;
use crate::record::batch::{BatchBuilder, Compression, Rewriter};
use crate::record::{Offset, Partition, Topic, TopicPartition};
use crate::store::{Db, KeyValueStore, Settings, Writes};
use crate::transport::embedded::EmbeddedLog;
use crate::transport::{TopicSpec, Transaction, Transport, TransportError};
use std::io::Write;
use std::os::unix::net::UnixStream;

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(Topic::new("t"), Partition::new(number))
}

fn batch(values: &[&str]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    values.iter().for_each(|value| builder.append(1, None, Some(value.as_bytes()), &[]));
    builder.finish()
}

struct Host {
    directory: tempfile::TempDir,
    db: Db,
    log: EmbeddedLog,
    server: Server,
}

fn host() -> Host {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path(), Settings::default()).unwrap();
    let mut log = EmbeddedLog::open(db.clone(), false).unwrap();
    log.create_topic(&TopicSpec::new(Topic::new("t"), 2)).unwrap();
    let server = Server::start(&db, &log).unwrap();
    Host { directory, db, log, server }
}

fn append(transport: &mut dyn Transport, outputs: Vec<(TopicPartition, Vec<u8>)>) -> Result<(), TransportError> {
    transport.commit("any", &Transaction { outputs, ..Transaction::default() })
}

#[test]
fn a_client_sees_what_the_host_sees() {
    let mut host = host();
    let mut remote = Remote::connect(host.directory.path()).unwrap();
    append(&mut remote, vec![(partition(1), batch(&["a", "b"])), (partition(1), batch(&["c"]))]).unwrap();
    append(&mut host.log, vec![(partition(1), batch(&["d"]))]).unwrap();
    assert_eq!(remote.topics().unwrap(), host.log.topics().unwrap());
    assert_eq!(remote.bounds(&partition(1)).unwrap(), (Offset::new(0), Offset::new(4)));
    assert_eq!(remote.bounds(&partition(0)).unwrap(), (Offset::new(0), Offset::new(0)));
    for from in 0..=4 {
        let ours = host.log.fetch(&partition(1), Offset::new(from), 1 << 20).unwrap();
        let theirs = remote.fetch(&partition(1), Offset::new(from), 1 << 20).unwrap();
        let plain = |fetched: crate::transport::Fetch| fetched.batches().map(|fetched| (fetched.batches, fetched.next));
        assert_eq!(plain(theirs), plain(ours));
    }
    assert_eq!(remote.offset_at(&partition(1), 1).unwrap(), Some(Offset::new(0)));
    assert_eq!(remote.offset_at(&partition(1), 2).unwrap(), None);
    remote.create_topic(&TopicSpec::new(Topic::new("new"), 3)).unwrap();
    assert_eq!(host.log.topic(&Topic::new("new")).unwrap().unwrap().partitions, 3);
    host.log.delete_records(&[(partition(1), Offset::new(3))]).unwrap();
    let gone = remote.fetch(&partition(1), Offset::new(0), 1).unwrap_err();
    assert!(matches!(gone, TransportError::OutOfRange { start, .. } if start == Offset::new(3)), "{gone}");
    let unknown = remote.bounds(&partition(7)).unwrap_err();
    assert!(matches!(unknown, TransportError::Unknown(place) if place == partition(7)));
}

#[test]
fn rows_come_in_order_and_in_pages() {
    let host = host();
    let mut store = KeyValueStore::open(&host.db, "app", "store", 3).unwrap();
    for number in 0..2500u32 {
        let slot = store.slot(&number.to_be_bytes()).unwrap();
        store.set(slot, i64::from(number), Some(b"x"));
    }
    let mut writes = Writes::default();
    store.prepare(&mut writes, None);
    host.db.apply(&writes, false).unwrap();
    let mut remote = Remote::connect(host.directory.path()).unwrap();
    let all = remote.rows(("app", "store", 3), &[], None, usize::MAX).unwrap();
    assert_eq!(all.len(), 2500);
    let keys = all.iter().enumerate().all(|(at, (key, time, _))| {
        key.as_slice() == u32::try_from(at).unwrap().to_be_bytes() && *time == i64::try_from(at).unwrap()
    });
    assert!(keys);
    let few = remote.rows(("app", "store", 3), &7u32.to_be_bytes(), Some(&9u32.to_be_bytes()), 10).unwrap();
    assert_eq!(few, all[7..9]);
    assert_eq!(remote.rows(("app", "store", 2), &[], None, 10).unwrap(), []);
    assert_eq!(remote.rows(("app", "none", 3), &[], None, 10).unwrap(), []);
    assert_eq!(host.db.known_number("store/app/none").unwrap(), None, "looking leaves no trace");
}

#[test]
fn nothing_but_sound_batches_is_taken() {
    let mut host = host();
    let mut remote = Remote::connect(host.directory.path()).unwrap();
    let mut flipped = batch(&["a"]);
    *flipped.last_mut().unwrap() ^= 1;
    let mut twice = batch(&["a"]);
    twice.extend_from_slice(&batch(&["b"]));
    let mut gaps = Rewriter::new(Offset::new(0), None);
    gaps.append(Offset::new(1), 0, (None, None), &[]);
    gaps.cover(Offset::new(1));
    let empty = BatchBuilder::new(Compression::None).finish();
    for bad in [flipped, twice, gaps.finish(), empty, b"short".to_vec(), Vec::new()] {
        let refused = append(&mut remote, vec![(partition(0), batch(&["good"])), (partition(0), bad)]).unwrap_err();
        assert!(matches!(refused, TransportError::Refused(_)), "{refused}");
    }
    let more = Transaction { offsets: vec![(partition(0), Offset::new(1))], ..Transaction::default() };
    assert!(matches!(remote.commit("any", &more), Err(TransportError::Refused(_))));
    assert_eq!(host.log.bounds(&partition(0)).unwrap().1, Offset::new(0));
    append(&mut remote, vec![(partition(0), batch(&["good"]))]).unwrap();
    assert_eq!(host.log.bounds(&partition(0)).unwrap().1, Offset::new(1));
}

#[test]
fn garbage_ends_a_connection_and_harms_no_other() {
    let host = host();
    let mut remote = Remote::connect(host.directory.path()).unwrap();
    for garbage in [&[0xff; 64][..], b"\x02\0\0\0\0\0\0\0{}", b"\x01\0\0\0\0\0\0\0"] {
        let mut stream = UnixStream::connect(host.directory.path().join(FILE)).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // The server closes: there is an end to what it says, or a reset where it left something unread.
        let ended = std::io::copy(&mut stream, &mut std::io::sink());
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
    assert_eq!(remote.topics().unwrap().len(), 1);
}

#[test]
fn the_directory_is_free_when_the_server_is_gone() {
    let Host { directory, db, log, server } = host();
    let mut remote = Remote::connect(directory.path()).unwrap();
    remote.topics().unwrap();
    drop((server, log, db));
    assert!(remote.topics().is_err());
    assert!(Remote::connect(directory.path()).is_err());
    Db::open(directory.path(), Settings::default()).unwrap();
}

#[test]
fn a_long_path_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("d".repeat(120));
    let db = Db::open(&deep, Settings::default()).unwrap();
    let log = EmbeddedLog::open(db.clone(), false).unwrap();
    let _server = Server::start(&db, &log).unwrap();
    assert_eq!(Remote::connect(&deep).unwrap().topics().unwrap(), []);
}
