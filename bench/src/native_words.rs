//! Word count by hand: the same topics, the same state in the same database, the same commits.

use crate::Failure;
use crate::clock::{Clock, Span};
use crate::data;
use crate::functions::words;
use crate::native::{Consumer, Due, Producer};
use millstream::record::batch::Batches;
use millstream::store::{Db, Family, Writes};
use millstream::transport::{Transaction, Transport};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::sync::Arc;

/// A word's count, and the time of the latest record that moved it.
struct Count {
    word: Box<[u8]>,
    count: i64,
    timestamp: i64,
    dirty: bool,
}

/// The counts at hand, over those in the database.
pub(crate) struct Counts {
    db: Db,
    prefix: [u8; 8],
    places: FxHashMap<Box<[u8]>, usize>,
    all: Vec<Count>,
    dirty: Vec<usize>,
}

impl Counts {
    /// Over a database.
    ///
    /// # Errors
    /// If it cannot give the store a number.
    pub(crate) fn open(db: Db) -> Result<Self, Failure> {
        let mut prefix = [0; 8];
        prefix[..4].copy_from_slice(&db.number("store/native/counts")?.to_be_bytes());
        Ok(Self { db, prefix, places: FxHashMap::default(), all: Vec::new(), dirty: Vec::new() })
    }

    /// Counts one more of a word: its count now, and its time.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) fn add(&mut self, word: &[u8], timestamp: i64) -> Result<(i64, i64), Failure> {
        let place = match self.places.get(word) {
            Some(place) => *place,
            None => self.load(word)?,
        };
        let count = self.all.get_mut(place).ok_or("a place without a count")?;
        count.count += 1;
        count.timestamp = count.timestamp.max(timestamp);
        if !count.dirty {
            count.dirty = true;
            self.dirty.push(place);
        }
        Ok((count.count, count.timestamp))
    }

    fn load(&mut self, word: &[u8]) -> Result<usize, Failure> {
        let stored = self.db.get(Family::KeyValue, &[&self.prefix, word].concat())?;
        let (mut timestamp, mut count) = (i64::MIN, 0);
        if let Some((time, rest)) = stored.as_deref().and_then(<[u8]>::split_first_chunk) {
            timestamp = i64::from_be_bytes(*time);
            count = rest.first_chunk().map_or(0, |count| i64::from_be_bytes(*count));
        }
        let place = self.all.len();
        self.all.push(Count { word: word.into(), count, timestamp, dirty: false });
        self.places.insert(word.into(), place);
        Ok(place)
    }

    /// Writes each changed count once, in the order of the words, and forgets that it changed.
    pub(crate) fn prepare(&mut self, writes: &mut Writes, mut visit: impl FnMut(&[u8], i64, i64)) {
        let mut dirty = std::mem::take(&mut self.dirty);
        let word = |place: &usize| self.all.get(*place).map(|count| &count.word);
        dirty.sort_unstable_by(|a, b| word(a).cmp(&word(b)));
        for place in dirty {
            let Some(count) = self.all.get_mut(place) else { continue };
            count.dirty = false;
            let value = [count.timestamp.to_be_bytes(), count.count.to_be_bytes()].concat();
            writes.put(Family::KeyValue, [&self.prefix, &*count.word].concat(), value);
            visit(&count.word, count.count, count.timestamp);
        }
    }
}

/// Counts the input's words to its end; hands on every update, or the changes at each commit.
///
/// # Errors
/// If the log or the database fails.
pub(crate) fn run(directory: &Path, mut due: Due, every_update: bool) -> Result<Span, Failure> {
    let (db, mut log) = data::open(directory)?;
    let clock = Clock::start();
    let (mut lines, mut rekeyed) = (Consumer::new("input"), Consumer::new("words"));
    let mut by_word = Producer::new(&mut log, "words")?;
    let mut output = Producer::new(&mut log, "output")?;
    let mut counts = Counts::open(db)?;
    let (mut transaction, mut uncommitted) = (Transaction::default(), false);
    loop {
        let fetched = [lines.fetch(&mut log)?, rekeyed.fetch(&mut log)?];
        let idle = fetched.iter().all(Option::is_none);
        let [fetched_lines, fetched_words] = fetched;
        for batch in fetched_lines.into_iter().flat_map(|fetched| Batches::new(Arc::new(fetched.batches))) {
            let batch = batch?;
            for record in batch.records() {
                let record = record?;
                due.count();
                for word in words(record.value.of(batch.payload()).unwrap_or_default()) {
                    by_word.append(record.timestamp, Some(word), Some(word), &mut transaction);
                }
            }
        }
        for batch in fetched_words.into_iter().flat_map(|fetched| Batches::new(Arc::new(fetched.batches))) {
            let batch = batch?;
            for record in batch.records() {
                let record = record?;
                due.count();
                let word = record.key.of(batch.payload()).unwrap_or_default();
                let (count, time) = counts.add(word, record.timestamp)?;
                if every_update {
                    output.append(time, Some(word), Some(&count.to_be_bytes()), &mut transaction);
                }
            }
        }
        uncommitted |= !idle;
        if uncommitted && (due.now() || idle) {
            let mut state = std::mem::take(&mut transaction.state);
            counts.prepare(&mut state, |word, count, time| {
                if !every_update {
                    output.append(time, Some(word), Some(&count.to_be_bytes()), &mut transaction);
                }
            });
            transaction.state = state;
            by_word.close(&mut transaction);
            output.close(&mut transaction);
            lines.note(&mut transaction);
            rekeyed.note(&mut transaction);
            log.commit("bench", &transaction)?;
            (transaction, uncommitted) = (Transaction::default(), false);
        } else if idle {
            return Ok(clock.stop());
        }
    }
}
