//! Who may name whom: a heavy dependency is named in one room only.

#![expect(clippy::expect_used, reason = "a test that cannot read the sources must fail")]

use std::path::{Path, PathBuf};

/// A word and the rooms (paths below `src/`) that may name it.
const DOORS: [(&str, &[&str]); 13] = [
    ("rocksdb::", &["store/"]),
    ("rdkafka::", &["transport/kafka/"]),
    ("wasmtime::", &["plugin/"]),
    ("wasmparser::", &["plugin/"]),
    ("wit_component::", &["plugin/"]),
    ("jsonschema::", &["plugin/"]),
    ("clap::", &["cli/", "main.rs"]),
    ("toml::", &["topology/", "driver/case.rs", "driver/cell.rs"]),
    ("SystemTime", &["cli/", "run/"]),
    ("crate::cli", &["cli/", "main.rs"]),
    ("crate::run", &["cli/", "main.rs"]),
    ("crate::driver", &["cli/"]),
    ("crate::config", &["cli/", "run/"]),
];

/// Rooms that decide what happens to records: they see ports, never what is behind them.
const INNER: [&str; 4] = ["record/", "topology/", "operator/", "task/"];
const ADAPTERS: [&str; 6] =
    ["transport::embedded", "transport::kafka", "plugin::instance", "plugin::Plugins", "crate::worker", "std::fs"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("src can be read") {
        let path = entry.expect("src can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

fn strays(word: &str, may: impl Fn(&str) -> bool) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the rooms were found");
    let mut strays = Vec::new();
    for file in files {
        let room = file.strip_prefix(&root).expect("below src").display().to_string();
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        let named = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
        if named && !may(&room) {
            strays.push(format!("{room} names {word}"));
        }
    }
    strays
}

#[test]
fn heavy_words_stay_in_their_rooms() {
    for (word, rooms) in DOORS {
        assert_eq!(strays(word, |room| rooms.iter().any(|door| room.starts_with(door))), [""; 0]);
    }
}

/// What carries topics is chosen where everything is joined; the worker knows the port alone.
#[test]
fn the_worker_sees_the_port_only() {
    for adapter in ["transport::embedded", "transport::kafka", "transport::socket"] {
        assert_eq!(strays(adapter, |room| !room.starts_with("worker/")), [""; 0]);
    }
}

#[test]
fn inner_rooms_see_ports_only() {
    for word in ADAPTERS {
        let inner = |room: &str| INNER.iter().any(|inner| room.starts_with(inner));
        assert_eq!(strays(word, |room| !inner(room)), [""; 0]);
    }
}
