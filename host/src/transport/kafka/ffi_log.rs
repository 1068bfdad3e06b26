//! What a producer logs, on a queue of its own: librdkafka tells of a lost connection nowhere else, and a queue that
//! somebody else serves tells of it some time later.

#![expect(unsafe_code, reason = "librdkafka is C; each block says why it is sound")]

use super::ffi::ProducerClient;
use rdkafka::bindings as c;
use rdkafka::producer::Producer;
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::Arc;

/// The facility under which librdkafka tells that a connection failed.
const CONNECTION: &CStr = c"FAIL";

/// A producer's log.
pub(super) struct ClientLog {
    producer: Arc<ProducerClient>,
    queue: *mut c::rd_kafka_queue_t,
}

// SAFETY: librdkafka's queues may be used by any thread, and the client is kept alive.
unsafe impl Send for ClientLog {}

impl ClientLog {
    /// Takes the log over from the queue on which it would come with all else.
    pub(super) fn of(producer: &Arc<ProducerClient>) -> Self {
        let client = producer.client().native_ptr();
        // SAFETY: the client is alive; the new queue is ours, and destroyed once.
        let queue = unsafe {
            let queue = c::rd_kafka_queue_new(client);
            let _ = c::rd_kafka_set_log_queue(client, queue);
            queue
        };
        Self { producer: Arc::clone(producer), queue }
    }

    /// Takes what was logged since it was last asked, and says whether a connection was lost: then what was asked for on
    /// it may still arrive. The thread that loses a connection logs it before it asks for anything again, so an answer
    /// that came to a second attempt comes after the line. Of idle connections that end nothing is said.
    pub(super) fn tells_of_a_lost_connection(&self) -> bool {
        let mut lost = false;
        loop {
            // SAFETY: the queue is alive.
            let event = unsafe { c::rd_kafka_queue_poll(self.queue, 0) };
            if event.is_null() {
                return lost;
            }
            let (mut facility, mut text): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
            let mut level: c_int = 0;
            // SAFETY: the event is ours until it is destroyed; texts that are set live as long as it does.
            unsafe {
                if c::rd_kafka_event_log(event, &mut facility, &mut text, &mut level) == 0 {
                    let (facility, text) = (CStr::from_ptr(facility), CStr::from_ptr(text));
                    lost |= facility == CONNECTION;
                    tracing::debug!(facility = %facility.to_string_lossy(), level, "kafka: {}", text.to_string_lossy());
                }
                c::rd_kafka_event_destroy(event);
            }
        }
    }
}

impl Drop for ClientLog {
    fn drop(&mut self) {
        // SAFETY: the client and the queue are alive; nobody uses the queue afterwards.
        unsafe {
            let _ = c::rd_kafka_set_log_queue(self.producer.client().native_ptr(), ptr::null_mut());
            c::rd_kafka_queue_destroy(self.queue);
        }
    }
}
