//! Our assignor in a member's client, in place of what librdkafka does for `cooperative-sticky`: it has no interface for
//! assignors of others, but finds its own by a table of functions (`rdkafka_assignor.h`), which is written to before the
//! member joins. Around it all stays as it is: the cooperative protocol, by which nobody gets what another still has, is
//! librdkafka's own (`rd_kafka_cooperative_protocol_adjust_assignment`).
#![expect(unsafe_code, reason = "librdkafka's assignors have no public interface")]

use super::assignor::{Member, Positions, State, assign};
use super::ffi::ConsumerClient;
use super::positions;
use rdkafka::bindings as c;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaRespErr;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::atomic::{AtomicI32, Ordering};

/// The assignor whose place is taken.
const NAME: &CStr = c"cooperative-sticky";

/// Says how far the state that lies here has come.
pub(super) type Told = Box<dyn Fn() -> Positions + Send + Sync>;

/// What a member tells when it joins, and by what it decides when it is the group's leader.
pub(super) struct Assignor {
    /// The task topic: each of its partitions is a task.
    tasks: CString,
    /// The member's process.
    instance: String,
    told: Told,
    /// The generation of the member's last assignment.
    generation: AtomicI32,
    /// librdkafka's own.
    original: AssignFn,
}

type AssignFn = unsafe extern "C" fn(
    *mut c::rd_kafka_t,
    *const Table,
    *const c_char,
    *const c::rd_kafka_metadata,
    *mut GroupMember,
    usize,
    *mut *mut c_void,
    usize,
    *mut c_char,
    usize,
    *mut c_void,
) -> RDKafkaRespErr;

type TellFn = unsafe extern "C" fn(
    *const Table,
    *mut c_void,
    *const c_void,
    *const c::rd_kafka_topic_partition_list_t,
    *const c_void,
) -> *mut c_void;

type NoteFn = unsafe extern "C" fn(
    *const Table,
    *mut *mut c_void,
    *const c::rd_kafka_topic_partition_list_t,
    *const c_void,
    *const c::rd_kafka_consumer_group_metadata_t,
);

/// `rd_kafka_assignor_t` of `rdkafka_assignor.h`.
#[repr(C)]
struct Table {
    kind: *const Text,
    name: *const Text,
    enabled: c_int,
    index: c_int,
    protocol: c_int,
    assign: AssignFn,
    tell: TellFn,
    note: Option<NoteFn>,
    forget: Option<unsafe extern "C" fn(*mut c_void)>,
    test: *const c_void,
    ours: *mut c_void,
}

/// `RD_KAFKA_REBALANCE_PROTOCOL_COOPERATIVE`.
const COOPERATIVE: c_int = 2;

/// `rd_kafkap_str_t` and `rd_kafkap_bytes_t` of `rdkafka_proto.h`, which both begin so.
#[repr(C)]
struct Text {
    length: c_int,
    bytes: *const u8,
}

/// `rd_kafka_group_member_t` of `rdkafka_assignor.h`.
#[repr(C)]
struct GroupMember {
    subscription: *mut c::rd_kafka_topic_partition_list_t,
    assignment: *mut c::rd_kafka_topic_partition_list_t,
    owned: *const c::rd_kafka_topic_partition_list_t,
    eligible: List,
    id: *const Text,
    group_instance: *const Text,
    told: *const Text,
    metadata: *const Text,
    generation: c_int,
    rack: *const Text,
}

/// `rd_list_t` of `rdlist.h`.
#[repr(C)]
struct List {
    sizes: [c_int; 2],
    elements: *mut *mut c_void,
    free: *const c_void,
    flags: [c_int; 2],
    memory: *mut c_void,
}

/// The structures are those of this version: whoever takes another one compares them with that one's.
const _: () = assert!(c::RD_KAFKA_VERSION == 0x020c_01ff);

unsafe extern "C" {
    fn rd_kafka_assignor_find(rk: *mut c::rd_kafka_t, name: *const c_char) -> *mut Table;
    fn rd_kafka_consumer_protocol_member_metadata_new(
        topics: *const c_void,
        told: *const c_void,
        told_size: usize,
        owned: *const c::rd_kafka_topic_partition_list_t,
        generation: c_int,
        rack: *const c_void,
    ) -> *mut c_void;
}

