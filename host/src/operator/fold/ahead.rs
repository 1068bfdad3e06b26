//! Counting ahead of a repartition topic: one record a key and commit goes there instead of all of them.

use super::super::{Context, Emission, Operator, Stop, To};
use crate::record::{Arena, Cell, Path, Row, Timestamp, counted};
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use smallvec::SmallVec;
use std::hash::BuildHasher;

/// Bytes that an operator holds back at most: some 80,000 short keys, many more than come in a commit's time of most
/// streams; what is beyond is written before the commit. (All that waits for a commit is bounded by the worker.)
const HELD_BYTES_MAX: usize = 8 << 20;
/// What an entry costs besides its key and headers, roughly.
const ENTRY_BYTES: usize = 80;
/// The input record of what is handed on at a commit: none, and after all that have one.
const NO_ORIGIN: u32 = u32::MAX;

/// Counts rows by key and writes the numbers to a repartition topic, when the task commits or when it holds too much: for
/// counts that hand on the last update of each key and commit, so that nobody sees the updates between.
///
/// Each number goes with the latest timestamp of its records and with the headers of the last one: what the count, which
/// adds the numbers up, would have taken from the records themselves. As with records themselves, a null key is left out,
/// uncounted, and a null value is dropped and counted, by each count that would have read it. Keys are written in the order
/// in which they came.
pub struct Ahead {
    topic: u32,
    counts: u64,
    held: Held,
    held_bytes_max: usize,
}

impl Ahead {
    /// Writes to one of the task's output topics, which so many counts read.
    pub fn new(topic: u32, counts: u64) -> Self {
        Self { topic, counts, held: Held::default(), held_bytes_max: HELD_BYTES_MAX }
    }

    /// Hands on all numbers, as if they came of this input record, this way.
    fn hand_on(&mut self, cx: &mut Context<'_>, origin: u32, path: Path) {
        let arena = &mut cx.turn.arena;
        let to = To::Sink(self.topic);
        cx.effects
            .emissions
            .extend(self.held.numbers.iter().map(|number| Emission { to, row: number.row(arena, origin, path) }));
        self.held.clear();
    }
}

impl Operator for Ahead {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, _outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        for row in rows.iter().filter(|row| !row.key.is_null()) {
            if row.value.is_null() {
                cx.effects.dropped += self.counts;
                continue;
            }
            self.held.add(row, &cx.turn.arena);
            // Looked at after each record, so that it does not depend on how records are cut into turns.
            if self.held.bytes > self.held_bytes_max {
                self.hand_on(cx, row.origin, row.path);
            }
        }
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_>, _outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        self.hand_on(cx, NO_ORIGIN, Path::ROOT);
        Ok(())
    }

    fn rollback(&mut self) {
        if !crate::fault::is("rollback-keeps-counts") {
            self.held.clear();
        }
    }

    fn held_bytes(&self) -> usize {
        self.held.bytes
    }

    fn set_held_bytes_max(&mut self, bytes: usize) {
        self.held_bytes_max = bytes;
    }
}

/// Numbers by key.
#[derive(Default)]
struct Held {
    places: HashTable<u32>,
    /// In the order in which their keys came.
    numbers: Vec<Number>,
    bytes: usize,
}

/// Most keys, and most headers, lie in the entry itself, which fills a cache line.
type Bytes = SmallVec<[u8; 16]>;

struct Number {
    key: Bytes,
    /// Of the last record.
    headers: Bytes,
    records: i64,
    /// The latest of all records.
    timestamp: Timestamp,
}

impl Held {
    #[expect(clippy::indexing_slicing, reason = "the table holds places of these numbers")]
    fn add(&mut self, row: &Row, arena: &Arena) {
        let (key, headers) = (arena.bytes(row.key), arena.bytes(row.headers));
        let hashed = hash(key);
        let Some(place) = self.places.find(hashed, |place| *self.numbers[*place as usize].key == *key) else {
            return self.insert(hashed, key, headers, row.timestamp);
        };
        let number = &mut self.numbers[*place as usize];
        number.records += 1;
        number.timestamp = number.timestamp.max(row.timestamp);
        self.bytes = self.bytes + headers.len() - number.headers.len();
        number.headers.clear();
        number.headers.extend_from_slice(headers);
    }

    #[expect(clippy::cast_possible_truncation, reason = "bounded by the bytes that are held back")]
    #[expect(clippy::indexing_slicing, reason = "as in add")]
    fn insert(&mut self, hashed: u64, key: &[u8], headers: &[u8], timestamp: Timestamp) {
        let place = self.numbers.len() as u32;
        self.numbers.push(Number { key: key.into(), headers: headers.into(), records: 1, timestamp });
        let numbers = &self.numbers;
        self.places.insert_unique(hashed, place, |place| hash(&numbers[*place as usize].key));
        self.bytes += key.len() + headers.len() + ENTRY_BYTES;
    }

    fn clear(&mut self) {
        self.places.clear();
        self.numbers.clear();
        self.bytes = 0;
    }
}

