//! What is kept beside a store about its changelog: up to where it agrees with it, when that was, and with which topic of
//! that name. With it a copy can be recognised that is none any more.

use super::ffi_topics::TopicId;
use crate::record::{Offset, Timestamp};
use std::time::Duration;

/// Kafka keeps a deletion in a compacted topic for `delete.retention.ms`: a copy that has not been read on for longer may
/// hold rows whose deletion is gone. This is what Kafka takes where a topic says nothing else.
const DELETE_RETENTION: Duration = Duration::from_hours(24);

/// A checkpoint as it lies in the database: offset, time, topic id (big-endian; the id zero if it is not known).
pub(super) fn encode(offset: Offset, now: Timestamp, topic: Option<TopicId>) -> Vec<u8> {
    [&offset.get().to_be_bytes()[..], &now.to_be_bytes(), &topic.unwrap_or_default()].concat()
}

/// Up to which offset the copy of this checkpoint agrees with its changelog; none if it is too old to be used, as far as
/// that is known without asking brokers.
pub fn position(checkpoint: &[u8], now: Timestamp) -> Option<u64> {
    let offset = checkpoint.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))?;
    u64::try_from(offset).ok().filter(|_| against(checkpoint, now, None, None).is_none())
}

/// When the copy of this checkpoint had all that its changelog held.
pub(super) fn time(checkpoint: &[u8]) -> Option<Timestamp> {
    checkpoint.get(8..).and_then(|rest| rest.first_chunk()).map(|bytes| Timestamp::from_be_bytes(*bytes))
}

/// Why a copy with this checkpoint is not to be used, if so.
/// `retention` is the changelog's `delete.retention.ms`, if it is known.
pub(super) fn against(
    checkpoint: &[u8],
    now: Timestamp,
    topic: Option<TopicId>,
    retention: Option<Duration>,
) -> Option<&'static str> {
    let id = checkpoint.get(16..).and_then(|rest| rest.first_chunk::<16>());
    let (Some(time), Some(id)) = (time(checkpoint), id) else {
        return Some("it is not known when it was read last");
    };
    if topic.is_some_and(|topic| *id != TopicId::default() && topic != *id) {
        return Some("its changelog was deleted and made again");
    }
    let age = u64::try_from(now.saturating_sub(time)).map_or(Duration::ZERO, Duration::from_millis);
    (age >= retention.unwrap_or(DELETE_RETENTION))
        .then_some("deletions that it has not seen may be gone from its changelog")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_and_foreign_copies_are_told() {
        let day = 24 * 3600 * 1000;
        let (ours, other) = (Some([7; 16]), Some([8; 16]));
        let written = encode(Offset::new(5), 1000, ours);
        assert_eq!(written.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)), Some(5));
        assert_eq!((position(&written, 1000), position(&written, 1000 + day)), (Some(5), None));
        assert_eq!(against(&written, 1000 + day - 1, ours, None), None);
        assert_eq!(against(&written, 0, ours, None), None, "a clock that was set back");
        assert!(against(&written, 1000 + day, ours, None).is_some());
        let hour = Some(Duration::from_hours(1));
        assert!(
            against(&written, 1000 + 3600 * 1000, ours, hour).is_some(),
            "the changelog keeps deletions for an hour"
        );
        assert_eq!(against(&written, 999 + 3600 * 1000, ours, hour), None);
        assert!(against(&written, 1000, other, None).is_some());
        assert_eq!(against(&written, 1000, None, None), None, "a broker that does not say");
        assert_eq!(against(&encode(Offset::new(5), 1000, None), 1000, other, None), None);
        assert!(against(&5i64.to_be_bytes(), 1000, ours, None).is_some(), "written by another version");
    }
}
