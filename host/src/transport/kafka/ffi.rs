//! Calls into librdkafka that the crate does not offer, or offers at a price: transactions (its commit waits 100 ms),
//! group membership as values, producing by topic handle.
//!
//! What makes all of this sound: every pointer comes from librdkafka and is used only while the client that it belongs
//! to is alive, which the types here see to by holding the client in an [`Arc`]; librdkafka's functions may be called
//! from any thread (INTRODUCTION.md, "Threads and callbacks"); and what it hands over for keeps is destroyed once.
#![expect(unsafe_code, reason = "the one door to librdkafka's C interface")]

use super::context::Context;
use super::ffi_client::{Kept, Polled};
use super::link::NOWHERE;
use crate::record::headers;
use crate::transport::Fence;
use rdkafka::TopicPartitionList;
use rdkafka::bindings as c;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::Producer;
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A producer whose events are taken a few times a second.
pub(super) type ProducerClient = Kept<Polled>;
/// A consumer.
pub(super) type ConsumerClient = Kept<BaseConsumer<Context>>;
/// A client that manages topics.
pub(super) type AdminClient = Kept<rdkafka::admin::AdminClient<Context>>;

/// Why a call of the transactional producer failed, by what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TxnError {
    /// The same call may succeed if it is made again.
    Again(String),
    /// The transaction must be aborted; the producer lives.
    Abort(String),
    /// The app's user may not do this.
    Forbidden(String),
    /// The producer is of no use any more, or it is not known what became of the transaction.
    Broken(String),
}

/// Takes librdkafka's error over.
///
/// # Safety
/// `error` is null or was returned by librdkafka for keeps, and is not used afterwards.
unsafe fn check(error: *mut c::rd_kafka_error_t) -> Result<(), TxnError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: not null, and ours: it is read before it is destroyed, once.
    let (text, code, again, abort) = unsafe {
        let name = CStr::from_ptr(c::rd_kafka_error_name(error)).to_string_lossy();
        let text = CStr::from_ptr(c::rd_kafka_error_string(error)).to_string_lossy();
        let text = format!("{name}: {text}");
        let fatal = c::rd_kafka_error_is_fatal(error) != 0;
        let again = !fatal && c::rd_kafka_error_is_retriable(error) != 0;
        let abort = !fatal && c::rd_kafka_error_txn_requires_abort(error) != 0;
        let code = c::rd_kafka_error_code(error);
        c::rd_kafka_error_destroy(error);
        (text, code, again, abort)
    };
    let forbidden = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
    ];
    if forbidden.contains(&code) {
        return Err(TxnError::Forbidden(text));
    }
    Err(match (again, abort) {
        (true, _) => TxnError::Again(text),
        (false, true) => TxnError::Abort(text),
        (false, false) => TxnError::Broken(text),
    })
}