impl Number {
    fn row(&self, arena: &mut Arena, origin: u32, path: Path) -> Row {
        let (key, number) = (self.key.len(), counted::bytes(self.records));
        let all = arena.write(|chunk| {
            chunk.extend_from_slice(&self.key);
            chunk.extend_from_slice(&number);
            chunk.extend_from_slice(&self.headers);
        });
        Row {
            timestamp: self.timestamp,
            origin,
            path,
            key: all.part(0, key),
            value: all.part(key, number.len()),
            old: Cell::NULL,
            headers: all.part(key + number.len(), self.headers.len()),
        }
    }
}

fn hash(key: &[u8]) -> u64 {
    FxBuildHasher.hash_one(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Effects;
    use crate::record::Turn;

    fn row(turn: &mut Turn, origin: u32, key: Option<&str>, value: Option<&str>, headers: &str, time: i64) -> Row {
        let mut cell = |text: Option<&str>| turn.arena.copy(text.map(str::as_bytes));
        let (key, value, headers) = (cell(key), cell(value), cell(Some(headers)));
        Row { timestamp: time, origin, path: Path::ROOT, key, value, old: Cell::NULL, headers }
    }

    /// What was handed on: key, number, timestamp, headers, origin.
    fn handed_on(turn: &Turn, effects: &mut Effects) -> Vec<(String, i64, i64, String, u32)> {
        let text = |cell| String::from_utf8_lossy(turn.arena.get(cell).expect("it is no null")).into_owned();
        let one = |Emission { row, .. }: Emission| {
            let number = counted::number(turn.arena.bytes(row.value)).expect("a number");
            (text(row.key), number, row.timestamp, text(row.headers), row.origin)
        };
        std::mem::take(&mut effects.emissions).into_iter().map(one).collect()
    }

    fn through(ahead: &mut Ahead, turn: &mut Turn, effects: &mut Effects, rows: &[Row], flush: bool) {
        let mut cx = Context { turn, stores: &mut [], plugins: &mut [], effects };
        ahead.run(rows, &mut cx, &mut []).expect("nothing stops it");
        if flush {
            ahead.flush(&mut cx, &mut []).expect("nothing stops it");
        }
    }

    #[test]
    fn one_number_a_key_with_the_latest_timestamp_and_the_last_headers() {
        let (mut ahead, mut turn, mut effects) = (Ahead::new(0, 2), Turn::default(), Effects::default());
        let long = "a key that does not lie in the entry";
        let rows = [
            row(&mut turn, 0, Some("b"), Some("x"), "first", 5),
            row(&mut turn, 1, Some(long), Some(""), "", 1),
            row(&mut turn, 2, None, Some("x"), "", 9),
            row(&mut turn, 3, Some("b"), None, "dropped", 9),
            row(&mut turn, 4, Some(""), Some("x"), "", 2),
            row(&mut turn, 5, Some("b"), Some("y"), "headers that are longer than what lies in the entry", 3),
            row(&mut turn, 6, Some("b"), Some("y"), "last", 4),
        ];
        through(&mut ahead, &mut turn, &mut effects, &rows, false);
        assert_eq!((effects.dropped, effects.emissions.len()), (2, 0), "dropped by each of two counts");
        through(&mut ahead, &mut turn, &mut effects, &[], true);
        let of = |key: &str, number, time, headers: &str| (key.to_owned(), number, time, headers.to_owned(), NO_ORIGIN);
        let expected = [of("b", 3, 5, "last"), of(long, 1, 1, ""), of("", 1, 2, "")];
        assert_eq!(handed_on(&turn, &mut effects), expected);
        through(&mut ahead, &mut turn, &mut effects, &[], true);
        assert!(effects.emissions.is_empty(), "it is handed on once");
    }

    #[test]
    fn what_is_too_much_is_handed_on_at_the_record_that_makes_it_so() {
        let (mut ahead, mut turn, mut effects) = (Ahead::new(0, 1), Turn::default(), Effects::default());
        let keys = ["a", "b", "a", "c", "a", "d"];
        let rows: Vec<Row> = (0u32..).zip(keys).map(|(n, key)| row(&mut turn, n, Some(key), Some(""), "", 0)).collect();
        ahead.set_held_bytes_max(2 * (ENTRY_BYTES + 1));
        through(&mut ahead, &mut turn, &mut effects, &rows, false);
        let number = |key: &str, number, origin| (key.to_owned(), number, 0, String::new(), origin);
        assert_eq!(handed_on(&turn, &mut effects), [number("a", 2, 3), number("b", 1, 3), number("c", 1, 3)]);
        assert_eq!(ahead.held_bytes(), 2 * (ENTRY_BYTES + 1));
        ahead.rollback();
        assert_eq!(ahead.held_bytes(), 0);
        through(&mut ahead, &mut turn, &mut effects, &[], true);
        assert!(effects.emissions.is_empty(), "it is rolled back");
    }

    #[test]
    fn bytes_follow_the_headers() {
        let (mut ahead, mut turn, mut effects) = (Ahead::new(0, 1), Turn::default(), Effects::default());
        for (headers, bytes) in [("long headers", 12), ("", 0), ("more", 4)] {
            let rows = [row(&mut turn, 0, Some("k"), Some(""), headers, 0)];
            through(&mut ahead, &mut turn, &mut effects, &rows, false);
            assert_eq!(ahead.held_bytes(), ENTRY_BYTES + 1 + bytes);
        }
    }
}
