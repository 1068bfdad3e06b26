use super::clients::Clients;
use super::settings::Settings;
use super::transactions::Transactions;
use crate::transport::{Fence, TransportError};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;

/// What becomes of a commit by a producer that is not there: who gets past the checks is in doubt.
fn commit(generation: i32, member: &str, offsets: i64) -> TransportError {
    let clients = Clients::new(Settings::to("127.0.0.1:1"), || 0).unwrap();
    let mut list = TopicPartitionList::new();
    (0..offsets).for_each(|offset| list.add_partition_offset("in", 0, Offset::Offset(offset)).unwrap());
    let fence = Fence { generation, member: member.into() };
    Transactions::new(Arc::new(clients), "app-0".into(), "app".into()).commit(list, &fence).unwrap_err()
}

#[test]
fn nothing_is_committed_that_would_not_fence_a_zombie() {
    assert!(matches!(commit(3, "member", 1), TransportError::InDoubt(_)));
    for (generation, member, offsets) in [(-1, "member", 1), (3, "", 1), (3, "member", 0)] {
        let refused = commit(generation, member, offsets);
        let TransportError::Aborted(why) = &refused else { panic!("{generation} {member:?} {offsets}: {refused}") };
        assert_eq!(*why, format!("{offsets} offsets under generation {generation}"));
    }
}
