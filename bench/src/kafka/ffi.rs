//! What the safe bindings do not offer: messages by the batch, and a flush and a commit that return as soon as they can.
//! The bindings' own `flush` and `commit_transaction` wait in slices of 100 ms.

#![expect(unsafe_code, reason = "librdkafka's functions; the argument stands at each call")]

use super::client::Failed;
use super::reader::Input;
use super::writer::Output;
use crate::Failure;
use rdkafka::bindings as c;
use rdkafka::bindings::rd_kafka_vtype_t as tag;
use rdkafka::consumer::Consumer;
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CStr, CString, c_int};
use std::ptr;
use std::time::Duration;

/// Messages that one fetch brings, at most.
const FETCH_MESSAGES: usize = 4096;

/// A message that was read.
pub(super) struct Message<'a> {
    /// Its partition.
    pub(super) partition: i32,
    /// Its offset.
    pub(super) offset: i64,
    /// Its time.
    pub(super) timestamp: i64,
    /// Its key.
    pub(super) key: Option<&'a [u8]>,
    /// Its value.
    pub(super) value: Option<&'a [u8]>,
}

/// Where the messages of a topic's partitions come together.
pub(super) struct Queue {
    queue: *mut c::rd_kafka_queue_t,
    messages: Vec<*mut c::rd_kafka_message_t>,
    /// Ends of partitions that were met, if the consumer tells them.
    pub(super) ends: usize,
}

impl Queue {
    /// A queue of a consumer. It must be dropped before the consumer is.
    pub(super) fn new(consumer: &Input) -> Self {
        // SAFETY: the client is alive.
        let queue = unsafe { c::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Self { queue, messages: vec![ptr::null_mut(); FETCH_MESSAGES], ends: 0 }
    }

    /// Has a partition's messages come into this queue; to be called before it is assigned.
    ///
    /// # Errors
    /// If there is no such partition.
    pub(super) fn take_in(&self, consumer: &Input, topic: &str, partition: i32) -> Result<(), Failure> {
        let topic = CString::new(topic)?;
        // SAFETY: the client, the name and both queues are alive; the reference to the partition's queue is given back.
        unsafe {
            let queue = c::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition);
            if queue.is_null() {
                return Err(format!("there is no partition {partition} of {topic:?}").into());
            }
            c::rd_kafka_queue_forward(queue, self.queue);
            c::rd_kafka_queue_destroy(queue);
        }
        Ok(())
    }

    /// Takes what is there, or waits for it; shows each message once and says how many there were.
    ///
    /// # Errors
    /// If reading failed, or `each` did.
    pub(super) fn fetch(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(Message<'_>) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let wait = i32::try_from(wait.as_millis())?;
        // SAFETY: the buffer has as many places as is said; the first `count` of them are then messages that are ours.
        let count = unsafe {
            c::rd_kafka_consume_batch_queue(self.queue, wait, self.messages.as_mut_ptr(), self.messages.len())
        };
        let count = usize::try_from(count).map_err(|_| "a batch of messages cannot be read")?;
        let (mut seen, mut outcome) = (0, Ok(()));
        for message in self.messages.iter().take(count).copied() {
            // SAFETY: each message is shown once and then destroyed.
            unsafe {
                match view(&*message) {
                    Ok(Some(message)) if outcome.is_ok() => {
                        seen += 1;
                        outcome = each(message);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => self.ends += 1,
                    Err(error) => outcome = Err(error),
                }
                c::rd_kafka_message_destroy(message);
            }
        }
        outcome.map(|()| seen)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once.
        unsafe { c::rd_kafka_queue_destroy(self.queue) }
    }
}

/// A message as librdkafka shows it; none for the end of a partition.
///
/// # Safety
/// `message` was handed out by librdkafka and not destroyed yet.
unsafe fn view(message: &c::rd_kafka_message_t) -> Result<Option<Message<'_>>, Failure> {
    match message.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => return Ok(None),
        error => return Err(format!("reading failed: {error:?}").into()),
    }
    let mut kind = c::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    let bytes = |data: *mut std::ffi::c_void, size| {
        // SAFETY: a key or value is null or as long as the message says, and lives as long as it does.
        (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) })
    };
    Ok(Some(Message {
        partition: message.partition,
        offset: message.offset,
        // SAFETY: the message is alive.
        timestamp: unsafe { c::rd_kafka_message_timestamp(message, &raw mut kind) },
        key: bytes(message.key, message.key_len),
        value: bytes(message.payload, message.len),
    }))
}

/// A topic that is written.
pub(super) struct Topic {
    topic: *mut c::rd_kafka_topic_t,
}

impl Topic {
    /// A topic of a producer. It must be dropped before the producer is.
    ///
    /// # Errors
    /// If it cannot be named so.
    pub(super) fn new(producer: &Output, name: &str) -> Result<Self, Failure> {
        let native = CString::new(name)?;
        // SAFETY: the client and the name are alive; without a configuration the client's own is taken.
        let topic = unsafe { c::rd_kafka_topic_new(producer.client().native_ptr(), native.as_ptr(), ptr::null_mut()) };
        if topic.is_null() { Err(format!("there is no topic {name}").into()) } else { Ok(Self { topic }) }
    }

    /// Hands a record to the producer, which copies it.
    ///
    /// # Errors
    /// If it is not taken.
    pub(super) fn produce(
        &self,
        producer: &Output,
        partition: i32,
        key: Option<&[u8]>,
        value: &[u8],
        timestamp: i64,
    ) -> Result<(), Failed> {
        let (key, key_size) = key.map_or((ptr::null(), 0), |key| (key.as_ptr(), key.len()));
        let flags = c_int::try_from(c::RD_KAFKA_MSG_F_COPY).unwrap_or_default();
        // SAFETY: client and topic are alive; each tag is followed by what librdkafka's header says; key and value live
        // until the call returns.
        let error = unsafe {
            c::rd_kafka_producev(
                producer.client().native_ptr(),
                tag::RD_KAFKA_VTYPE_RKT,
                self.topic,
                tag::RD_KAFKA_VTYPE_PARTITION,
                partition,
                tag::RD_KAFKA_VTYPE_MSGFLAGS,
                flags,
                tag::RD_KAFKA_VTYPE_KEY,
                key,
                key_size,
                tag::RD_KAFKA_VTYPE_VALUE,
                value.as_ptr(),
                value.len(),
                tag::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                tag::RD_KAFKA_VTYPE_END,
            )
        };
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(Failed(error)) }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once.
        unsafe { c::rd_kafka_topic_destroy(self.topic) }
    }
}

/// Waits until the brokers have all that was produced.
///
/// # Errors
/// If they do not get it in time.
pub(super) fn flush(producer: &Output, limit: Duration) -> Result<(), Failure> {
    let limit = i32::try_from(limit.as_millis())?;
    // SAFETY: the client is alive.
    let error = unsafe { c::rd_kafka_flush(producer.client().native_ptr(), limit) };
    if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(Failed(error).into()) }
}

/// Commits the open transaction.
///
/// # Errors
/// If it is not committed in time.
pub(super) fn commit(producer: &Output, limit: Duration) -> Result<(), Failure> {
    let limit = i32::try_from(limit.as_millis())?;
    // SAFETY: the client is alive; an error is ours, read and then destroyed.
    unsafe {
        let error = c::rd_kafka_commit_transaction(producer.client().native_ptr(), limit);
        if error.is_null() {
            return Ok(());
        }
        let text = CStr::from_ptr(c::rd_kafka_error_string(error)).to_string_lossy().into_owned();
        c::rd_kafka_error_destroy(error);
        Err(text.into())
    }
}
