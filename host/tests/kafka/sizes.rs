//! Topics that take less than is to be written: single records, and batches of many.

use crate::bad_input::{copies, numbered, shared, texts, values};
use crate::client::{Isolation, Record};
use crate::host::Host;

#[test]
fn a_record_that_the_topic_does_not_take_becomes_a_dead_letter() {
    let (bootstrap, client) = shared("letters");
    client.set("letters.out", "max.message.bytes", "1000");
    let large = Record { value: Some(vec![b'1'; 5000]), timestamp: 1, ..Record::default() };
    client.produce("letters.in", &[numbered(0..1), vec![large], numbered(2..3)].concat());
    let errors = "[topic]\n\"letters.dead\" = { partitions = 1 }\n[errors]\ndead-letter-topic = \"letters.dead\"\n";
    let app = copies("letters", errors);
    let ended = Host::until_end(app.path(), &bootstrap);
    assert_eq!((ended.code, ended.count("dead_letters")), (Some(0), Some(1)), "{}", ended.log);
    assert_eq!(values(&client, "letters.out"), ["0", "2"]);
    assert_eq!(values(&client, "letters.dead"), ["1".repeat(5000)]);
}

#[test]
fn batches_are_no_larger_than_the_topic_takes() {
    for guarantee in ["exactly-once", "at-least-once"] {
        let name = format!("batches-{guarantee}");
        let (bootstrap, client) = shared(&name);
        client.set(&format!("{name}.out"), "max.message.bytes", "1000");
        client.produce(&format!("{name}.in"), &numbered(0..1000));
        let app = copies(&name, &format!("[guarantee]\nprocessing = {guarantee:?}\n"));
        let ended = Host::until_end(app.path(), &bootstrap);
        assert_eq!(ended.code, Some(0), "{}", ended.log);
        assert_eq!(values(&client, &format!("{name}.out")), texts(0..1000), "{guarantee}");
    }
}

#[test]
fn batches_of_a_changelog_are_no_larger_than_it_takes() {
    let (bootstrap, client) = shared("rows");
    let counts = "[node.by-key]\nop = \"group-by-key\"\nfrom = \"lines\"\n[node.counts]\nop = \"count\"\n\
                  from = \"by-key\"\nstore = \"counts\"\nchangelog = true\n";
    let app = copies("rows", counts);
    client.create("rows-counts-changelog", 1, &[("cleanup.policy", "compact"), ("max.message.bytes", "1000")]);
    let keyed = |record: Record| Record { key: record.value.clone(), ..record };
    client.produce("rows.in", &numbered(0..1000).into_iter().map(keyed).collect::<Vec<_>>());
    let ended = Host::until_end(app.path(), &bootstrap);
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(client.read("rows-counts-changelog", Isolation::Committed).len(), 1000);
}
