//! Hosts that are broken on purpose: each must make a property fail, or the properties prove nothing.

use std::process::Command;

/// A mistake and the property that must find it.
const MISTAKES: [(&str, &str); 6] = [
    ("rollback-keeps-cache", "crashing_is_invisible"),
    ("deletes-are-lost", "crashing_is_invisible"),
    ("offset-without-next", "crashing_is_invisible"),
    ("paths-are-not-sorted", "batching_is_invisible"),
    ("rollback-keeps-counts", "crashing_is_invisible"),
    ("deletes-are-lost", "both_agree_with_one_record_at_a_time"),
];

/// A seed under which the cases come upon all of them: what is looked for here is in the host, not in the luck.
const SEED: &str = "1";

#[test]
fn broken_hosts_are_found() {
    let mut missed = Vec::new();
    for (mistake, property) in MISTAKES {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let output = command
            .args([property, "--exact", "--nocapture"])
            .env("MILLSTREAM_FAULT", mistake)
            .env("MILLSTREAM_SEED", SEED)
            .output();
        let output = output.expect("this program runs");
        let said = [output.stdout, output.stderr].concat();
        // A property that finds something says for what; anything else is a test that broke down.
        let found = !output.status.success() && String::from_utf8_lossy(&said).contains("minimal failing input");
        println!("{mistake:24} {property:40} {}", if found { "found" } else { "MISSED" });
        if !found {
            missed.push((mistake, property));
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
