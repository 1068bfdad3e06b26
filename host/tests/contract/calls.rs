//! Calls of every interface, through WebAssembly.

use super::component;
use super::memory::{Memory, cells};
use super::wit::FullPlugin;
use super::wit::exports::millstream::plugin::fold::{Reply, Steps};
use super::wit::exports::millstream::plugin::join::Pairs;
use super::wit::exports::millstream::plugin::plugin::{Description, Fields, Opening};
use super::wit::millstream::plugin::types::{Cells, Columns, Outcome, Schema};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, Store};

/// Route of a row that goes to each output.
const EVERY_OUTPUT: u16 = 0xffff;
/// Timestamp of a row that has its input's.
const SAME_TIMESTAMP: i64 = i64::MIN;
const SAME: u32 = 0xffff_fffe;

/// The plugin with operators of every kind.
struct Every {
    store: Store<Memory>,
    plugin: FullPlugin,
}

impl Every {
    /// With one operator open, as node 5.
    fn opened(operator: &str, outputs: &[&str]) -> Self {
        let mut config = Config::new();
        config.concurrency_support(false);
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::new(&engine, component("every")).expect("a component");
        let mut linker = Linker::new(&engine);
        FullPlugin::add_to_linker::<Memory, HasSelf<Memory>>(&mut linker, |memory| memory).expect("a linker");
        let mut store = Store::new(&engine, Memory::default());
        let plugin = FullPlugin::instantiate(&mut store, &component, &linker).expect("it has all interfaces");
        let opening = Opening {
            operator: operator.into(),
            params: "{}".into(),
            outputs: outputs.iter().map(|output| (*output).into()).collect(),
            properties: vec![("app".into(), "test".into())],
        };
        let opened = plugin.millstream_plugin_plugin().call_open(&mut store, 5, &opening).expect("no trap");
        opened.expect("it opens");
        Self { store, plugin }
    }

    fn memory(&self) -> &Memory {
        self.store.data()
    }

    fn process(&mut self, batch: &Columns) -> Outcome {
        self.plugin.millstream_plugin_processor().call_process(&mut self.store, 5, batch).expect("no trap")
    }
}

