//! What is damaged is refused or told, and left as it was.

use super::{append, log, numbers, place};
use millstream::record::Topic;
use millstream::run::RunError;
use millstream::store::StoreError;
use millstream::transport::{TopicSpec, Transport, TransportError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const COMMITS: u32 = 60;

/// A directory with files of every kind: half of its records flushed into tables and blobs, half in the write-ahead log.
fn made() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..2 {
        let mut log = log(directory.path()).unwrap();
        log.create_topic(&TopicSpec::new(Topic::new("t"), 1)).unwrap();
        append(&mut log, "t", round * COMMITS / 2..(round + 1) * COMMITS / 2, 3000);
    }
    directory
}

/// The database's file with this ending, the largest if there are several.
fn file(data: &Path, ending: &str) -> PathBuf {
    let files = std::fs::read_dir(data.join("rocks")).unwrap().map(|entry| entry.unwrap().path());
    let fits = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(ending) || name.starts_with(ending)
    });
    fits.max_by_key(|path| path.metadata().unwrap().len()).unwrap_or_else(|| panic!("a file {ending}"))
}

/// All that belongs to the data: the database's own diary and the locks do not.
fn contents(data: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut contents = BTreeMap::new();
    for folder in [data.to_path_buf(), data.join("rocks")] {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_file() && !name.starts_with("LOG") && name != "LOCK" && name != "millstream.lock" {
                contents.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    contents
}

fn cut_in_half(path: &Path) {
    let length = path.metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length / 2).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.get_mut(at).unwrap() ^= 0x55;
    std::fs::write(path, bytes).unwrap();
}

/// What is done to a directory.
type Damage<'a> = &'a dyn Fn(&Path);

#[test]
fn a_damaged_file_is_named_and_nothing_is_touched() {
    let cases: [(&str, Damage); 7] = [
        ("a manifest cut in half", &|data| cut_in_half(&file(data, "MANIFEST"))),
        ("a table cut in half", &|data| cut_in_half(&file(data, ".sst"))),
        ("a table that is gone", &|data| std::fs::remove_file(file(data, ".sst")).unwrap()),
        ("an empty CURRENT", &|data| std::fs::write(data.join("rocks/CURRENT"), "").unwrap()),
        ("a manifest that is gone", &|data| std::fs::remove_file(file(data, "MANIFEST")).unwrap()),
        ("a flipped byte in the middle of the write-ahead log", &|data| {
            let path = file(data, ".log");
            let middle = std::fs::read(&path).unwrap().len() / 2;
            flip(&path, middle);
        }),
        ("a flipped byte at the manifest's begin", &|data| flip(&file(data, "MANIFEST"), 20)),
    ];
    for (what, damage) in cases {
        let directory = made();
        damage(directory.path());
        let before = contents(directory.path());
        let error = log(directory.path()).map(|_| ()).expect_err(what);
        assert!(matches!(error, RunError::Store(StoreError::Damaged { .. })), "{what}: {error}");
        assert!(error.to_string().starts_with("MS-S003"), "{what}: {error}");
        assert_eq!(contents(directory.path()).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{what}");
        assert!(contents(directory.path()) == before, "{what}: a file was changed");
    }
}

/// What a crash leaves: the log ends inside a commit. That commit is gone, those before it are whole.
#[test]
fn a_torn_end_costs_the_last_commits_only() {
    let directory = made();
    cut_in_half(&file(directory.path(), ".log"));
    let mut log = log(directory.path()).unwrap();
    let left = numbers(&mut log, "t").unwrap();
    assert_eq!(left, (0..u32::try_from(left.len()).unwrap()).collect::<Vec<_>>());
    assert!((COMMITS / 2..COMMITS).contains(&u32::try_from(left.len()).unwrap()), "{}", left.len());
    assert_eq!(log.bounds(&place("t")).unwrap().1.get(), i64::try_from(left.len()).unwrap());
}

/// Records are read late: damage under them is told when it is met, never skipped.
#[test]
fn a_damaged_blob_is_told_when_it_is_read() {
    for flipped in [true, false] {
        let directory = made();
        let blob = file(directory.path(), ".blob");
        if flipped {
            flip(&blob, 2000);
        } else {
            cut_in_half(&blob);
        }
        let read = log(directory.path()).map(|mut log| numbers(&mut log, "t"));
        match read {
            Err(RunError::Store(StoreError::Damaged { .. })) | Ok(Err(TransportError::Corrupt(_))) => {}
            other => panic!("flipped {flipped}: {other:?}"),
        }
    }
}
