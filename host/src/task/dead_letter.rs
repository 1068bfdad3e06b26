//! Dead letters: the input record as it was, and why it stands there.

use super::Origin;
use crate::operator::Failure;
use crate::record::{Row, Turn, headers};

/// Longest stack trace in a header, bytes: enough to find the place, and far below what brokers take for a record.
const STACKTRACE_BYTES_MAX: usize = 8 * 1024;
/// Longest message in a header, bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// The record for the dead-letter topic: key, value, timestamp and headers of the task's input record, then Kafka
/// Streams' `__streams.errors.*` headers and ours. What an aggregate handed on at a commit stands for many input records:
/// then the row that failed is kept, and the headers name no topic, partition -1 and offset -1, as Kafka Streams' do for
/// a punctuation.
pub(super) fn letter(failure: &Failure, origin: Option<&Origin>, turn: &mut Turn) -> Row {
    let stacktrace = if failure.backtrace.is_empty() { &failure.reason } else { &failure.backtrace };
    let kept = origin.map_or(failure.row, |origin| origin.row);
    let topic = origin.map(|origin| origin.partition.topic.as_str());
    let partition = origin.map_or_else(|| "-1".to_owned(), |origin| origin.partition.partition.to_string());
    let offset = origin.map_or_else(|| "-1".to_owned(), |origin| origin.offset.to_string());
    let (plugin, digest) = &failure.plugin;
    let extra = [
        ("__streams.errors.exception", Some(cut(&failure.class, MESSAGE_BYTES_MAX))),
        ("__streams.errors.message", Some(cut(&failure.reason, MESSAGE_BYTES_MAX))),
        ("__streams.errors.stacktrace", Some(cut(stacktrace, STACKTRACE_BYTES_MAX))),
        ("__streams.errors.topic", topic),
        ("__streams.errors.partition", Some(&partition)),
        ("__streams.errors.offset", Some(&offset)),
        ("__millstream.errors.node", Some(&failure.node)),
        ("__millstream.errors.plugin", Some(plugin)),
        ("__millstream.errors.digest", Some(digest)),
        ("__millstream.errors.operator", Some(&failure.operator)),
    ];
    let extra = extra.map(|(name, value)| (name, value.map(str::as_bytes)));
    let section = headers::extend(turn.arena.bytes(kept.headers), &extra);
    Row { headers: turn.arena.push_cell(section), path: failure.row.path, ..kept }
}

/// The text's first bytes, at a character's border.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
