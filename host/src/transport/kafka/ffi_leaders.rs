//! What a broker tells of new leaders beside the answer to a question about records (KIP-951). librdkafka makes room for every
//! partition of which a broker tells, but fills it only for those that have a leader: what it then takes for the others' is
//! memory that was never written, by which it reads and writes elsewhere, and the process ends with SIGSEGV (its issue
//! 5280, open). That is the case where a broker has just started. So nothing is done with what is told: with the same answers
//! comes the error that has librdkafka ask for the leaders, as it does of brokers that tell nothing.
#![expect(unsafe_code, reason = "the linker puts a function of ours in the place of librdkafka's")]

use rdkafka::bindings as c;
use std::ffi::{c_int, c_void};

/// `RD_KAFKA_OP_RES_HANDLED` of `rdkafka_op.h`.
const HANDLED: c_int = 1;

/// The function is the one of this version: whoever takes another one looks whether this is still needed.
const _: () = assert!(c::RD_KAFKA_VERSION == 0x020c_01ff);

/// In the place of `rd_kafka_metadata_update_op` (`rdkafka_metadata.h`), as `build.rs` has the linker see to: what was told is
/// freed by who calls.
// SAFETY: nothing else has this name; the arguments are the original's, and are not used.
#[unsafe(no_mangle)]
extern "C" fn __wrap_rd_kafka_metadata_update_op(_: *mut c::rd_kafka_t, _: *mut c_void) -> c_int {
    #[cfg(test)]
    tests::TOLD.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    HANDLED
}

unsafe extern "C" {
    fn rd_kafka_metadata_update_op(rk: *mut c::rd_kafka_t, told: *mut c_void) -> c_int;
}

/// Whether this program was linked so.
pub(super) fn is_in_place() -> bool {
    let original: unsafe extern "C" fn(_, _) -> _ = rd_kafka_metadata_update_op;
    let ours: unsafe extern "C" fn(_, _) -> _ = __wrap_rd_kafka_metadata_update_op;
    std::ptr::fn_addr_eq(original, ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::config::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::error::IsError;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
    use rdkafka::{Message, Offset, TopicPartitionList};
    use std::collections::BTreeSet;
    use std::ffi::CStr;
    use std::ptr;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    const TOPIC: &CStr = c"topic";
    /// How often somebody was told of leaders.
    pub(super) static TOLD: AtomicUsize = AtomicUsize::new(0);
    /// Held by the test that calls, and by the one that counts.
    static CALLING: Mutex<()> = Mutex::new(());

    #[test]
    fn librdkafkas_own_function_is_not_called() {
        let _alone = CALLING.lock().unwrap();
        assert!(is_in_place());
        // SAFETY: ours uses neither of its arguments. The original would read from them, and end the process.
        assert_eq!(unsafe { rd_kafka_metadata_update_op(ptr::null_mut(), ptr::null_mut()) }, HANDLED);
    }

    /// A producer in whose process two brokers are played, for as long as it lives.
    struct Cluster(BaseProducer);

    impl Cluster {
        fn new() -> Self {
            let cluster = Self(ClientConfig::new().set("test.mock.num.brokers", "2").create().unwrap());
            // SAFETY: the cluster lives as long as the producer, and the name is copied.
            let made = unsafe { c::rd_kafka_mock_topic_create(cluster.native(), TOPIC.as_ptr(), 2, 1) };
            assert!(!made.is_error());
            cluster
        }

        fn native(&self) -> *mut c::rd_kafka_mock_cluster_t {
            // SAFETY: the producer is alive.
            unsafe { c::rd_kafka_handle_mock_cluster(self.0.client().native_ptr()) }
        }

        fn consumer(&self) -> BaseConsumer {
            // SAFETY: the text lives as long as the cluster, and is copied.
            let bootstrap = unsafe { CStr::from_ptr(c::rd_kafka_mock_cluster_bootstraps(self.native())) };
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", bootstrap.to_str().unwrap()).set("group.id", "group");
            config.set("fetch.wait.max.ms", "20").create().unwrap()
        }

        fn lead(&self, broker: i32) {
            for partition in 0..2 {
                // SAFETY: as above.
                let set =
                    unsafe { c::rd_kafka_mock_partition_set_leader(self.native(), TOPIC.as_ptr(), partition, broker) };
                assert!(!set.is_error());
            }
        }

        /// Has the next answer about a partition say that this broker leads it.
        fn tell(&self, partition: i32, leader: i32) {
            // SAFETY: as above.
            let set = unsafe {
                c::rd_kafka_mock_partition_push_leader_response(self.native(), TOPIC.as_ptr(), partition, leader, 9)
            };
            assert!(!set.is_error());
        }

        fn produce(&self) {
            for partition in 0..2 {
                self.0.send(BaseRecord::to("topic").partition(partition).key("").payload("")).unwrap();
            }
            self.0.flush(Duration::from_secs(30)).unwrap();
        }
    }

    fn read_from_both(consumer: &BaseConsumer) {
        let (began, mut read) = (Instant::now(), BTreeSet::new());
        while read.len() < 2 {
            assert!(began.elapsed() < Duration::from_secs(30), "records came from {read:?} alone");
            let message = consumer.poll(Duration::from_millis(50)).and_then(Result::ok);
            read.extend(message.map(|message| message.partition()));
        }
    }

    #[test]
    fn a_reader_finds_leaders_of_which_it_is_told_that_nobody_knows_them() {
        let _alone = CALLING.lock().unwrap();
        let cluster = Cluster::new();
        cluster.lead(1);
        let consumer = cluster.consumer();
        let mut both = TopicPartitionList::new();
        both.add_partition_range("topic", 0, 1);
        both.set_all_offsets(Offset::Beginning).unwrap();
        consumer.assign(&both).unwrap();
        cluster.produce();
        read_from_both(&consumer);
        let (began, before) = (Instant::now(), TOLD.load(Ordering::SeqCst));
        cluster.tell(0, -1);
        cluster.tell(1, 2);
        cluster.lead(2);
        // The reader is to be told before the producer asks.
        while TOLD.load(Ordering::SeqCst) == before {
            assert!(began.elapsed() < Duration::from_secs(30), "it is not told of leaders");
            assert!(consumer.poll(Duration::from_millis(50)).is_none_or(|told| told.is_err()));
        }
        cluster.produce();
        read_from_both(&consumer);
    }
}
