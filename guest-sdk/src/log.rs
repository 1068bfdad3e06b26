//! Ways to be heard: lines in the host's log, tagged with the plugin. Outside the host (in unit tests) they go to the
//! standard error.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::millstream::plugin::log as host;

/// Writes a line at level info.
pub fn info(message: &str) {
    #[cfg(target_family = "wasm")]
    host::write(host::Level::Info, message);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("info: {message}");
}

/// Writes a line at level warn.
pub fn warn(message: &str) {
    #[cfg(target_family = "wasm")]
    host::write(host::Level::Warn, message);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("warn: {message}");
}

/// A panic's last words.
pub(crate) fn panicked(row: Option<u32>, message: &str) {
    #[cfg(target_family = "wasm")]
    host::panicked(row, message);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("row {row:?}: {message}");
}
