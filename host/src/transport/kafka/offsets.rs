//! Partitions and offsets as librdkafka's lists.

use crate::record::{Offset, TopicPartition};
use crate::transport::TransportError;
use rdkafka::TopicPartitionList;

/// One partition.
pub(super) fn one(partition: &TopicPartition) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(partition.topic.as_str(), partition.partition.get());
    list
}

/// One partition at an offset, or at a time where that is asked for.
pub(super) fn one_at(partition: &TopicPartition, at: i64) -> Result<TopicPartitionList, TransportError> {
    list(&[(partition.clone(), Offset::new(at))], "")
}

/// The offsets, each with the name of who commits it.
pub(super) fn list(offsets: &[(TopicPartition, Offset)], by: &str) -> Result<TopicPartitionList, TransportError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        let (topic, number) = (partition.topic.as_str(), partition.partition.get());
        let mut element = list.add_partition(topic, number);
        let set = element.set_offset(rdkafka::Offset::Offset(offset.get()));
        set.map_err(|error| TransportError::Refused(error.to_string()))?;
        element.set_metadata(by);
    }
    Ok(list)
}

/// An offset in an answer; none if it names none.
pub(super) fn offset_in(list: &TopicPartitionList, partition: &TopicPartition) -> Option<Offset> {
    match list.find_partition(partition.topic.as_str(), partition.partition.get())?.offset() {
        rdkafka::Offset::Offset(offset) => Some(Offset::new(offset)),
        _ => None,
    }
}