impl Assignor {
    /// Makes a consumer that has not subscribed to anything yet assign by it, and tell what it is to tell. False if its
    /// librdkafka is not the one that is known here: then nothing is changed.
    pub(super) fn install(client: &ConsumerClient, tasks: &str, instance: &str, told: Told) -> bool {
        let Ok(tasks) = CString::new(tasks) else { return false };
        // SAFETY: the client is alive while it is borrowed, and its table lives as long as it does. Nothing reads the table
        // before the consumer joins a group, which happens on another thread, to which the subscription is handed over
        // later, through a lock. What `ours` points to is never freed: librdkafka may call as long as the client lives, and
        // the end of one that does not end is not waited for.
        unsafe {
            let table = rd_kafka_assignor_find(client.client().native_ptr(), NAME.as_ptr());
            let Some(table) = table.as_mut().filter(|table| text(table.name) == NAME.to_bytes()) else { return false };
            if table.protocol != COOPERATIVE || !table.ours.is_null() {
                return false;
            }
            let (instance, generation) = (instance.to_owned(), AtomicI32::new(-1));
            let ours = Self { tasks, instance, told, generation, original: table.assign };
            table.ours = std::ptr::from_mut(Box::leak(Box::new(ours))).cast();
            table.assign = assign_all;
            table.tell = tell;
            table.note = Some(note);
            table.forget = None;
        }
        true
    }

    /// # Safety
    /// The table is one that [`Assignor::install`] wrote to.
    unsafe fn of<'a>(table: *const Table) -> &'a Self {
        // SAFETY: it points to what is never freed, and is changed by nobody but for what is atomic.
        unsafe { &*(*table).ours.cast::<Self>() }
    }

    /// Gives all tasks out; none if the members cannot be made out, or one of them reads something else.
    ///
    /// # Safety
    /// The members are those that librdkafka gives its assignors.
    unsafe fn shares(&self, leader: &[u8], tasks: usize, members: &[GroupMember]) -> Option<Vec<Vec<usize>>> {
        // SAFETY: what members point to lives as long as they do.
        let known: Vec<(Member, Positions)> = members.iter().map(|member| unsafe { self.member(member) }).collect();
        // SAFETY: as above.
        let only_tasks = members.iter().all(|member| unsafe { self.subscribes_to_tasks_alone(member) });
        if !only_tasks || !known.iter().any(|(member, _)| member.id.as_bytes() == leader) {
            return None;
        }
        let (mut held, mut stateful) = (BTreeMap::<String, Positions>::new(), BTreeSet::new());
        let (members, told): (Vec<Member>, Vec<Positions>) = known.into_iter().unzip();
        for (member, told) in members.iter().zip(told) {
            stateful.extend(told.keys().copied());
            held.entry(member.instance.clone()).or_default().extend(told);
        }
        let shares = assign(&members, tasks, State { stateful: &stateful, held: &held });
        tracing::debug!(?members, ?held, ?shares, "gives the tasks out");
        Some(shares)
    }

    /// # Safety
    /// What the member points to is alive.
    unsafe fn member(&self, member: &GroupMember) -> (Member, Positions) {
        // SAFETY: as the caller says.
        let (id, told, owned) = unsafe { (text(member.id), text(member.told), list(member.owned)) };
        let id = String::from_utf8_lossy(id).into_owned();
        let (instance, told) = positions::decode(told).unwrap_or_else(|| (id.clone(), Positions::new()));
        // SAFETY: names of topics end in zero.
        let of_tasks = owned.iter().filter(|partition| unsafe { CStr::from_ptr(partition.topic) } == &*self.tasks);
        let tasks = of_tasks.filter_map(|partition| usize::try_from(partition.partition).ok()).collect();
        (Member { id, instance, generation: member.generation, tasks }, told)
    }

    /// # Safety
    /// What the member points to is alive.
    unsafe fn subscribes_to_tasks_alone(&self, member: &GroupMember) -> bool {
        // SAFETY: as the caller says; names of topics end in zero.
        unsafe { list(member.subscription) }.iter().all(|topic| unsafe { CStr::from_ptr(topic.topic) } == &*self.tasks)
    }

    /// How many tasks there are, as far as the cluster says.
    ///
    /// # Safety
    /// The metadata are librdkafka's.
    unsafe fn number_of_tasks(&self, metadata: *const c::rd_kafka_metadata) -> usize {
        // SAFETY: there are as many topics as it says, and their names end in zero.
        let topics =
            unsafe { slice::from_raw_parts((*metadata).topics, usize::try_from((*metadata).topic_cnt).unwrap_or(0)) };
        // SAFETY: as above.
        let tasks = topics.iter().find(|topic| unsafe { CStr::from_ptr(topic.topic) } == &*self.tasks);
        tasks.and_then(|topic| usize::try_from(topic.partition_cnt).ok()).unwrap_or(0)
    }
}

