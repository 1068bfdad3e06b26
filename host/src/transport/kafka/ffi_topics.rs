//! A topic's id, which the crate does not ask for: a topic that was deleted and made again has another one.
#![expect(unsafe_code, reason = "librdkafka's DescribeTopics has no safe wrapper")]

use super::ffi::ConsumerClient;
use rdkafka::bindings as c;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CString, c_int};
use std::ptr;
use std::time::Duration;

/// Kafka's topic id.
pub(super) type TopicId = [u8; 16];

/// Asks for a topic's id; none if the brokers do not say.
pub(super) fn topic_id(client: &ConsumerClient, topic: &str, timeout: Duration) -> Option<TopicId> {
    let name = CString::new(topic).ok()?;
    let mut names = [name.as_ptr()];
    let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the client is alive while it is borrowed; the names are copied; the queue, the collection and the event are
    // ours and destroyed once each, the event after the last use of what it holds; no options are those by default. A
    // result that comes too late finds its queue, which librdkafka counts references of.
    unsafe {
        let rk = client.client().native_ptr();
        let topics = c::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
        let queue = c::rd_kafka_queue_new(rk);
        c::rd_kafka_DescribeTopics(rk, topics, ptr::null(), queue);
        let event = c::rd_kafka_queue_poll(queue, timeout);
        let id = if event.is_null() { None } else { read(event) };
        if !event.is_null() {
            c::rd_kafka_event_destroy(event);
        }
        c::rd_kafka_TopicCollection_destroy(topics);
        c::rd_kafka_queue_destroy(queue);
        id
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
