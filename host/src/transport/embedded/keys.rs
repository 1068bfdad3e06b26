//! Where things lie.
//!
//! Keys, all numbers big-endian: `topic/<name>` in the meta family holds a topic's spec; the log family holds record
//! batches under topic number, partition and base offset; `offset/<group>/<topic>/<partition>` holds what a group has
//! read, `start/<topic>/<partition>` where a partition begins after records were deleted, `clean/<topic>/<partition>` how
//! far it was compacted.

use crate::record::{Offset, Topic, TopicPartition};

/// Where a batch lies: topic number, partition, base offset.
pub(super) fn place(number: u32, partition: &TopicPartition, offset: Offset) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key[4..8].copy_from_slice(&partition.partition.get().to_be_bytes());
    key[8..].copy_from_slice(&offset.get().to_be_bytes());
    key
}

/// After all batches of a partition.
pub(super) fn last_place(number: u32, partition: &TopicPartition) -> [u8; 16] {
    place(number, partition, Offset::new(i64::MAX))
}

pub(super) fn start_key(partition: &TopicPartition) -> Vec<u8> {
    format!("start/{}/{}", partition.topic, partition.partition).into_bytes()
}

pub(super) fn clean_key(partition: &TopicPartition) -> Vec<u8> {
    format!("clean/{}/{}", partition.topic, partition.partition).into_bytes()
}

/// Before a group, a topic and a partition in the meta family.
pub(super) const OFFSET: &[u8] = b"offset/";

pub(super) fn offset_key(group: &str, partition: &TopicPartition) -> Vec<u8> {
    let key = format!("{group}/{}/{}", partition.topic, partition.partition);
    [OFFSET, key.as_bytes()].concat()
}

/// What a topic's number is given for.
pub(super) fn topic_number(name: &Topic) -> String {
    format!("topic/{name}")
}
