//! How long commits take, counted in bounded space: 8 KiB of buckets, 32 for each doubling of the time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets for a doubling of the time: what is told is at most 1/32 too much.
const PER_OCTAVE: u64 = 32;
/// Doublings above a microsecond: the last bucket holds all that takes longer than an hour.
const OCTAVES: u64 = 32;

/// Times that were counted.
#[derive(Debug)]
pub struct Latency {
    buckets: Box<[AtomicU64]>,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: (0..PER_OCTAVE * OCTAVES).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Latency {
    /// Counts one.
    pub(super) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let last = self.buckets.len().saturating_sub(1);
        if let Some(bucket) = self.buckets.get(usize::try_from(place(micros)).unwrap_or(last).min(last)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// A time that `percent` of them did not exceed, in milliseconds; 0 if there are none.
    ///
    /// ```
    /// assert_eq!(millstream::worker::Latency::default().percentile_ms(50), 0.0);
    /// ```
    #[expect(clippy::cast_precision_loss, reason = "microseconds of an hour fit")]
    pub fn percentile_ms(&self, percent: u64) -> f64 {
        let wanted = (self.count() * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (place, bucket) in (0..).zip(&self.buckets) {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= wanted {
                return end(place) as f64 / 1e3;
            }
        }
        0.0
    }
}

/// The bucket of a time: the octave, and in it the part.
fn place(micros: u64) -> u64 {
    let octave = micros.max(1).ilog2();
    let begin = 1u64 << octave;
    u64::from(octave) * PER_OCTAVE + (micros.max(1) - begin).saturating_mul(PER_OCTAVE) / begin
}

/// Where a bucket ends, microseconds.
const fn end(place: u64) -> u64 {
    let (octave, part) = (place / PER_OCTAVE, place % PER_OCTAVE);
    let begin = 1u64 << octave;
    begin + (begin * (part + 1)).div_ceil(PER_OCTAVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_its_bucket() {
        for micros in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 31) - 1]) {
            let place = place(micros);
            assert!(micros < end(place), "{micros}");
            assert!(place == 0 || micros + 1 >= end(place - 1), "{micros}");
            assert!(end(place) <= micros + micros / PER_OCTAVE + 2, "{micros}");
        }
    }

    #[test]
    fn percentiles_are_told() {
        let latency = Latency::default();
        assert_eq!((latency.count(), latency.percentile_ms(99)), (0, 0.0));
        (1..=100).for_each(|milliseconds| latency.add(Duration::from_millis(milliseconds)));
        latency.add(Duration::MAX);
        assert_eq!(latency.count(), 101);
        for (percent, milliseconds) in [(1, 2.0), (50, 51.0), (99, 100.0)] {
            let told = latency.percentile_ms(percent);
            assert!(told >= milliseconds && told <= milliseconds * 1.04, "{percent}: {told}");
        }
    }
}
