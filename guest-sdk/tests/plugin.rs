//! A plugin with an operator of every kind, as an author writes it, run natively.

use millstream::testing::{self, Operator, Sent};
use millstream::{
    Aggregate, Clock, Counter, Failed, Histogram, Json, KeyValueStore, Old, Opening, Out, Placed, Processor, Record,
    Rhythm, Schema, SessionStore, StoreUse, Timer, Typed, VersionedStore, WindowStore, context, log, random, timer,
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Bounds {
    at_least: i64,
    #[serde(default)]
    at_most: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct Bid {
    auction: i64,
    price: i64,
}

fn within(bounds: &Bounds, record: Record<'_>) -> Result<bool, Failed> {
    let Bid { price, .. } = record.value.json()?;
    Ok(price >= bounds.at_least && bounds.at_most.is_none_or(|most| price <= most))
}

fn price(record: Record<'_>) -> Result<i64, Failed> {
    Ok(record.value.json::<Bid>()?.price)
}

fn swap(record: Record<'_>) -> (Option<&[u8]>, Option<&[u8]>) {
    (record.value, record.key)
}

fn value_as_key(record: Record<'_>) -> Option<&[u8]> {
    record.value
}

fn look(record: Record<'_>) -> Result<(), Failed> {
    if record.value.is_none() { Err("nothing to see".into()) } else { Ok(()) }
}

fn parity(record: Record<'_>, out: &mut Out) -> Result<(), Failed> {
    for number in record.value.text()?.split(',') {
        let output = if number.parse::<i64>()? % 2 == 0 { "even" } else { "odd" };
        out.row().value(number).to(output).forward();
    }
    Ok(())
}

fn topic(record: Record<'_>) -> Result<String, Failed> {
    Ok(format!("by-{}", record.key.text()?))
}

fn value_or_later(record: Record<'_>, partition_time: i64) -> i64 {
    record.value.text().ok().and_then(|text| text.parse().ok()).unwrap_or(partition_time + 1)
}

fn place(_record: Record<'_>) -> Option<String> {
    let place = context::position()?;
    Some(format!("{}/{}/{}", place.topic, place.partition, place.offset))
}

fn lot(_record: Record<'_>) -> String {
    format!("{} {}", random::bits(), random::bits())
}

/// The highest bid of an auction.
struct Highest(Bounds);

impl Aggregate for Highest {
    type State = Json<Bid>;
    const SCHEMA: Option<Schema> = Some(Schema::new("highest", 2));
    const MERGES: bool = true;

    fn initial(&self) -> Json<Bid> {
        Json(Bid { price: self.0.at_least, ..Bid::default() })
    }

    fn add(&self, state: &mut Json<Bid>, record: Record<'_>) -> Result<(), Failed> {
        let bid: Bid = record.value.json()?;
        if bid.price > state.0.price {
            state.0 = bid;
        }
        Ok(())
    }
}

/// Version 1 kept the price alone, as a long.
fn from_price(old: Old<'_>, state: Record<'_>) -> Result<Json<Bid>, Failed> {
    if old.version != 1 || old.store.is_some() {
        return Err(format!("no way from {} {}", old.name, old.version).into());
    }
    Ok(Json(Bid { auction: 0, price: state.value.long()? }))
}

fn sum(aggregate: &[u8], value: Option<&[u8]>) -> Result<i64, Failed> {
    Ok(aggregate.long()? + value.long()?)
}

fn take_off(aggregate: &[u8], value: Option<&[u8]>) -> Result<i64, Failed> {
    Ok(aggregate.long()? - value.long()?)
}

fn pair(left: Option<Record<'_>>, right: Option<Record<'_>>) -> Result<String, Failed> {
    Ok(format!("{}|{}", text(left)?, text(right)?))
}

fn text(side: Option<Record<'_>>) -> Result<&str, Failed> {
    Ok(side.and_then(|side| side.value).map_or(Ok("null"), |value| value.text())?)
}

static DOUBLES: Counter = Counter::new("doubles", &[]);
static LENGTHS: Histogram = Histogram::new("lengths", &[], &[1.0, 10.0]);

/// Lets the first record of a key through, and tells its friends how many there were.
struct Dedupe {
    seen: KeyValueStore,
}

impl Dedupe {
    fn open(opening: &Opening<'_>) -> Result<Self, Failed> {
        opening.declare_timer("tell", Clock::StreamTime, Rhythm::Every(10), None::<&[u8]>)?;
        Ok(Self { seen: opening.key_value_store("seen")? })
    }
}

impl Processor for Dedupe {
    const STORES: &'static [StoreUse] = &[StoreUse::key_value("seen").schema(Schema::new("times", 1))];

    fn process(&mut self, record: Record<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        let key = record.key.ok_or("no key")?;
        LENGTHS.observe(key.len() as f64);
        let times = self.seen.get(key).map_or(Ok(0), |times| times.as_slice().long())?;
        self.seen.put(key, times + 1)?;
        if times == 0 {
            out.keep();
        } else {
            DOUBLES.add(1);
            log::debug!("{:?} once more", record.key.text());
        }
        Ok(())
    }

    fn punctuate(&mut self, timer: Timer<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        for row in self.seen.all() {
            out.pair(row.key, format_args!("{} {} at {}", timer.name, row.value.as_slice().long()?, timer.time));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Delay {
    by_ms: i64,
}

/// Forwards a record later, once.
struct Later(Delay);

impl Later {
    fn open(_opening: &Opening<'_>, params: Delay) -> Result<Self, Failed> {
        Ok(Self(params))
    }
}

impl Processor for Later {
    fn process(&mut self, record: Record<'_>, _out: &mut Out<'_>) -> Result<(), Failed> {
        let name = record.key.text()?;
        if record.value == Some(b"never") {
            return if timer::cancel(name) { Ok(()) } else { Err("it was not to come anyway".into()) };
        }
        timer::set(name, Clock::WallClock, Rhythm::Once(context::wall_clock() + self.0.by_ms), record.value)
    }

    fn punctuate(&mut self, timer: Timer<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        out.row().key(timer.name).value(timer.payload).timestamp(timer.time - 1).forward();
        Ok(())
    }
}

/// Goes through stores of every shape.
struct Shapes {
    table: KeyValueStore,
    windows: WindowStore,
    sessions: SessionStore,
    versions: VersionedStore,
}

impl Shapes {
    fn open(opening: &Opening<'_>) -> Result<Self, Failed> {
        Ok(Self {
            table: opening.key_value_store("table")?,
            windows: opening.window_store("windows")?,
            sessions: opening.session_store("sessions")?,
            versions: opening.versioned_store("versions")?,
        })
    }
}

impl Processor for Shapes {
    const FAILED_STAND: bool = true;
    const STORES: &'static [StoreUse] = &[
        StoreUse::key_value("table").read_only(),
        StoreUse::window("windows").properties(&[("retention-ms", "1000")]),
        StoreUse::session("sessions"),
        StoreUse::versioned("versions"),
    ];

    fn process(&mut self, record: Record<'_>, out: &mut Out<'_>) -> Result<(), Failed> {
        let (key, time) = (record.key.ok_or("no key")?, record.timestamp);
        self.windows.put_at(key, time, record.value, time)?;
        self.sessions.put(key, time, time + 5, record.value)?;
        let placed = self.versions.put(key, record.value, time)?;
        let entry = self.table.entry(record.value.unwrap_or_default());
        out.value(format_args!(
            "{placed:?} {:?} {} {}",
            entry.map(|entry| (String::from_utf8_lossy(&entry.value).into_owned(), entry.timestamp)),
            self.windows.fetch(key, 0..=time).count(),
            self.sessions.fetch(key, time, time).backward().map(|row| row.start.to_string()).collect::<String>(),
        ));
        self.table.put(key, record.value)
    }
}

millstream::plugin! {
    /// Bids whose price is
    /// within bounds.
    filter "within" (Bounds) = within;
    map_values "price" reads [value] = price;
    map "swap" = swap;
    select_key "value-as-key" = value_as_key;
    peek "look" = look;
    flat_map_values "parity" -> ["even", "odd"] = parity;
    extract_topic "topic" = topic;
    extract_timestamp "value-or-later" = value_or_later;
    map_values "place" = place;
    map_values "lot" = lot;
    aggregate "highest" (Bounds) = Highest;
    migrate "highest" = from_price;
    reduce "sum" = sum, subtract = take_off;
    join "pair" = pair;
    process "dedupe" = Dedupe::open;
    process_values "later" (Delay) = Later::open;
    process "shapes" = Shapes::open;
}

fn open(operator: &str, params: &str) -> Operator {
    Operator::open::<Operators>(operator, params).expect("it opens")
}

fn bid(key: &str, auction: i64, price: i64) -> Sent {
    Sent::new(key, serde_json::to_vec(&Bid { auction, price }).expect("JSON"), 1)
}

#[test]
fn parameters_are_read_and_refused() {
    let mut within = open("within", r#"{"at-least": 10, "at-most": 20}"#);
    let answer = within.process(&[bid("a", 1, 9), bid("b", 1, 10), Sent::new("c", "{", 1), bid("d", 1, 21)]);
    assert_eq!(answer.keys(), ["b"]);
    assert_eq!(answer.failures.len(), 1);
    assert_eq!(answer.failures[0].0, 2);
    let refused = |params: &str| Operator::open::<Operators>("within", params).expect_err("refused");
    assert_eq!(refused("{}"), "missing field `at-least` at line 1 column 2");
    assert_eq!(
        refused(r#"{"at-least": 1, "at-mots": 2}"#),
        r#"there is no parameter "at-mots", but at-least, at-most"#
    );
}

#[test]
fn stateless_kinds_change_what_they_should() {
    let answer = open("price", "{}").process(&[bid("a", 1, 258), Sent::new("b", "", 1)]);
    assert_eq!(answer.rows[0].value, Some(258_i64.to_be_bytes().to_vec()));
    assert_eq!((answer.keys(), answer.failures.len()), (vec!["a".into()], 1));

    let answer = open("swap", "{}").process(&[Sent::new("k", "v", 1), Sent::new("", "v", 1).without_key()]);
    assert_eq!((answer.keys(), answer.values()), (vec!["v".into(), "v".into()], vec!["k".into(), "".into()]));
    assert_eq!(answer.rows[1].value, None);

    let answer = open("value-as-key", "{}").process(&[Sent::new("k", "v", 1), Sent::new("k", "", 1).without_value()]);
    assert_eq!((answer.keys(), answer.values()), (vec!["v".into(), "".into()], vec!["v".into(), "".into()]));
    assert_eq!(answer.rows[1].key, None);

    let answer = open("look", "{}").process(&[Sent::new("k", "v", 1), Sent::new("k", "", 1).without_value()]);
    assert_eq!((answer.rows, answer.failures), (vec![], vec![(1, "nothing to see".into())]));

    let answer = open("topic", "{}").process(&[Sent::new("k", "v", 1), Sent::new("k", "v", 1).without_key()]);
    assert_eq!((answer.values(), answer.failures.len()), (vec!["by-k".into()], 1));
}

#[test]
fn a_flat_map_routes_its_rows_and_undoes_them() {
    let answer = open("parity", "{}").process(&[Sent::new("k", "1,2", 1), Sent::new("k", "3,x", 2)]);
    let routed: Vec<_> = answer.rows.iter().map(|row| row.output.as_deref()).collect();
    assert_eq!((answer.values(), routed), (vec!["1".into(), "2".into()], vec![Some("odd"), Some("even")]));
    assert_eq!(answer.failures, [(1, "invalid digit found in string".into())]);
}

#[test]
fn extracted_timestamps_follow_each_other() {
    let sent = ["5", "x", "3", "x"].map(|value| Sent::new("k", value, 1));
    let answer = open("value-or-later", "{}").process(&sent);
    assert_eq!(answer.rows.iter().map(|row| row.timestamp).collect::<Vec<_>>(), [5, 6, 3, 7]);
}

#[test]
fn a_record_knows_its_place_and_its_chance() {
    let sent = [Sent::new("k", "v", 1).at("in", 3, 7), Sent::new("k", "v", 1)];
    let answer = open("place", "{}").process(&sent);
    assert_eq!(answer.rows[0].value.as_deref(), Some(b"in/3/7".as_slice()));
    assert_eq!(answer.rows[1].value, None);
    let mut lot = open("lot", "{}");
    let (first, again) = (lot.process(&sent), lot.process(&sent));
    assert_eq!(first, again);
    assert_ne!(first.rows[0].value, first.rows[1].value);
}

#[test]
fn an_aggregate_keeps_json() {
    let mut highest = open("highest", r#"{"at-least": 5}"#);
    let answer =
        highest.fold(&[bid("a", 1, 3), bid("a", 2, 9), Sent::new("a", "x", 1), bid("a", 3, 7), bid("b", 4, 6)]);
    let start = r#"{"auction":0,"price":5}"#;
    let top = r#"{"auction":2,"price":9}"#;
    assert_eq!(answer.values(), [start, top, top, r#"{"auction":4,"price":6}"#]);
    assert_eq!(answer.failures.len(), 1);
}

#[test]
fn states_of_an_older_version_are_turned() {
    let mut highest = open("highest", r#"{"at-least": 5}"#);
    let rows = [Sent::new("a", 7_i64.to_be_bytes(), 1), Sent::new("b", "short", 1)];
    let answer = highest.migrate(None, ("highest", 1), &rows);
    assert_eq!(answer.values(), [r#"{"auction":0,"price":7}"#, ""]);
    assert_eq!(answer.failures, [(1, "5 bytes where 8 were expected".into())]);
    assert_eq!(highest.migrate(None, ("other", 9), &rows).failures[0].1, "no way from other 9");
    let without = open("sum", "{}").migrate(None, ("sum", 1), &rows);
    assert_eq!(without.failures[0].1, "the plugin has no migration for this operator");
}

#[test]
fn a_reducer_adds() {
    let numbers = [3_i64, 4, -2].map(|number| Sent::new("k", number.to_be_bytes(), 1));
    let sums = open("sum", "{}").fold(&numbers);
    let sums: Vec<i64> = sums.rows.iter().map(|row| row.value.as_deref().long().expect("a long")).collect();
    assert_eq!(sums, [3, 7, 5]);
}

#[test]
fn a_joiner_sees_both_sides() {
    let (left, right, null) = (Sent::new("k", "l", 1), Sent::new("k", "r", 2), Sent::new("k", "", 1).without_value());
    let mut pair = open("pair", "{}");
    assert_eq!(pair.join(Some(&left), Some(&right)).values(), ["l|r"]);
    assert_eq!(pair.join(None, Some(&right)).values(), ["null|r"]);
    assert_eq!(pair.join(Some(&null), None).values(), ["null|null"]);
    assert_eq!(pair.join(Some(&left), Some(&right)).keys(), ["k"]);
    let bad = Sent::new("k", [0xff], 1);
    assert_eq!(pair.join(Some(&bad), None).failures, [(0, "no UTF-8 from byte 0 on".into())]);
}

#[test]
fn a_processor_keeps_state_and_timers_when_its_instance_is_lost() {
    let mut dedupe = open("dedupe", "{}");
    let first = dedupe.process(&[Sent::new("a", "1", 3)]);
    // The stream-time timer fires as soon as there is a stream time.
    assert_eq!(first.values(), ["1", "tell 1 at 3"]);
    dedupe.reopen::<Operators>("dedupe", "{}").expect("it opens again");
    let records = [Sent::new("a", "2", 4), Sent::new("b", "3", 9), Sent::new("", "", 5).without_key()];
    let answer = dedupe.process(&records);
    assert_eq!((answer.values(), answer.failures), (vec!["3".into()], vec![(2, "no key".into())]));
    let told = dedupe.process(&[Sent::new("b", "4", 35)]);
    assert_eq!(
        (told.keys(), told.values()),
        (vec!["a".into(), "b".into()], vec!["tell 2 at 35".into(), "tell 2 at 35".into()])
    );
    assert_eq!(dedupe.process(&[Sent::new("b", "4", 39)]).rows, []);
    assert_eq!(dedupe.process(&[Sent::new("c", "5", 40)]).rows.len(), 1 + 3);
    assert_eq!(dedupe.key_value_store("seen").prefix("b").next().map(|row| row.key), Some(b"b".to_vec()));
    assert!(testing::logged().is_empty());
}

#[test]
fn a_timer_carries_its_payload_and_can_be_cancelled() {
    let mut later = open("later", r#"{"by_ms": 100}"#);
    let sent = [Sent::new("a", "A", 1), Sent::new("b", "B", 1), Sent::new("b", "never", 1), Sent::new("c", "never", 1)];
    let answer = later.process(&sent);
    assert_eq!((answer.rows, answer.failures), (vec![], vec![(3, "it was not to come anyway".into())]));
    assert_eq!(later.advance_wall_clock(99).rows, []);
    let due = later.advance_wall_clock(1);
    assert_eq!((due.keys(), due.values(), due.rows[0].timestamp), (vec!["a".into()], vec!["A".into()], 99));
    assert_eq!(later.advance_wall_clock(1000).rows, []);
}

#[test]
fn stores_of_every_shape_answer() {
    let mut shapes = open("shapes", "{}");
    shapes.key_value_store("table").put_at("v", "row", 8).expect("it can be filled");
    let answer = shapes.process(&[Sent::new("k", "v", 10), Sent::new("k", "w", 12), Sent::new("k", "x", 11)]);
    assert_eq!(
        answer.values(),
        [r#"Latest Some(("row", Some(8))) 1 10"#, "Latest None 2 1210", "Until(12) None 2 1110"]
    );
    // They may stand although the table that they write to at last can only be read.
    let reasons: Vec<&str> = answer.failures.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(reasons, ["the store can only be read"; 3]);
}

#[test]
fn a_scan_goes_on_past_its_first_page() {
    let shapes = open("shapes", "{}");
    let mut table = shapes.key_value_store("table");
    table.put_many((0..1000).map(|number: i32| (number.to_be_bytes(), number))).expect("it can be filled");
    let keys = |scan: millstream::Scan<millstream::Row>| -> Vec<i32> {
        scan.map(|row| row.key.as_slice().int().expect("a number")).collect()
    };
    assert_eq!(keys(table.all()), (0..1000).collect::<Vec<_>>());
    assert_eq!(keys(table.range(200_i32.to_be_bytes()..=700_i32.to_be_bytes())), (200..=700).collect::<Vec<_>>());
    assert_eq!(keys(table.all().backward()), (0..1000).rev().collect::<Vec<_>>());
    assert_eq!(keys(table.prefix([0, 0, 1])), (256..512).collect::<Vec<_>>());
}

#[test]
fn a_version_in_the_middle_ends_with_the_next() {
    let mut shapes = open("shapes", "{}");
    shapes.process(&[Sent::new("k", "v", 10)]);
    let earlier = shapes.process(&[Sent::new("k", "u", 5)]).values();
    assert!(earlier[0].starts_with(&format!("{:?} ", Placed::Until(10))), "{earlier:?}");
}
