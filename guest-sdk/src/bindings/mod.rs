//! Generated from `wit/` by `cargo run -- bindings` in `xtask/`; do not edit.
#![allow(missing_docs, unsafe_code, reason = "generated")]
#![allow(
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "generated"
)]

#[rustfmt::skip]
pub mod imports;
#[rustfmt::skip]
pub mod plugin_part;
#[rustfmt::skip]
pub mod transform_part;
#[rustfmt::skip]
pub mod fold_part;
#[rustfmt::skip]
pub mod join_part;
#[rustfmt::skip]
pub mod processor_part;
#[rustfmt::skip]
pub mod lifecycle_part;