/// The assignor itself, called by librdkafka's main thread in the group's leader.
unsafe extern "C" fn assign_all(
    rk: *mut c::rd_kafka_t,
    table: *const Table,
    leader: *const c_char,
    metadata: *const c::rd_kafka_metadata,
    members: *mut GroupMember,
    count: usize,
    topics: *mut *mut c_void,
    topic_count: usize,
    error: *mut c_char,
    error_size: usize,
    opaque: *mut c_void,
) -> RDKafkaRespErr {
    // SAFETY: librdkafka calls with what its own assignor takes; there are as many members as it says, and all that is
    // read of them and of the metadata is theirs.
    unsafe {
        let ours = Assignor::of(table);
        let all = slice::from_raw_parts_mut(members, count);
        let reckon = || ours.shares(CStr::from_ptr(leader).to_bytes(), ours.number_of_tasks(metadata), all);
        let Some(shares) = catch_unwind(AssertUnwindSafe(reckon)).ok().flatten() else {
            // Not with an eye on state, but it assigns.
            return (ours.original)(
                rk,
                table,
                leader,
                metadata,
                members,
                count,
                topics,
                topic_count,
                error,
                error_size,
                opaque,
            );
        };
        for (member, share) in all.iter_mut().zip(shares) {
            // The list is ours to replace, as in librdkafka's own assignors.
            if !member.assignment.is_null() {
                c::rd_kafka_topic_partition_list_destroy(member.assignment);
            }
            member.assignment = c::rd_kafka_topic_partition_list_new(c_int::try_from(share.len()).unwrap_or(0));
            for task in share.into_iter().filter_map(|task| i32::try_from(task).ok()) {
                c::rd_kafka_topic_partition_list_add(member.assignment, ours.tasks.as_ptr(), task);
            }
        }
    }
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
}

/// What the member tells when it joins.
unsafe extern "C" fn tell(
    table: *const Table,
    _: *mut c_void,
    topics: *const c_void,
    owned: *const c::rd_kafka_topic_partition_list_t,
    rack: *const c_void,
) -> *mut c_void {
    // SAFETY: topics, partitions and rack are handed on as librdkafka's own assignors do; what we tell is copied.
    unsafe {
        let ours = Assignor::of(table);
        let held = catch_unwind(AssertUnwindSafe(|| (ours.told)())).unwrap_or_default();
        let told = positions::encode(&ours.instance, &held);
        let generation = ours.generation.load(Ordering::Relaxed);
        rd_kafka_consumer_protocol_member_metadata_new(
            topics,
            told.as_ptr().cast(),
            told.len(),
            owned,
            generation,
            rack,
        )
    }
}

/// The member got an assignment.
unsafe extern "C" fn note(
    table: *const Table,
    _: *mut *mut c_void,
    _: *const c::rd_kafka_topic_partition_list_t,
    _: *const c_void,
    group: *const c::rd_kafka_consumer_group_metadata_t,
) {
    // SAFETY: the group's metadata are alive during the call.
    unsafe {
        let generation = c::rd_kafka_consumer_group_metadata_generation_id(group);
        Assignor::of(table).generation.store(generation, Ordering::Relaxed);
    }
}

/// # Safety
/// The text is null or alive for as long as it is used.
unsafe fn text<'a>(text: *const Text) -> &'a [u8] {
    // SAFETY: as long as it says; -1 for null.
    unsafe {
        let length = text.as_ref().and_then(|text| usize::try_from(text.length).ok());
        length.filter(|length| *length > 0).map_or(&[], |length| slice::from_raw_parts((*text).bytes, length))
    }
}

/// # Safety
/// The list is null or alive for as long as it is used.
unsafe fn list<'a>(list: *const c::rd_kafka_topic_partition_list_t) -> &'a [c::rd_kafka_topic_partition_t] {
    // SAFETY: there are as many elements as it says.
    unsafe {
        let count = list.as_ref().and_then(|list| usize::try_from(list.cnt).ok());
        count.filter(|count| *count > 0).map_or(&[], |count| slice::from_raw_parts((*list).elems, count))
    }
}