/// Milliseconds as librdkafka takes them.
fn milliseconds(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// Asks something by librdkafka's admin interface, which answers on a queue, and reads the answer; none if none comes in
/// time.
///
/// # Safety
/// `ask` hands the client and the queue to one of those calls, and keeps neither; `read` keeps nothing of the event.
pub(super) unsafe fn asked<T>(
    client: &ConsumerClient,
    timeout: Duration,
    ask: impl FnOnce(*mut c::rd_kafka_t, *mut c::rd_kafka_queue_t),
    read: impl FnOnce(*mut c::rd_kafka_event_t) -> T,
) -> Option<T> {
    // SAFETY: the client is alive while it is borrowed; the queue and the event are ours and destroyed once each, the event
    // after the last use of what it holds. An answer that comes too late finds its queue, which librdkafka counts
    // references of.
    unsafe {
        let rk = client.client().native_ptr();
        let queue = c::rd_kafka_queue_new(rk);
        ask(rk, queue);
        let event = c::rd_kafka_queue_poll(queue, milliseconds(timeout));
        let answer = (!event.is_null()).then(|| {
            let answer = read(event);
            c::rd_kafka_event_destroy(event);
            answer
        });
        c::rd_kafka_queue_destroy(queue);
        answer
    }
}

/// `rd_kafka_init_transactions`. librdkafka looks for the coordinator as soon as it is called, or, where it is connected to
/// no broker yet, half a second later: so something is asked first, whose answer means that it is.
pub(super) fn init_transactions(producer: &ProducerClient, timeout: Duration) -> Result<(), TxnError> {
    let began = Instant::now();
    let _ = producer.client().fetch_metadata(Some(NOWHERE), timeout);
    let rest = milliseconds(timeout.saturating_sub(began.elapsed()));
    // SAFETY: the client is alive while it is borrowed; the error is ours.
    unsafe { check(c::rd_kafka_init_transactions(producer.client().native_ptr(), rest)) }
}

/// `rd_kafka_begin_transaction`.
pub(super) fn begin_transaction(producer: &ProducerClient) -> Result<(), TxnError> {
    // SAFETY: as above.
    unsafe { check(c::rd_kafka_begin_transaction(producer.client().native_ptr())) }
}

/// `rd_kafka_commit_transaction`: unlike the crate's it does not sleep while records are on their way.
pub(super) fn commit_transaction(producer: &ProducerClient, timeout: Duration) -> Result<(), TxnError> {
    // SAFETY: as above.
    unsafe { check(c::rd_kafka_commit_transaction(producer.client().native_ptr(), milliseconds(timeout))) }
}

/// `rd_kafka_abort_transaction`.
pub(super) fn abort_transaction(producer: &ProducerClient, timeout: Duration) -> Result<(), TxnError> {
    // SAFETY: as above.
    unsafe { check(c::rd_kafka_abort_transaction(producer.client().native_ptr(), milliseconds(timeout))) }
}

/// `rd_kafka_send_offsets_to_transaction` under the membership that the fence names.
pub(super) fn send_offsets(
    producer: &ProducerClient,
    offsets: &TopicPartitionList,
    group: &str,
    fence: &Fence,
    timeout: Duration,
) -> Result<(), TxnError> {
    let broken = |_| TxnError::Broken("the group's or member's name holds a zero byte".into());
    let (group, member) = (CString::new(group).map_err(broken)?, CString::new(&*fence.member).map_err(broken)?);
    // SAFETY: both texts outlive the call, which copies them; the metadata is ours and destroyed once, after its use;
    // the client and the list are alive while they are borrowed.
    unsafe {
        let metadata = c::rd_kafka_consumer_group_metadata_new_with_genid(
            group.as_ptr(),
            fence.generation,
            member.as_ptr(),
            ptr::null(),
        );
        let error = c::rd_kafka_send_offsets_to_transaction(
            producer.client().native_ptr(),
            offsets.ptr(),
            metadata,
            milliseconds(timeout),
        );
        c::rd_kafka_consumer_group_metadata_destroy(metadata);
        check(error)
    }
}

/// `rd_kafka_flush`: unlike the crate's it does not sleep while records are on their way. False: the time was not enough.
pub(super) fn flush(producer: &ProducerClient, timeout: Duration) -> bool {
    // SAFETY: the client is alive while it is borrowed.
    let error = unsafe { c::rd_kafka_flush(producer.client().native_ptr(), milliseconds(timeout)) };
    error == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// The consumer's membership in its group right now; none while it is no member. What is asked for later may be another.
pub(super) fn membership(consumer: &BaseConsumer<Context>) -> Option<Fence> {
    // SAFETY: the client is alive while it is borrowed; the metadata is ours, its texts are copied before it is destroyed.
    unsafe {
        let metadata = c::rd_kafka_consumer_group_metadata(consumer.client().native_ptr());
        if metadata.is_null() {
            return None;
        }
        let generation = c::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let member = c::rd_kafka_consumer_group_metadata_member_id(metadata);
        let member = if member.is_null() { "".into() } else { CStr::from_ptr(member).to_string_lossy() };
        let fence = Fence { generation, member: member.as_ref().into() };
        c::rd_kafka_consumer_group_metadata_destroy(metadata);
        Some(fence).filter(Fence::is_sound)
    }
}

/// A topic as a producer knows it.
pub(super) struct OutputTopic {
    producer: Arc<ProducerClient>,
    topic: *mut c::rd_kafka_topic_t,
}

// SAFETY: librdkafka's topic handles are reference-counted and may be used from any thread.
unsafe impl Send for OutputTopic {}

/// Why a record was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// The producer's queue is full for now.
    Full,
    /// Something else.
    Error(RDKafkaRespErr),
}

/// A record to produce.
pub(super) struct Produce<'a> {
    pub(super) partition: i32,
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    /// As they lie in a batch; empty: none.
    pub(super) headers: &'a [u8],
}

