//! `topic`, as kcat.

use crate::{command, fails, finish, prints, ran, write};
use std::path::Path;

fn produce(at: &Path, arguments: &[&str], lines: &str) {
    let done = finish(command(at, &[&["topic", "produce"], arguments].concat()), lines);
    assert_eq!(done.code, Some(0), "{}", done.err);
}

#[test]
fn keys_headers_partitions_and_times_come_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    assert_eq!(prints(at, &["topic", "create", "t", "--partitions", "2"]), "made t with 2 partitions\n");
    produce(at, &["t", "-K", ":", "-p", "1", "--timestamp", "1970-01-01T00:00:02Z"], "a:1\nb:2:3\n");
    produce(at, &["t", "-k", "x", "-H", "h=1", "-H", "g=", "-p", "0", "-T", "1000", "-Z"], "v\n\nlast");
    let all = r"%T %t-%p@%o %k(%K)=%s(%S) [%h]\n";
    let expected = "\
1000 t-0@0 x(1)=v(1) [h=1,g=]
1000 t-0@1 x(1)=(-1) [h=1,g=]
1000 t-0@2 x(1)=last(4) [h=1,g=]
2000 t-1@0 a(1)=1(1) []
2000 t-1@1 b(1)=2:3(3) []
";
    assert_eq!(prints(at, &["topic", "consume", "t", "-f", all]), expected);
    let lines: Vec<&str> = expected.split_inclusive('\n').collect();
    let some = |arguments: &[&str]| prints(at, &[&["topic", "consume", "t", "-f", all], arguments].concat());
    assert_eq!(some(&["-c", "2"]), lines[..2].concat());
    assert_eq!(some(&["-p", "1", "-o", "1"]), lines[4]);
    assert_eq!(some(&["-o", "-1"]), [lines[2], lines[4]].concat());
    assert_eq!(some(&["-o", "@1970-01-01T00:00:01.5Z"]), lines[3..].concat());
    assert_eq!(some(&["--to", "@2000"]), lines[..3].concat());
    assert_eq!(some(&["-o", "1", "--to", "2"]), [lines[1], lines[4]].concat());
    assert_eq!(some(&["-o", "end"]), "");
    assert_eq!(prints(at, &["topic", "consume", "t", "-Z", "-p", "0", "-o", "1", "-c", "1"]), "x\tNULL\n");
    let json = r#"{"topic":"t","partition":0,"offset":1,"tstype":"create","ts":1000,"headers":["h","1","g",""],"key":"x","payload":null}"#;
    assert_eq!(prints(at, &["topic", "consume", "t", "-J", "-p", "0", "-o", "1", "-c", "1"]), format!("{json}\n"));
}

#[test]
fn bytes_are_shown_as_they_are_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    produce(at, &["t"], "12345678\n");
    let shown = |notation: &str| prints(at, &["topic", "consume", "t", "-f", "%s", "-s", notation]);
    assert_eq!(shown("value=hex"), "3132333435363738");
    assert_eq!(shown("q"), 0x3132_3334_3536_3738_u64.to_string());
    assert_eq!(shown("value=<q"), 0x3837_3635_3433_3231_u64.to_string());
    let words = ["MS-C007", "t-0 at offset 0", "8 bytes", "help: "];
    fails(at, &["topic", "consume", "t", "-s", "value=i"], 1, &words);
}

#[test]
fn topics_are_listed_and_described() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let made = ["topic", "create", "kept", "-p", "2", "--compact", "--retention", "7d", "--retention-bytes", "1000"];
    prints(at, &made);
    produce(at, &["plain"], "a\nb\n");
    let list = "TOPIC  PARTITIONS  RECORDS\nkept   2           0\nplain  1           2\n";
    assert_eq!(prints(at, &["topic", "list"]), list);
    assert_eq!(
        prints(at, &["topic", "list", "--json"]).lines().last(),
        Some(r#"{"topic":"plain","partitions":1,"records":2}"#)
    );
    let described = "\
topic            kept
cleanup.policy   compact
retention.ms     604800000
retention.bytes  1000

PARTITION  START  END  RECORDS
0          0      0    0
1          0      0    0
";
    assert_eq!(prints(at, &["topic", "describe", "kept"]), described);
}

