//! Room plugin.
pub mod port;
