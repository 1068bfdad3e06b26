//! Every limit has a plugin that breaks it: compiled guests that panic, loop, grow, lie and call home, run by the real
//! binary on the embedded log. Nothing but the guilty record may be lost, and that one must be found in the dead letters.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod admission;
mod cache;
mod compiler;
mod failures;
mod folds;
mod harness;
mod logs;
mod transforms;
