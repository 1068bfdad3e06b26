//! From a manifest to a checked topology, and from that to the plan that tasks run. No I/O.

pub mod plan;