/// Records: key, value and timestamp.
fn batch(records: &[(&str, &str, i64)]) -> Columns {
    let length = |text: &str| u32::try_from(text.len()).expect("short");
    Columns {
        timestamps: records.iter().map(|(.., timestamp)| *timestamp).collect(),
        key_lengths: records.iter().map(|(key, ..)| length(key)).collect(),
        value_lengths: records.iter().map(|(_, value, _)| length(value)).collect(),
        header_lengths: Vec::new(),
        bytes: records.iter().flat_map(|(key, value, _)| [key.as_bytes(), value.as_bytes()].concat()).collect(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Numbers in cells, eight bytes each; none: null.
fn longs(cells: &Cells) -> Vec<Option<i64>> {
    let mut bytes = cells.bytes.chunks(8);
    let mut next = |length: &u32| {
        (*length == 8).then(|| i64::from_be_bytes(bytes.next().expect("bytes").try_into().expect("eight")))
    };
    cells.lengths.iter().map(&mut next).collect()
}

fn described() -> Description {
    let mut every = Every::opened("even", &["out"]);
    every.plugin.millstream_plugin_plugin().call_describe(&mut every.store).expect("no trap")
}

#[test]
fn the_description_tells_what_hosts_need_to_know() {
    let about = described();
    assert_eq!((about.name.as_str(), about.sdk.as_str()), ("every", "rust/0.1.0"));
    let kinds: Vec<(&str, &str)> =
        about.operators.iter().map(|operator| (operator.name.as_str(), operator.kind.as_str())).collect();
    let expected = [
        ("even", "filter"),
        ("sum", "aggregate"),
        ("largest", "reduce"),
        ("pair", "join"),
        ("tally", "process"),
        ("shapes", "process-values"),
    ];
    assert_eq!(kinds, expected);
    let [_, sum, largest, _, tally, shapes] = &about.operators[..] else { panic!("six operators") };
    let schema = sum.state.as_ref().expect("a schema");
    assert_eq!((schema.name.as_str(), schema.version), ("sum", 2));
    assert_eq!(sum.properties, [("merge", "true"), ("subtract", "true")].map(|(a, b)| (a.into(), b.into())));
    assert_eq!(largest.properties, [("merge".into(), "true".into())]);
    assert_eq!(tally.outputs, ["each", "second"]);
    let reads: Vec<Fields> = about.operators.iter().map(|operator| operator.reads).collect();
    let all = Fields::KEY | Fields::VALUE | Fields::TIMESTAMP | Fields::HEADERS;
    assert_eq!((reads[0], reads[1]), (Fields::VALUE, all));
    assert_eq!(reads[4], Fields::KEY | Fields::VALUE | Fields::TIMESTAMP);
    let counts = &tally.stores[0];
    assert_eq!((counts.name.as_str(), counts.shape.as_str(), counts.writes), ("counts", "key-value", true));
    assert_eq!(counts.schema.as_ref().map(|schema| schema.version), Some(1));
    let shaped: Vec<(&str, bool)> = shapes.stores.iter().map(|store| (store.shape.as_str(), store.writes)).collect();
    assert_eq!(shaped, [("window", true), ("session", true), ("versioned", true), ("key-value", false)]);
    assert_eq!(shapes.stores[0].properties, [("retention-ms".into(), "1000".into())]);
    assert_eq!(shapes.properties, [("failed-rows".into(), "stand".into())]);
}

#[test]
fn a_transform_answers_for_every_row() {
    let mut every = Every::opened("even", &["out"]);
    let records = batch(&[("a", "1", 1), ("b", "2", 2), ("c", "x", 3), ("d", "4", 4)]);
    let transform = every.plugin.millstream_plugin_transform();
    let outcome = transform.call_process(&mut every.store, 5, &records).expect("no trap");
    assert_eq!(outcome.sources, [1, 3]);
    let failure = &outcome.failures[0];
    assert_eq!((failure.row, failure.class.as_str()), (2, "core::num::error::ParseIntError"));
    assert_eq!(failure.reason, "invalid digit found in string");
}

#[test]
fn a_panic_tells_its_row_text_and_place() {
    let mut every = Every::opened("even", &["out"]);
    let records = batch(&[("a", "1", 1), ("b", "panic", 2)]);
    let called = every.plugin.millstream_plugin_transform().call_process(&mut every.store, 5, &records);
    called.expect_err("a trap");
    let [(row, message)] = &every.memory().panics[..] else { panic!("one panic") };
    assert_eq!(*row, Some(1));
    assert!(message.contains("told to panic") && message.contains("src/lib.rs:"), "{message}");
}

#[test]
fn a_fold_takes_every_action() {
    let mut every = Every::opened("sum", &["out"]);
    let ten = 10_i64.to_be_bytes();
    let states = cells(&[Some(&ten), None, Some(&ten), None]);
    let records = batch(&[("k", "5", 1), ("k", "-15", 2), ("k", "bad", 3)]);
    let taken = [
        (0, 0, 0), // 10 + 5
        (3, 1, 0), // a copy: 15
        (2, 0, 2), // and 10 more
        (0, 0, 2), // fails
        (0, 1, 1), // 15 - 15: null
        (4, 3, 0), // begins at 0
        (1, 3, 0), // 0 - 5
        (0, 3, 0), // whose key the merge has
    ];
    let steps = Steps {
        actions: taken.iter().map(|(action, ..)| *action).collect(),
        slots: taken.iter().map(|(_, slot, _)| *slot).collect(),
        arguments: taken.iter().map(|(.., argument)| *argument).collect(),
    };
    let fold = every.plugin.millstream_plugin_fold();
    let folded = fold.call_fold(&mut every.store, 5, &records, &states, &steps, Reply::Every).expect("no trap");
    let numbers = [Some(15), Some(15), Some(25), None, None, Some(0), Some(-5), Some(0)];
    assert_eq!(longs(&folded.states)[..7], numbers[..7]);
    assert_eq!(folded.states.lengths[3], SAME);
    assert_eq!(folded.failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [3]);
    let last = fold.call_fold(&mut every.store, 5, &records, &states, &steps, Reply::Last).expect("no trap");
    assert_eq!(longs(&last.states), [Some(25), None, None, None]);
}

#[test]
fn a_joiner_gives_a_value_for_every_pair() {
    let mut every = Every::opened("pair", &["out"]);
    let (left, right) = (batch(&[("k", "l", 1), ("k", "m", 2)]), batch(&[("k", "r", 3)]));
    let none = 0xffff_ffff;
    let pairs = Pairs { left: vec![0, 1, none, 1], right: vec![0, 0, 0, none] };
    let join = every.plugin.millstream_plugin_join();
    let outcome = join.call_join(&mut every.store, 5, &left, &right, &pairs).expect("no trap");
    assert_eq!(outcome.sources, [0, 1, 2, 3]);
    assert_eq!(text(&outcome.bytes), "l|rm|rnull|rm|null");
}

#[test]
fn a_processor_uses_its_store_its_timers_and_its_facts() {
    let mut every = Every::opened("tally", &["each", "second"]);
    assert_eq!(every.memory().stores, ["counts"]);
    let outcome = every.process(&batch(&[("a", "A", 7), ("a", "B", 8), ("full", "C", 9)]));
    assert_eq!((outcome.sources.as_slice(), outcome.routes.as_slice()), (&[0, 1, 1][..], &[0, 0, 1][..]));
    assert_eq!(outcome.timestamps, [SAME_TIMESTAMP, SAME_TIMESTAMP, 9]);
    assert_eq!(outcome.header_lengths[2], SAME);
    let words = text(&outcome.bytes);
    assert!(words.starts_with("1 in/40 90 1000 ") && words.contains("2 in/41 91 1000 "), "{words}");
    assert_eq!(outcome.failures[0].reason, "timer \"full\" is one too many");
    let memory = every.memory();
    let declared =
        "declare tell Clock::StreamTime Rhythm::Anchored(Grid { start: 5, interval-ms: 10 }) Some([97, 108, 108])";
    assert_eq!(memory.timers[0], declared);
    assert_eq!(memory.timers[1], "set a Clock::WallClock Rhythm::Once(1100) Some([65])");
    assert_eq!(memory.lines, ["Level::Info 1 of a", "Level::Info 2 of a", "Level::Info 1 of full"]);
    let told = ["counter tallied [(\"by\", \"key\")]", "add 3 3", "histogram lengths [] [1.0, 10.0]"];
    assert_eq!(memory.metrics[..3], told);
    assert_eq!(memory.metrics[3..], ["observe 4 [1.0, 1.0, 4.0]"]);
    let two = 2_i64.to_be_bytes().to_vec();
    assert_eq!(memory.key_value.get(b"a".as_slice()), Some(&(two, 8)));
}

#[test]
fn timers_that_are_due_come_as_a_batch() {
    let mut every = Every::opened("tally", &["each", "second"]);
    every.process(&batch(&[("a", "A", 7), ("b", "B", 8), ("c", "C", 9)]));
    let due = batch(&[("tell", "all", 15), ("a", "A", 16)]);
    let processor = every.plugin.millstream_plugin_processor();
    let outcome = processor.call_punctuate(&mut every.store, 5, &due).expect("no trap");
    assert_eq!(outcome.sources, [0, 0, 0, 1]);
    assert!(outcome.timestamps.is_empty());
    assert!(outcome.routes.iter().all(|route| *route == EVERY_OUTPUT));
    // Three rows of a store that answers two a page.
    assert_eq!(text(&outcome.bytes), "a1 at 7b1 at 8c1 at 9aA");
    assert_eq!(every.memory().timers.last().map(String::as_str), Some("cancel tell"));
}

#[test]
fn a_processor_uses_stores_of_every_shape() {
    let mut every = Every::opened("shapes", &["out"]);
    assert_eq!(every.memory().stores, ["windows", "sessions", "versions", "table"]);
    let outcome = every.process(&batch(&[("k", "v", 10), ("k", "w", 12), ("k", "x", 11)]));
    let lengths = outcome.value_lengths.iter().map(|length| *length as usize);
    let mut at = 0;
    let rows: Vec<String> = lengths
        .map(|length| {
            at += length;
            text(&outcome.bytes[at - length..at])
        })
        .collect();
    let table = "[Some(7), None]";
    assert_eq!(
        rows,
        [
            format!("Latest [10] [15] None {table}"),
            format!("Latest [12, 10] [15, 17] Some(Some(12)) {table}"),
            format!("Until(12) [11, 10] [15, 16] Some(Some(11)) {table}"),
        ]
    );
    // They stand, although each failed at last.
    let reasons: Vec<&str> = outcome.failures.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(reasons, ["the store can only be read"; 3]);
}

#[test]
fn states_are_turned() {
    let mut every = Every::opened("sum", &["out"]);
    let rows = batch(&[("a", "7", 1), ("b", "x", 2)]);
    let schema = |version| Schema { name: "sum".into(), version };
    let lifecycle = every.plugin.millstream_plugin_lifecycle();
    let migrated = lifecycle.call_migrate(&mut every.store, 5, None, &schema(1), &rows).expect("no trap");
    assert_eq!(longs(&migrated.values), [Some(7), None]);
    assert_eq!(migrated.failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [1]);
    let migrated = lifecycle.call_migrate(&mut every.store, 5, None, &schema(9), &rows).expect("no trap");
    assert_eq!(migrated.failures[0].reason, "version 9");
}
