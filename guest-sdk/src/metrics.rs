//! Numbers that a plugin reports, shown beside the host's own. They are summed up here and said once a call.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::metrics as host;
#[cfg(not(target_family = "wasm"))]
use crate::native::metrics as host;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Labels of a counter or histogram: names and values.
pub type Labels = &'static [(&'static str, &'static str)];

/// A counter.
///
/// ```
/// use millstream::Counter;
///
/// static LATE: Counter = Counter::new("late_records", &[("cause", "clock")]);
/// # fn main() {
/// LATE.add(1);
/// # }
/// ```
#[derive(Debug)]
pub struct Counter {
    name: &'static str,
    labels: Labels,
    /// The host's number; none: it refused.
    number: OnceLock<Option<u32>>,
    /// What is not reported yet.
    pending: AtomicU64,
}

/// A histogram, with the upper ends of its buckets.
#[derive(Debug)]
pub struct Histogram {
    name: &'static str,
    labels: Labels,
    bounds: &'static [f64],
    number: OnceLock<Option<u32>>,
    pending: Mutex<Vec<f64>>,
}

/// Something that has numbers to report. A plugin without metrics holds nothing that does, and imports nothing for it.
trait Report {
    fn report(&self);
}

thread_local! {
    static PENDING: RefCell<Vec<&'static dyn Report>> = const { RefCell::new(Vec::new()) };
}

/// Reports what the call brought.
pub(crate) fn report() {
    PENDING.with_borrow_mut(|pending| pending.drain(..).for_each(Report::report));
}

impl Counter {
    /// A counter of this name: lower-case words joined by `_`.
    pub const fn new(name: &'static str, labels: Labels) -> Self {
        Self { name, labels, number: OnceLock::new(), pending: AtomicU64::new(0) }
    }

    /// Counts.
    pub fn add(&'static self, amount: u64) {
        if amount > 0 && self.pending.fetch_add(amount, Ordering::Relaxed) == 0 {
            PENDING.with_borrow_mut(|pending| pending.push(self));
        }
    }
}

impl Report for Counter {
    fn report(&self) {
        let number = self.number.get_or_init(|| {
            let number = host::counter(self.name, &owned(self.labels));
            warn_if_refused(self.name, number)
        });
        let amount = self.pending.swap(0, Ordering::Relaxed);
        if let Some(number) = number {
            host::add(*number, amount);
        }
    }
}

impl Histogram {
    /// A histogram of this name, with the rising upper ends of its buckets.
    pub const fn new(name: &'static str, labels: Labels, bounds: &'static [f64]) -> Self {
        Self { name, labels, bounds, number: OnceLock::new(), pending: Mutex::new(Vec::new()) }
    }

    /// Puts a value in.
    pub fn observe(&'static self, value: f64) {
        let mut values = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if values.is_empty() {
            PENDING.with_borrow_mut(|pending| pending.push(self));
        }
        values.push(value);
    }
}

impl Report for Histogram {
    fn report(&self) {
        let number = self.number.get_or_init(|| {
            let number = host::histogram(self.name, &owned(self.labels), self.bounds);
            warn_if_refused(self.name, number)
        });
        let mut values = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = number {
            host::observe(*number, &values);
        }
        values.clear();
    }
}

fn owned(labels: Labels) -> Vec<(String, String)> {
    labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn warn_if_refused(name: &str, number: Option<u32>) -> Option<u32> {
    if number.is_none() {
        crate::warn!("metric {name:?} is refused: its name, its labels, or there are too many");
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;

    static SEEN: Counter = Counter::new("seen", &[("kind", "test")]);
    static SIZES: Histogram = Histogram::new("sizes", &[], &[1.0, 10.0]);

    #[test]
    fn sums_up_and_says_it_once() {
        SEEN.add(1);
        SEEN.add(2);
        SIZES.observe(0.5);
        SIZES.observe(20.0);
        assert!(native::metrics::counted("seen").is_empty());
        report();
        report();
        assert_eq!(native::metrics::counted("seen"), [3]);
        assert_eq!(native::metrics::observed("sizes"), [0.5, 20.0]);
        SEEN.add(4);
        report();
        assert_eq!(native::metrics::counted("seen"), [3, 4]);
    }
}
