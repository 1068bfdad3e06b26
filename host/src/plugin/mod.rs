//! Plugins: components are admitted, instantiated inside tasks, and called under limits. The only room that knows
//! wasmtime. What operators see of it is [`port`].

mod admission;
mod bindings;
mod engine;
mod instance;
pub mod port;

pub use admission::{AdmissionError, Plugins, check_params, componentize};
pub use instance::Limits;
