//! Kafka Streams for every language: the host.
//!
//! The rooms, in the order in which a record meets them; ARCHITECTURE.md is the map.

pub mod cli;
pub mod config;
pub mod driver;
pub mod fault;
pub mod killpoint;
pub mod operator;
pub mod plugin;
pub mod record;
pub mod run;
pub mod store;
pub mod task;
pub mod topology;
pub mod transport;
pub mod worker;