#[test]
fn what_is_wrong_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    assert_eq!(prints(at, &["topic", "create", "orders"]), "made orders with 1 partition\n");
    produce(at, &["orders"], "a\n");
    fails(at, &["topic", "consume", "none"], 1, &["MS-C003", "no topic \"none\""]);
    fails(at, &["topic", "consume", "order"], 1, &["MS-C003", "did you mean \"orders\"?"]);
    fails(at, &["topic", "consume", "orders", "-o", "yesterday"], 2, &["MS-C004", "\"yesterday\"", "beginning, end"]);
    fails(at, &["topic", "consume", "orders", "--to", "@noon"], 2, &["MS-C004"]);
    fails(at, &["topic", "consume", "orders", "-o", "7"], 1, &["MS-C004", "ends at offset 1", "help: "]);
    fails(at, &["topic", "consume", "orders", "-f", "%q"], 2, &["MS-C005", "%q"]);
    fails(at, &["topic", "consume", "orders", "-s", "value=z"], 2, &["MS-C006"]);
    fails(at, &["topic", "consume", "orders", "-p", "3"], 2, &["MS-C008", "from 0 to 0"]);
    fails(at, &["topic", "produce", "orders", "-H", "novalue"], 2, &["MS-C009", "NAME=VALUE"]);
    fails(at, &["topic", "produce", "orders", "-T", "soon"], 2, &["MS-C009"]);
    fails(at, &["topic", "produce", "a b"], 2, &["MS-C011"]);
    fails(at, &["topic", "produce", "orders", "gone.txt"], 1, &["MS-C013", "gone.txt"]);
    fails(at, &["topic", "create", "orders"], 1, &["MS-C017", "with 1 partition\n"]);
    write(at, "lines.txt", "k:v\nplain\n");
    fails(at, &["topic", "produce", "orders", "lines.txt", "-K", ":"], 1, &["MS-C016", "line 2"]);
    assert_eq!(prints(at, &["topic", "consume", "orders", "-f", "%s,"]), "a,", "nothing of the file was appended");
}

#[test]
fn looking_leaves_nothing_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    let count = "[node.counts]\nop = \"count\"\nfrom = \"grouped\"\nstore = \"counts\"\n";
    let grouped = "[node.grouped]\nop = \"group-by-key\"\nfrom = \"lines\"\n";
    let app = "manifest = 1\napp = \"a\"\n[node.lines]\nop = \"stream\"\ntopic = \"in\"\n";
    write(at, "millstream.toml", &format!("{app}{grouped}{count}"));
    std::fs::create_dir(at.join("empty")).expect("it is made");
    for looks in [
        &["topic", "list"][..],
        &["topic", "describe", "in"],
        &["topic", "consume", "in"],
        &["topic", "consume", "in", "--follow"],
        &["state", "get", "counts", "a"],
        &["state", "range", "counts"],
        &["state", "prefix", "counts", "a"],
        &["state", "reset", "counts", "--yes"],
    ] {
        fails(at, looks, 1, &["MS-S005", "no data in \".millstream\"", "help: millstream run", "--data-dir"]);
        fails(at, &[looks, &["--data-dir", "empty"]].concat(), 1, &["MS-S005", "\"empty\""]);
    }
    assert!(!at.join(".millstream").exists());
    assert_eq!(std::fs::read_dir(at.join("empty")).expect("it is read").count(), 0);
    prints(at, &["topic", "create", "in"]);
    assert_eq!(prints(at, &["state", "range", "counts"]), "");
}

#[test]
fn a_directory_that_cannot_be_is_no_full_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    write(at, "file", "");
    for (path, why) in [("/proc/none", "No such file"), ("file", "File exists"), ("file/in", "Not a directory")] {
        fails(at, &["--data-dir", path, "topic", "create", "t"], 1, &["MS-S006", path, why, "help: ", "--data-dir"]);
    }
}

#[test]
fn colours_come_when_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let at = directory.path();
    prints(at, &["topic", "create", "t"]);
    let plain = ran(at, &["topic", "consume", "none"]).err;
    assert!(!plain.contains('\x1b'), "{plain}");
    let painted = ran(at, &["--color", "always", "topic", "consume", "none"]).err;
    assert!(painted.starts_with("\x1b[31merror[MS-C003]"), "{painted}");
}
