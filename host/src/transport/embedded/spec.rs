//! A topic's spec as it is kept.

use crate::record::Topic;
use crate::transport::{Cleanup, TopicSpec};
use std::time::Duration;

/// Before a topic's name in the meta family.
pub(super) const PREFIX: &[u8] = b"topic/";

/// Partitions, whether compacted, retention in milliseconds and in bytes; the largest number stands for "none".
pub(super) fn encode(spec: &TopicSpec) -> Vec<u8> {
    let retention = spec.retention.and_then(|time| u64::try_from(time.as_millis()).ok()).unwrap_or(u64::MAX);
    let mut bytes = spec.partitions.to_be_bytes().to_vec();
    bytes.push(u8::from(spec.cleanup == Cleanup::Compact));
    bytes.extend_from_slice(&retention.to_be_bytes());
    bytes.extend_from_slice(&spec.retention_bytes.unwrap_or(u64::MAX).to_be_bytes());
    bytes
}

pub(super) fn decode(name: &[u8], bytes: &[u8]) -> Option<TopicSpec> {
    let (partitions, rest) = bytes.split_first_chunk()?;
    let (compact, rest) = rest.split_first()?;
    let (retention, rest) = rest.split_first_chunk()?;
    let some = |number: u64| (number != u64::MAX).then_some(number);
    Some(TopicSpec {
        name: Topic::new(std::str::from_utf8(name).ok()?),
        partitions: i32::from_be_bytes(*partitions),
        cleanup: if *compact == 1 { Cleanup::Compact } else { Cleanup::Delete },
        retention: some(u64::from_be_bytes(*retention)).map(Duration::from_millis),
        retention_bytes: some(u64::from_be_bytes(*rest.first_chunk()?)),
    })
}
