//! What stands for the host in unit tests: the same functions as the imports, over memory of the test's thread.

mod stores;
mod timer;

pub(crate) use stores::{
    Declared, declare, fill, key_value_store, session_store, state, version as versioned_store, window_store,
};
pub(crate) use timer::{due, timers};

use std::cell::RefCell;
use stores::Stores;
use timer::Timers;

/// The thread's host.
pub(crate) struct Host {
    stores: Stores,
    timers: Timers,
    pub(crate) stream_time: i64,
    pub(crate) wall_clock: i64,
    pub(crate) partition_time: i64,
    /// Where the rows of the call were read.
    pub(crate) positions: Vec<Option<crate::Position>>,
    level: crate::log::Level,
    lines: Vec<String>,
    metrics: Vec<String>,
    counted: Vec<(u32, u64)>,
    observed: Vec<(u32, Vec<f64>)>,
}

thread_local! {
    static HOST: RefCell<Host> = const { RefCell::new(Host::new()) };
}

impl Host {
    const fn new() -> Self {
        Self {
            stores: Stores::new(),
            timers: Timers::new(),
            stream_time: -1,
            wall_clock: 0,
            partition_time: -1,
            positions: Vec::new(),
            level: crate::log::Level::Info,
            lines: Vec::new(),
            metrics: Vec::new(),
            counted: Vec::new(),
            observed: Vec::new(),
        }
    }
}

/// Looks at the thread's host, or changes it.
pub(crate) fn host<R>(look: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with_borrow_mut(look)
}

pub(crate) mod log {
    use super::host;
    use crate::bindings::imports::millstream::plugin::log::Level as Wit;
    use crate::log::Level;

    pub(crate) fn enabled(level: Wit) -> bool {
        host(|host| own(level) >= host.level)
    }

    pub(crate) fn write(level: Wit, message: &str) {
        let line = format!("{}: {message}", format!("{:?}", own(level)).to_lowercase());
        eprintln!("{line}");
        host(|host| host.lines.push(line));
    }

    fn own(level: Wit) -> Level {
        match level {
            Wit::Trace => Level::Trace,
            Wit::Debug => Level::Debug,
            Wit::Info => Level::Info,
            Wit::Warn => Level::Warn,
            Wit::Error => Level::Error,
        }
    }

    /// Keeps lines of this level and above.
    pub(crate) fn listen(level: Level) {
        host(|host| host.level = level);
    }

    /// The lines so far.
    pub(crate) fn lines() -> Vec<String> {
        host(|host| host.lines.clone())
    }
}

pub(crate) mod context {
    use super::host;
    use crate::bindings::imports::millstream::plugin::context::Position;

    pub(crate) fn locate(row: u32) -> Option<Position> {
        let found = host(|host| host.positions.get(row as usize).cloned().flatten())?;
        Some(Position { topic: found.topic, partition: found.partition, offset: found.offset })
    }

    pub(crate) fn stream_time(_row: u32) -> i64 {
        host(|host| host.stream_time)
    }

    pub(crate) fn wall_clock() -> i64 {
        host(|host| host.wall_clock)
    }

    pub(crate) fn partition_time() -> i64 {
        host(|host| host.partition_time)
    }
}

pub(crate) mod random {
    /// The row's numbers begin with its number, well mixed.
    pub(crate) fn seed(node: u32, row: u32) -> (u64, u64) {
        let mix = |seed: u64| {
            let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            seed ^ (seed >> 31)
        };
        let seed = u64::from(node) << 32 | u64::from(row);
        (mix(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)), mix(seed.wrapping_add(0x3c6e_f372_fe94_f82a)))
    }
}

pub(crate) mod metrics {
    use super::{Host, host};

    pub(crate) fn counter(name: &str, _labels: &[(String, String)]) -> Option<u32> {
        host(|host| Some(number(host, name)))
    }

    pub(crate) fn histogram(name: &str, _labels: &[(String, String)], _bounds: &[f64]) -> Option<u32> {
        host(|host| Some(number(host, name)))
    }

    pub(crate) fn add(counter: u32, amount: u64) {
        host(|host| host.counted.push((counter, amount)));
    }

    pub(crate) fn observe(histogram: u32, values: &[f64]) {
        host(|host| host.observed.push((histogram, values.to_vec())));
    }

    fn number(host: &mut Host, name: &str) -> u32 {
        let known = host.metrics.iter().position(|found| found == name).unwrap_or_else(|| {
            host.metrics.push(name.into());
            host.metrics.len() - 1
        });
        known as u32
    }

    /// What was added to a counter, one entry a call.
    #[cfg(test)]
    pub(crate) fn counted(name: &str) -> Vec<u64> {
        host(|host| {
            let number = number(host, name);
            host.counted.iter().filter(|(found, _)| *found == number).map(|(_, amount)| *amount).collect()
        })
    }

    /// What was put into a histogram.
    #[cfg(test)]
    pub(crate) fn observed(name: &str) -> Vec<f64> {
        host(|host| {
            let number = number(host, name);
            host.observed.iter().filter(|(found, _)| *found == number).flat_map(|(_, values)| values.clone()).collect()
        })
    }
}
