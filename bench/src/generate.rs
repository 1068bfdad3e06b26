//! The inputs, made from a seed: record batches ready to be appended.

use crate::Failure;
use millstream::record::batch::{BatchBuilder, Compression};

/// Bytes after which a batch is closed: what the host's own outbox does.
const BATCH_BYTES: usize = 256 * 1024;
/// Length of a bid, bytes.
const BID_BYTES: usize = 228;
/// Distinct words.
const VOCABULARY: usize = 100_000;
/// Words of a line.
pub(crate) const WORDS_PER_LINE: usize = 8;
/// The first record's time, and how far apart the others are.
const EPOCH_MS: i64 = 1_700_000_000_000;

const LETTERS: [char; 26] = [
    'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w',
    'x', 'y', 'z',
];

/// `splitmix64`: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the length of a slice")]
    fn pick<T: Copy + Default>(&mut self, from: &[T]) -> T {
        from.get(self.below(from.len() as u64) as usize).copied().unwrap_or_default()
    }

    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One generated record.
pub(crate) struct Generated<'a> {
    /// Where it comes in the order of all.
    pub(crate) index: usize,
    /// Its time.
    pub(crate) timestamp: i64,
    /// What would be its key, where keys are wanted: a bid's auction; lines have none.
    pub(crate) key: Option<u64>,
    /// Its value.
    pub(crate) value: &'a [u8],
}

fn each(
    records: usize,
    mut make: impl FnMut(usize, &mut String) -> Option<u64>,
    mut visit: impl FnMut(Generated<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut value = String::new();
    for (index, timestamp) in (0..records).zip(EPOCH_MS..) {
        value.clear();
        let key = make(index, &mut value);
        visit(Generated { index, timestamp, key, value: value.as_bytes() })?;
    }
    Ok(())
}

fn batches(records: usize, make: impl FnMut(usize, &mut String) -> Option<u64>) -> Vec<Vec<u8>> {
    let mut builder = BatchBuilder::new(Compression::None);
    let mut batches = Vec::new();
    let gathered = each(records, make, |record| {
        builder.append(record.timestamp, None, Some(record.value), &[]);
        if builder.size() >= BATCH_BYTES || record.index + 1 == records {
            batches.push(builder.finish());
        }
        Ok(())
    });
    debug_assert!(gathered.is_ok(), "gathering refuses no record");
    batches
}

/// Bids of the auction benchmark, half of them dear enough for [`crate::functions::PRICE_MIN`].
pub(crate) fn bids(records: usize) -> Vec<Vec<u8>> {
    let mut random = Random(1);
    batches(records, |index, value| Some(bid(&mut random, index, value)))
}

/// The same bids, one at a time.
///
/// # Errors
/// Those of the visitor.
pub(crate) fn each_bid(records: usize, visit: impl FnMut(Generated<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut random = Random(1);
    each(records, |index, value| Some(bid(&mut random, index, value)), visit)
}

/// Writes a bid, and tells its auction.
fn bid(random: &mut Random, index: usize, value: &mut String) -> u64 {
    use std::fmt::Write;
    let channel = random.pick(&["Google", "Facebook", "Baidu", "Apple"]);
    let (auction, bidder) = (1_000 + random.below(9_000), 1_000 + random.below(9_000));
    let price = random.below(10_000_000);
    // A string never refuses to be written to.
    let _ = write!(
        value,
        r#"{{"auction":{auction},"bidder":{bidder},"price":{price},"channel":"{channel}","url":"https://www.nexmark.com/{:07}/item.htm?query=1","dateTime":{},"extra":""#,
        random.below(10_000_000),
        EPOCH_MS + i64::try_from(index).unwrap_or_default(),
    );
    while value.len() < BID_BYTES - 2 {
        value.push(random.pick(&LETTERS));
    }
    value.push_str("\"}");
    auction
}

/// Bids, every other of which begins with the byte that [`crate::functions::keep`] looks for.
pub(crate) fn marked(records: usize) -> Vec<Vec<u8>> {
    let mut random = Random(2);
    batches(records, |index, value| {
        let auction = bid(&mut random, index, value);
        if random.below(2) == 0 {
            value.replace_range(..1, "#");
        }
        Some(auction)
    })
}

/// Lines of words, the words' frequencies after Zipf's law.
pub(crate) fn lines(records: usize) -> Vec<Vec<u8>> {
    let mut writer = Lines::new();
    batches(records, |_, value| writer.write(value))
}

/// The same lines, one at a time.
///
/// # Errors
/// Those of the visitor.
pub(crate) fn each_line(
    records: usize,
    visit: impl FnMut(Generated<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut writer = Lines::new();
    each(records, |_, value| writer.write(value), visit)
}

/// Where lines come from.
struct Lines {
    random: Random,
    words: Vec<String>,
    shares: Vec<f64>,
}

impl Lines {
    fn new() -> Self {
        let mut random = Random(3);
        let words = (0..VOCABULARY).map(|rank| word(&mut random, rank)).collect();
        Self { random, words, shares: zipf() }
    }

    /// Writes a line; it has no key.
    fn write(&mut self, value: &mut String) -> Option<u64> {
        for place in 0..WORDS_PER_LINE {
            let at = self.random.unit();
            let rank = self.shares.partition_point(|share| *share < at).min(VOCABULARY - 1);
            value.push_str(if place == 0 { "" } else { " " });
            value.push_str(self.words.get(rank).map_or("", String::as_str));
        }
        None
    }
}

/// A word that no other rank has: letters, then the rank in letters.
fn word(random: &mut Random, rank: usize) -> String {
    let mut word: String = (0..random.below(5)).map(|_| random.pick(&LETTERS)).collect();
    let mut rest = rank;
    loop {
        word.push(LETTERS.get(rest % 26).map_or('?', char::to_ascii_uppercase));
        rest /= 26;
        if rest == 0 {
            return word;
        }
    }
}

/// For each rank the share of the words up to it.
#[expect(clippy::cast_precision_loss, reason = "ranks are small")]
fn zipf() -> Vec<f64> {
    let mut sum = 0.0;
    let mut sums: Vec<f64> = Vec::with_capacity(VOCABULARY);
    for rank in 1..=VOCABULARY {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    sums.iter().map(|part| part / sum).collect()
}
