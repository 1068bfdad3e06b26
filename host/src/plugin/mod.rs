//! Plugins: components are admitted, instantiated inside tasks, and called under limits. The only room that knows
//! wasmtime. What operators see of it is [`port`].
//!
//! ```text
//!   bytes -> cache, or else: compiler's process (survey, compile) -> load -> link -> describe -> Plugin -> Instance
//! ```

mod admission;
mod bindings;
mod cache;
mod check;
mod compile;
mod engine;
mod instance;
mod limits;
mod load;
mod log;
mod lower;
mod overtime;
pub mod port;
mod state;
mod survey;
mod trap;
mod wasi;

pub use admission::{AdmissionError, Plugins, check_params};
pub use cache::default_directory as default_cache_directory;
pub use compile::{Compiler, SUBCOMMAND as COMPILE_SUBCOMMAND, componentize, serve as serve_compiler};
pub use engine::Profile;
pub use limits::{Limits, LogLevel, LogLimits};
pub use log::shown;
pub use survey::Refusal;
