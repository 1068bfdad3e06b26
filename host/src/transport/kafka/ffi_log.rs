//! What clients log. A producer does so on a queue of its own: librdkafka tells of a lost connection nowhere else, and a
//! queue that somebody else serves tells of it some time later.

#![expect(unsafe_code, reason = "librdkafka is C; each block says why it is sound")]

use super::ffi::{AdminClient, ProducerClient};
use rdkafka::bindings as c;
use rdkafka::producer::Producer;
use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::Arc;

/// The facility under which librdkafka tells that a connection failed.
const CONNECTION: &CStr = c"FAIL";

/// What it says of one that was never made: nothing was asked on it.
const UNMADE: &str = " in state CONNECT";

/// A producer's log.
pub(super) struct ClientLog {
    producer: Arc<ProducerClient>,
    queue: *mut c::rd_kafka_queue_t,
    /// Whether it told of a lost connection.
    lost: bool,
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
        Self { producer: Arc::clone(producer), queue, lost: false }
    }

    /// Whether the producer ever lost a connection: then what was asked for on it may still arrive. The thread that loses
    /// a connection logs it before it asks for anything again, so an answer that came to a second attempt comes after
    /// the line. Of idle connections that end nothing is said.
    pub(super) fn told_of_a_lost_connection(&mut self) -> bool {
        self.drain();
        self.lost
    }

    /// Takes what was logged since the last time.
    pub(super) fn drain(&mut self) {
        loop {
            // SAFETY: the queue is alive.
            let event = unsafe { c::rd_kafka_queue_poll(self.queue, 0) };
            if event.is_null() {
                return;
            }
            let (mut facility, mut text): (*const c_char, *const c_char) = (ptr::null(), ptr::null());
            let mut level: c_int = 0;
            // SAFETY: the event is ours until it is destroyed; texts that are set live as long as it does.
            unsafe {
                if c::rd_kafka_event_log(event, &mut facility, &mut text, &mut level) == 0 {
                    let (facility, text) = (CStr::from_ptr(facility), CStr::from_ptr(text));
                    let text = text.to_string_lossy();
                    self.lost |= facility == CONNECTION && !text.contains(UNMADE);
                    tracing::debug!(facility = %facility.to_string_lossy(), level, "kafka: {text}");
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

/// Takes events, so many at most, that wait for whoever polls a client which manages topics. Nobody does, and all that it
/// logs while brokers are away would be kept: others tell of the same.
pub(super) fn throw_events_away(admin: &AdminClient, count: usize) {
    // SAFETY: the client is alive while it is borrowed; the queue and its events are ours and destroyed once each.
    unsafe {
        let queue = c::rd_kafka_queue_get_main(admin.inner().native_ptr());
        for _ in 0..count {
            let event = c::rd_kafka_queue_poll(queue, 0);
            if event.is_null() {
                break;
            }
            c::rd_kafka_event_destroy(event);
        }
        c::rd_kafka_queue_destroy(queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn what_a_client_for_topics_logs_is_not_kept() {
        // Port 1 is nobody's.
        let mut config = rdkafka::ClientConfig::new();
        let admin = AdminClient::new(config.set("bootstrap.servers", "127.0.0.1:1"), &Arc::default(), None).unwrap();
        // SAFETY: the client is alive.
        let waiting = || unsafe { c::rd_kafka_outq_len(admin.inner().native_ptr()) };
        let began = Instant::now();
        while waiting() < 2 {
            assert!(began.elapsed() < Duration::from_secs(30), "it logs that it cannot connect");
            std::thread::sleep(Duration::from_millis(10));
        }
        throw_events_away(&admin, 1);
        assert!(waiting() >= 1, "one at most");
        while waiting() > 0 {
            // It may have logged more meanwhile.
            throw_events_away(&admin, usize::MAX);
            assert!(began.elapsed() < Duration::from_secs(30), "{} are left", waiting());
        }
    }
}
