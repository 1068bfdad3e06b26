//! Ways to be heard: lines in the host's log, tagged with the plugin. Outside the host (in unit tests) they go to the
//! standard error.
//!
//! The macros [`trace!`], [`debug!`], [`info!`], [`warn!`] and [`error!`] take what `format!` takes, and ask the host
//! first whether anyone listens.

use crate::bindings::imports::millstream::plugin::log as wit;
#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::log as host;
#[cfg(not(target_family = "wasm"))]
use crate::native::log as host;
use std::fmt;

pub use crate::{debug, error, info, trace, warn};

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a mistake.
    Debug,
    /// What happens.
    Info,
    /// What should not happen.
    Warn,
    /// What must not happen.
    Error,
}

impl From<Level> for wit::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

/// Whether a line of this level would be kept.
pub fn enabled(level: Level) -> bool {
    host::enabled(level.into())
}

/// Writes a line. The macros ask [`enabled`] first.
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    match line.as_str() {
        Some(text) => host::write(level.into(), text),
        None => host::write(level.into(), &line.to_string()),
    }
}

/// A panic's last words.
#[cfg(target_family = "wasm")]
pub(crate) fn panicked(row: Option<u32>, message: &str) {
    host::panicked(row, message);
}

/// Writes a line of a level, if it would be kept.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($line:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::write($crate::log::Level::$level, format_args!($($line)+));
        }
    };
}

/// Logs every step.
#[macro_export]
macro_rules! trace { ($($line:tt)+) => { $crate::__log!(Trace, $($line)+) }; }
/// Logs what helps to find a mistake.
#[macro_export]
macro_rules! debug { ($($line:tt)+) => { $crate::__log!(Debug, $($line)+) }; }
/// Logs what happens.
#[macro_export]
macro_rules! info { ($($line:tt)+) => { $crate::__log!(Info, $($line)+) }; }
/// Logs what should not happen.
#[macro_export]
macro_rules! warn { ($($line:tt)+) => { $crate::__log!(Warn, $($line)+) }; }
/// Logs what must not happen.
#[macro_export]
macro_rules! error { ($($line:tt)+) => { $crate::__log!(Error, $($line)+) }; }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native;
    use std::cell::Cell;

    #[test]
    fn asks_before_it_builds_a_line() {
        let built = Cell::new(0);
        let costly = || {
            built.set(built.get() + 1);
            "costly"
        };
        native::log::listen(Level::Info);
        debug!("{}", costly());
        assert_eq!(built.get(), 0);
        info!("{} {}", costly(), 1);
        warn!("plain");
        assert_eq!(built.get(), 1);
        assert_eq!(native::log::lines(), ["info: costly 1", "warn: plain"]);
    }
}