impl OutputTopic {
    /// The topic of this name.
    pub(super) fn new(producer: &Arc<ProducerClient>, name: &str) -> Option<Self> {
        let name = CString::new(name).ok()?;
        // SAFETY: the client is alive; the name is copied; no configuration is given, so none is taken over.
        let topic = unsafe { c::rd_kafka_topic_new(producer.client().native_ptr(), name.as_ptr(), ptr::null_mut()) };
        (!topic.is_null()).then(|| Self { producer: Arc::clone(producer), topic })
    }

    /// Hands a record to the producer, which copies it.
    pub(super) fn produce(&self, record: &Produce<'_>) -> Result<(), NotTaken> {
        let headers = if record.headers.is_empty() { ptr::null_mut() } else { native_headers(record.headers) };
        let (key, key_len) = pointer(record.key);
        let (value, value_len) = pointer(record.value);
        let flags = c::RD_KAFKA_MSG_F_COPY;
        // SAFETY: the arguments are pairs of a tag and what the tag asks for (rdkafka.h, rd_kafka_vtype_t), closed by
        // END; librdkafka copies key and value before it returns and owns the headers, if there are any, only if it says so.
        let error = unsafe {
            use c::rd_kafka_vtype_t as tag;
            let (rk, topic) = (self.producer.client().native_ptr(), self.topic);
            let (partition, timestamp) = (record.partition, record.timestamp);
            let error = c::rd_kafka_producev(
                rk,
                tag::RD_KAFKA_VTYPE_RKT,
                topic,
                tag::RD_KAFKA_VTYPE_PARTITION,
                partition,
                tag::RD_KAFKA_VTYPE_MSGFLAGS,
                flags,
                tag::RD_KAFKA_VTYPE_KEY,
                key,
                key_len,
                tag::RD_KAFKA_VTYPE_VALUE,
                value,
                value_len,
                tag::RD_KAFKA_VTYPE_TIMESTAMP,
                timestamp,
                tag::RD_KAFKA_VTYPE_HEADERS,
                headers,
                tag::RD_KAFKA_VTYPE_END,
            );
            if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !headers.is_null() {
                c::rd_kafka_headers_destroy(headers);
            }
            error
        };
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__QUEUE_FULL => Err(NotTaken::Full),
            other => Err(NotTaken::Error(other)),
        }
    }
}

impl Drop for OutputTopic {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once, and the client is still alive.
        unsafe { c::rd_kafka_topic_destroy(self.topic) }
    }
}

/// Null for what is not there; an empty field has an address.
fn pointer(field: Option<&[u8]>) -> (*mut c_void, usize) {
    field.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

/// librdkafka's headers of a section; they are the caller's.
fn native_headers(section: &[u8]) -> *mut c::rd_kafka_headers_t {
    // SAFETY: the headers are new; names and values are copied, their lengths are those of the slices.
    unsafe {
        let headers = c::rd_kafka_headers_new(8);
        for (name, value) in headers::iter(section) {
            let (value, value_len) = pointer(value);
            let name_len = isize::try_from(name.len()).unwrap_or(0);
            let value_len = isize::try_from(value_len).unwrap_or(0);
            c::rd_kafka_header_add(headers, name.as_ptr().cast(), name_len, value, value_len);
        }
        headers
    }
}
