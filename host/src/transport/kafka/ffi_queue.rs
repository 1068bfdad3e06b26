//! Reading a partition's queue in batches, apart from the consumer's own queue.
#![expect(unsafe_code, reason = "librdkafka's C interface")]

use super::ffi::ConsumerClient;
use super::wake::Wake;
use rdkafka::bindings as c;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CStr, CString, c_int, c_void};
use std::ptr;
use std::sync::Arc;

/// Messages taken from a queue at once, at most.
const TAKE_MAX: usize = 1024;

/// What lies in a partition's queue.
pub(super) enum Taken<'a> {
    /// A record.
    Message {
        offset: i64,
        timestamp: i64,
        key: Option<&'a [u8]>,
        value: Option<&'a [u8]>,
        /// Called for each header: name, value.
        headers: Headers<'a>,
    },
    /// The partition ends at this offset.
    End(i64),
    /// Reading failed.
    Error(RDKafkaRespErr, String),
}

/// A message's headers.
pub(super) struct Headers<'a>(&'a Message);

impl Headers<'_> {
    /// Gives each header; says whether there are any.
    pub(super) fn each(&self, mut take: impl FnMut(&[u8], Option<&[u8]>)) -> usize {
        if self.0.has_no_headers() {
            return 0;
        }
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive while it is borrowed, and so are its headers, names (ending in zero) and values.
        unsafe {
            if c::rd_kafka_message_headers(&raw const self.0.public, &raw mut headers)
                != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                return 0;
            }
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            let mut count = 0;
            while c::rd_kafka_header_get_all(headers, count, &raw mut name, &raw mut value, &raw mut size)
                == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
            {
                take(CStr::from_ptr(name).to_bytes(), slice(value, size));
                count += 1;
            }
            count
        }
    }
}

/// A message that was read, as librdkafka has it (`rd_kafka_msg_t` in its `rdkafka_msg.h`). To be asked for headers costs
/// it several allocations even where there are none; by their bytes it can be told without.
#[repr(C)]
struct Message {
    public: c::rd_kafka_message_t,
    link: [*mut c_void; 2],
    flags: c_int,
    timestamp_kind: c_int,
    timestamp: i64,
    headers: *mut c_void,
    status: c_int,
    broker: i32,
    /// Headers as they lie in the batch: their number, a varint, then each.
    section: Section,
    leader_epoch: i32,
}

/// `rd_kafkap_bytes_t` of its `rdkafka_proto.h`.
#[repr(C)]
struct Section {
    length: i32,
    bytes: *const u8,
    inline: [u8; 1],
}

/// [`Message`] is the one of this version: whoever takes another one compares it with that one's.
const _: () = assert!(c::RD_KAFKA_VERSION == 0x020c_01ff);

impl Message {
    fn has_no_headers(&self) -> bool {
        // SAFETY: the message is alive; what stands beside the section is compared where tests run.
        debug_assert_eq!(self.leader_epoch, unsafe { c::rd_kafka_message_leader_epoch(&raw const self.public) });
        // SAFETY: the section is as long as it says, and lives as long as the message.
        self.section.length == 1 && unsafe { *self.section.bytes } == 0
    }
}

/// The queue of one partition of a consumer, cut off from the consumer's own.
pub(super) struct PartitionQueue {
    /// Alive as long as the queue.
    _consumer: Arc<ConsumerClient>,
    queue: *mut c::rd_kafka_queue_t,
    messages: Vec<*mut c::rd_kafka_message_t>,
    /// What the queue's callback is called with.
    _wake: Arc<Wake>,
}

// SAFETY: librdkafka's queues may be used from any thread, by one at a time as `&mut self` asks; the messages are empty
// between calls.
unsafe impl Send for PartitionQueue {}

impl PartitionQueue {
    /// Cuts a partition's queue off, before it is assigned. `wake` is woken when something comes into the empty queue.
    pub(super) fn new(consumer: &Arc<ConsumerClient>, topic: &str, partition: i32, wake: &Arc<Wake>) -> Option<Self> {
        unsafe extern "C" fn woken(_: *mut c::rd_kafka_t, wake: *mut c_void) {
            // SAFETY: the pointer is the one given below; the queue that calls holds the Arc that it points into, and
            // its destructor takes the callback away first.
            unsafe { (*wake.cast::<Wake>()).wake() }
        }
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client is alive; forwarding to null cuts the queue off; the callback's argument outlives the queue.
        unsafe {
            let queue = c::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition);
            if queue.is_null() {
                return None;
            }
            c::rd_kafka_queue_forward(queue, ptr::null_mut());
            c::rd_kafka_queue_cb_event_enable(queue, Some(woken), Arc::as_ptr(wake).cast_mut().cast());
            let (consumer, wake) = (Arc::clone(consumer), Arc::clone(wake));
            Some(Self { _consumer: consumer, queue, messages: vec![ptr::null_mut(); TAKE_MAX], _wake: wake })
        }
    }

    /// Takes what is there, without waiting, and shows it to `each`; says how much it was.
    pub(super) fn take(&mut self, mut each: impl FnMut(&Taken<'_>)) -> usize {
        // SAFETY: the buffer has the room that is named; librdkafka fills the first `count` places with messages that
        // are ours: each is shown once and destroyed once.
        unsafe {
            let count = c::rd_kafka_consume_batch_queue(self.queue, 0, self.messages.as_mut_ptr(), self.messages.len());
            let count = usize::try_from(count).unwrap_or(0);
            for message in self.messages.iter().take(count) {
                each(&taken(*message));
                c::rd_kafka_message_destroy(*message);
            }
            count
        }
    }
}

/// A message as librdkafka shows it.
///
/// # Safety
/// `message` is one that librdkafka handed out and that is not destroyed while what is returned lives.
unsafe fn taken<'a>(message: *const c::rd_kafka_message_t) -> Taken<'a> {
    // SAFETY: the message is alive.
    let public = unsafe { &*message };
    match public.err {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {
            let mut kind = c::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
            // SAFETY: the message is alive, and what was read lies in a whole [`Message`]; its key and payload live as long
            // as it does.
            let (timestamp, key, value, message) = unsafe {
                (
                    c::rd_kafka_message_timestamp(message, &raw mut kind),
                    slice(public.key, public.key_len),
                    slice(public.payload, public.len),
                    &*message.cast::<Message>(),
                )
            };
            Taken::Message { offset: public.offset, timestamp, key, value, headers: Headers(message) }
        }
        RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF => Taken::End(public.offset),
        error => {
            // SAFETY: the message is alive, and its text is copied.
            let text = unsafe { CStr::from_ptr(c::rd_kafka_message_errstr(message)).to_string_lossy().into_owned() };
            Taken::Error(error, text)
        }
    }
}

/// None for null.
///
/// # Safety
/// `data` is null or points to `size` bytes that live for `'a`.
unsafe fn slice<'a>(data: *const c_void, size: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller promises.
    (!data.is_null()).then(|| unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) })
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: made in `new`, destroyed once, the client is still alive; no callback comes afterwards.
        unsafe {
            c::rd_kafka_queue_cb_event_enable(self.queue, None, ptr::null_mut());
            c::rd_kafka_queue_destroy(self.queue);
        }
    }
}
