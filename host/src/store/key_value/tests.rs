use super::*;
use crate::store::Settings;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Put(Vec<u8>, Option<Vec<u8>>),
    Commit,
    Rollback,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    let key = proptest::collection::vec(prop_oneof![Just(0u8), Just(255), Just(7)], 0..4);
    prop_oneof![
        8 => (key, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9))).prop_map(|(k, v)| Act::Put(k, v)),
        2 => Just(Act::Commit),
        1 => Just(Act::Rollback),
        1 => Just(Act::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Reads see the open transaction over the last commit, in byte order, whatever happens in between.
    #[test]
    fn agrees_with_a_map(acts in proptest::collection::vec(act(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let mut neighbour = KeyValueStore::open(&db, "app", "store", 1).unwrap();
        let slot = neighbour.slot(b"other").unwrap();
        neighbour.set(slot, 1, Some(b"x"));
        let mut writes = Writes::default();
        neighbour.prepare(&mut writes, None);
        db.apply(&writes, false).unwrap();
        let mut store = KeyValueStore::open(&db, "app", "store", 0).unwrap();
        let (mut model, mut committed) = (BTreeMap::new(), BTreeMap::new());
        for (time, act) in (0i64..).zip(acts) {
            match act {
                Act::Put(key, value) => {
                    let slot = store.slot(&key).unwrap();
                    store.set(slot, time, value.as_deref());
                    match value {
                        Some(value) => model.insert(key, (time, value)),
                        None => model.remove(&key),
                    };
                }
                Act::Commit => {
                    let mut writes = Writes::default();
                    store.prepare(&mut writes, None);
                    db.apply(&writes, false).unwrap();
                    store.committed();
                    committed = model.clone();
                }
                Act::Rollback => {
                    store.rollback();
                    model = committed.clone();
                }
                Act::Reopen => {
                    store = KeyValueStore::open(&db, "app", "store", 0).unwrap();
                    model = committed.clone();
                }
            }
            let expected: Vec<Entry> = model.iter().map(|(k, (t, v))| (k.clone(), *t, v.clone())).collect();
            prop_assert_eq!(store.range(&[], std::ops::Bound::Unbounded, usize::MAX).unwrap(), expected);
        }
    }
}

#[test]
fn pending_changes_remember_what_was_handed_on() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path(), Settings::default()).unwrap();
    let mut store = KeyValueStore::open(&db, "app", "store", 0).unwrap();
    let emitted = |store: &mut KeyValueStore| {
        let mut all = Vec::new();
        store.emit_pending(&mut |p| all.push((p.key.to_vec(), p.old.map(<[u8]>::to_vec), p.value.map(<[u8]>::to_vec))));
        all
    };
    let slot = store.slot(b"k").unwrap();
    store.set_pending(slot, 1, Some(b"1"), &[]);
    store.set_pending(slot, 2, Some(b"2"), &[]);
    assert_eq!(emitted(&mut store), [(b"k".to_vec(), None, Some(b"2".to_vec()))]);
    store.set_pending(slot, 3, None, &[]);
    assert_eq!(emitted(&mut store), [(b"k".to_vec(), Some(b"2".to_vec()), None)]);
    assert_eq!(emitted(&mut store), []);
    let slot = store.slot(b"made and deleted").unwrap();
    store.set_pending(slot, 4, Some(b"4"), &[]);
    store.set_pending(slot, 5, None, &[]);
    assert_eq!(emitted(&mut store), []);
}

#[test]
fn a_key_waits_for_the_commit_once_however_often_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path(), Settings::default()).unwrap();
    let mut store = KeyValueStore::open(&db, "app", "store", 0).unwrap();
    let slot = store.slot(b"k").unwrap();
    store.set(slot, 1, Some(&[0; 100]));
    let once = store.uncommitted_bytes();
    for value in [Some(&[1; 100][..]), None, Some(&[2; 100])] {
        store.set(slot, 2, value);
    }
    assert_eq!(store.uncommitted_bytes(), once);
    store.set(slot, 3, None);
    assert_eq!(store.uncommitted_bytes(), once - 100);
}
