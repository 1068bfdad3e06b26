//! The members of a group, which the crate asks of every broker, those that are down included: its coordinator alone
//! knows them.
#![expect(unsafe_code, reason = "librdkafka's DescribeConsumerGroups has no safe wrapper")]

use super::ffi::{ConsumerClient, asked};
use rdkafka::bindings as c;
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CStr, CString, c_char};
use std::ptr;
use std::time::Duration;

/// A member of a group.
#[derive(Debug)]
pub(super) struct GroupMember {
    /// The id that the coordinator gave it.
    pub(super) id: String,
    /// Kafka's `client.id`.
    pub(super) client: String,
    /// From where it is connected.
    pub(super) host: String,
    /// The numbers of the partitions that it has. Of the app's group they are those of the task topic.
    pub(super) partitions: Vec<usize>,
}

/// Asks for a group's members; a group that is not there has none.
///
/// # Errors
/// What the brokers, or librdkafka, say against it. The client must not be used any more then, see
/// [`Groups`](super::groups::Groups).
pub(super) fn members(client: &ConsumerClient, group: &str, timeout: Duration) -> Result<Vec<GroupMember>, String> {
    let name = CString::new(group).map_err(|error| error.to_string())?;
    let mut names = [name.as_ptr()];
    // SAFETY: the names are copied; no options are those by default. `read` copies what it finds.
    let found = unsafe {
        let ask =
            |rk, queue| c::rd_kafka_DescribeConsumerGroups(rk, names.as_mut_ptr(), names.len(), ptr::null(), queue);
        asked(client, timeout, ask, |event| read(event))
    };
    found.unwrap_or_else(|| {
        Err(format!("the coordinator of group {group} did not answer within {} s", timeout.as_secs()))
    })
}

/// The members in the answer.
///
/// # Safety
/// `event` is one that librdkafka handed out and that was not destroyed.
unsafe fn read(event: *mut c::rd_kafka_event_t) -> Result<Vec<GroupMember>, String> {
    // SAFETY: the event is alive, and all that is read belongs to it; the counts say how many there are of each.
    unsafe {
        let error = c::rd_kafka_event_error(event);
        let result = c::rd_kafka_event_DescribeConsumerGroups_result(event);
        if error != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR || result.is_null() {
            return Err(text(c::rd_kafka_event_error_string(event)));
        }
        let mut count = 0;
        let groups = c::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count);
        if groups.is_null() || count == 0 {
            return Ok(Vec::new());
        }
        let error = c::rd_kafka_ConsumerGroupDescription_error(*groups);
        match if error.is_null() { RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR } else { c::rd_kafka_error_code(error) } {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => {}
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND => return Ok(Vec::new()),
            _ => return Err(text(c::rd_kafka_error_string(error))),
        }
        let members = 0..c::rd_kafka_ConsumerGroupDescription_member_count(*groups);
        Ok(members.map(|place| member(c::rd_kafka_ConsumerGroupDescription_member(*groups, place))).collect())
    }
}

/// One member.
///
/// # Safety
/// `told` belongs to an event that was not destroyed.
unsafe fn member(told: *const c::rd_kafka_MemberDescription_t) -> GroupMember {
    // SAFETY: all that is read belongs to the event.
    unsafe {
        let host = text(c::rd_kafka_MemberDescription_host(told)).trim_start_matches('/').to_owned();
        let assignment = c::rd_kafka_MemberDescription_assignment(told);
        let list = if assignment.is_null() { ptr::null() } else { c::rd_kafka_MemberAssignment_partitions(assignment) };
        let elements: &[c::rd_kafka_topic_partition_t] = match list.as_ref() {
            Some(list) if !list.elems.is_null() => {
                std::slice::from_raw_parts(list.elems, usize::try_from(list.cnt).unwrap_or(0))
            }
            _ => &[],
        };
        let partitions = elements.iter().filter_map(|element| usize::try_from(element.partition).ok()).collect();
        let (id, client) =
            (c::rd_kafka_MemberDescription_consumer_id(told), c::rd_kafka_MemberDescription_client_id(told));
        GroupMember { id: text(id), client: text(client), host, partitions }
    }
}

/// A copy of one of librdkafka's texts.
///
/// # Safety
/// `text` is null or one that is alive.
unsafe fn text(text: *const c_char) -> String {
    // SAFETY: as the caller promises.
    if text.is_null() { String::new() } else { unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned() }
}
