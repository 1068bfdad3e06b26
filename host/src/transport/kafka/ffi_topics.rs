//! A topic's id, which the crate does not ask for: a topic that was deleted and made again has another one.
#![expect(unsafe_code, reason = "librdkafka's DescribeTopics has no safe wrapper")]

use super::ffi::{ConsumerClient, asked};
use rdkafka::bindings as c;
use rdkafka::types::RDKafkaRespErr;
use std::ffi::CString;
use std::ptr;
use std::time::Duration;

/// Kafka's topic id.
pub(super) type TopicId = [u8; 16];

/// Asks for a topic's id; none if the brokers do not say.
pub(super) fn topic_id(client: &ConsumerClient, topic: &str, timeout: Duration) -> Option<TopicId> {
    let name = CString::new(topic).ok()?;
    let mut names = [name.as_ptr()];
    // SAFETY: the names are copied into the collection, which is ours, copied by the call, and destroyed once; no options
    // are those by default. `read` copies what it finds.
    unsafe {
        let ask = |rk, queue| {
            let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            c::rd_kafka_DescribeTopics(rk, topics, ptr::null(), queue);
            c::rd_kafka_TopicCollection_destroy(topics);
        };
        asked(client, timeout, ask, |event| read(event)).flatten()
    }
}

/// The id in the answer.
///
/// # Safety
/// `event` is one that librdkafka handed out and that was not destroyed.
unsafe fn read(event: *mut c::rd_kafka_event_t) -> Option<TopicId> {
    // SAFETY: the event is alive, and all that is read belongs to it; the count says how many descriptions there are.
    unsafe {
        let result = c::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return None;
        }
        let mut count = 0;
        let described = c::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        if described.is_null() || count == 0 {
            return None;
        }
        let error = c::rd_kafka_TopicDescription_error(*described);
        if !error.is_null() && c::rd_kafka_error_code(error) != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let id = c::rd_kafka_TopicDescription_topic_id(*described);
        if id.is_null() {
            return None;
        }
        let (most, least) = (c::rd_kafka_Uuid_most_significant_bits(id), c::rd_kafka_Uuid_least_significant_bits(id));
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&most.to_be_bytes());
        bytes[8..].copy_from_slice(&least.to_be_bytes());
        Some(bytes).filter(|bytes| *bytes != [0; 16])
    }
}
