//! Write stream transforms for the millstream host.
//!
//! A plugin is a list of operators over ordinary functions on one record:
//!
//! ```
//! use millstream::{Out, Record};
//!
//! fn split(line: Record<'_>, out: &mut Out) {
//!     for word in line.text().split_whitespace() {
//!         out.value(word.to_lowercase());
//!     }
//! }
//!
//! fn word_as_key(word: Record<'_>) -> Option<Vec<u8>> {
//!     word.value.map(<[u8]>::to_vec)
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
//! A function that needs parameters names their type, which is declared with [`parameters!`], and takes them first:
//! `filter "contains" (Needle) = contains;` with `fn contains(needle: &Needle, record: Record<'_>) -> bool`.
//!
//! Functions may return a `Result`: an error sets the record aside by the node's policy, and the rest goes on.

extern crate self as millstream;

#[doc(hidden)]
pub mod bindings;
mod field;
mod fold;
pub mod log;
mod macros;
mod node;
mod params;
mod record;
mod transform;

#[doc(hidden)]
pub use wit_bindgen;

pub use field::{Field, Pair, Verdict};
pub use fold::{Action, Aggregate, AggregateNode, Change, FoldNode, ReduceNode};
#[doc(hidden)]
pub use macros::private as __private;
pub use node::{Entry, Node, Plugin, answer};
pub use params::{ParameterValue, Parameters};
pub use record::{Out, Record};
pub use transform::{EachNode, FilterNode, FlatNode, KeyNode, MapNode, ValueNode};
