//! Write stream transforms for the millstream host.
//!
//! A plugin is a list of operators over ordinary functions on one record:
//!
//! ```
//! use millstream::{Failed, Out, Record, Typed};
//!
//! fn split(line: Record<'_>, out: &mut Out) -> Result<(), Failed> {
//!     for word in line.value.text()?.split_whitespace() {
//!         out.value(word.to_lowercase());
//!     }
//!     Ok(())
//! }
//!
//! fn word_as_key(word: Record<'_>) -> Option<&[u8]> {
//!     word.value
//! }
//!
//! millstream::plugin! {
//!     /// Splits a line into its words, lower-case.
//!     flat_map_values "split" = split;
//!     /// The word becomes the key.
//!     select_key "word-as-key" = word_as_key;
//! }
//! # fn main() {}
//! ```
//!
//! Keys and values are bytes; [`Typed`] reads them as text, JSON or numbers, and whatever is a [`Field`] can be returned.
//! Parameters are a struct that implements serde's `Deserialize`; the function takes a reference to it first:
//! `filter "contains" (Needle) = contains;` with `fn contains(needle: &Needle, record: Record<'_>) -> bool`.
//!
//! Functions may return a `Result`, with any error that can be displayed: it sets the record aside by the node's policy,
//! and the rest goes on. The same code runs natively under `cargo test`; see [`testing`].

extern crate self as millstream;

#[doc(hidden)]
pub mod about;
#[doc(hidden)]
pub mod bindings;
pub mod context;
mod failed;
mod field;
mod fold;
mod function;
mod join;
mod lifecycle;
pub mod log;
mod macros;
mod metrics;
#[cfg(not(target_family = "wasm"))]
mod native;
mod node;
mod opening;
mod out;
mod params;
mod processor;
pub mod random;
mod record;
mod schema;
mod store;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod timer;
mod transform;
mod typed;

#[doc(hidden)]
pub use wit_bindgen;

pub use context::Position;
pub use failed::Failed;
pub use field::{Done, EventTime, Field, Json, Pair, Verdict};
pub use fold::{Aggregate, Stored};
pub use function::Function;
pub use lifecycle::{Migration, Old, Schema};
#[doc(hidden)]
pub use macros::private as __private;
pub use metrics::{Counter, Histogram, Labels};
pub use node::{Entry, Node, Plugin, Read};
pub use opening::Opening;
pub use out::{Out, OutRow};
pub use processor::{Processor, StoreUse};
pub use record::{Record, Windowed};
pub use store::{
    Entry as StoreEntry, KeyValueStore, Placed, Row, Scan, SessionRow, SessionStore, Version, VersionedStore,
    WindowRow, WindowStore,
};
pub use timer::{Clock, Rhythm, Timer};
pub use typed::{Malformed, Typed};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
