//! Dead letters: the input record as it was, and why it stands there.

use super::Origin;
use crate::operator::Failure;
use crate::record::{Row, Turn, headers};

/// Longest stack trace in a header, bytes: enough to find the place, and far below what brokers take for a record.
const STACKTRACE_BYTES_MAX: usize = 8 * 1024;
/// Longest message in a header, bytes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// The record for the dead-letter topic: key, value, timestamp and headers of the task's input record, then Kafka
/// Streams' `__streams.errors.*` headers and ours.
pub(super) fn letter(failure: &Failure, origin: &Origin, turn: &mut Turn) -> Row {
    let stacktrace = if failure.backtrace.is_empty() { &failure.reason } else { &failure.backtrace };
    let partition = origin.partition.partition.to_string();
    let offset = origin.offset.to_string();
    let (plugin, digest) = &failure.plugin;
    let extra = [
        ("__streams.errors.exception", cut(&failure.class, MESSAGE_BYTES_MAX)),
        ("__streams.errors.message", cut(&failure.reason, MESSAGE_BYTES_MAX)),
        ("__streams.errors.stacktrace", cut(stacktrace, STACKTRACE_BYTES_MAX)),
        ("__streams.errors.topic", origin.partition.topic.as_str()),
        ("__streams.errors.partition", &partition),
        ("__streams.errors.offset", &offset),
        ("__millstream.errors.node", &failure.node),
        ("__millstream.errors.plugin", plugin),
        ("__millstream.errors.digest", digest),
        ("__millstream.errors.operator", &failure.operator),
    ];
    let extra = extra.map(|(name, value)| (name, Some(value.as_bytes())));
    let section = headers::extend(turn.arena.bytes(origin.row.headers), &extra);
    Row { headers: turn.arena.push_cell(section), path: failure.row.path, ..origin.row }
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
