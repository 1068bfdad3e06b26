//! Places in a topic: `--from` and `--to`.

use crate::record::{Offset, Timestamp, TopicPartition, time};
use crate::transport::{Transport, TransportError};

/// A place in every partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Position {
    Beginning,
    End,
    At(Offset),
    /// So many records before the end.
    BeforeEnd(i64),
    /// The first record of this time or later.
    Since(Timestamp),
}

impl Position {
    /// Reads a position.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let position = match text {
            "beginning" | "earliest" => Some(Self::Beginning),
            "end" | "latest" => Some(Self::End),
            _ => match text.strip_prefix('@') {
                Some(time) => time::parse(time).map(Self::Since),
                None => text.parse::<i64>().ok().map(|number| {
                    if text.starts_with('-') {
                        Self::BeforeEnd(number.saturating_neg())
                    } else {
                        Self::At(Offset::new(number))
                    }
                }),
            },
        };
        position.ok_or_else(|| {
            format!(
                "MS-C004: {text:?} is no place in a topic; write beginning, end, an offset such as 42, -5 for the last five, or a time such as @1700000000000 or @2026-01-31T12:00:00Z"
            )
        })
    }

    /// Where it is in a partition that holds the offsets from `start` to before `end`.
    pub(super) fn within(
        self,
        log: &mut dyn Transport,
        partition: &TopicPartition,
        (start, end): (Offset, Offset),
    ) -> Result<Offset, TransportError> {
        Ok(match self {
            Self::Beginning => start,
            Self::End => end,
            Self::At(offset) => offset.clamp(start, end),
            Self::BeforeEnd(records) => Offset::new(end.get().saturating_sub(records)).max(start),
            Self::Since(timestamp) => log.offset_at(partition, timestamp)?.unwrap_or(end),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        for (text, position) in [
            ("beginning", Position::Beginning),
            ("end", Position::End),
            ("42", Position::At(Offset::new(42))),
            ("-5", Position::BeforeEnd(5)),
            ("@1500", Position::Since(1500)),
            ("@1970-01-01T00:00:01Z", Position::Since(1000)),
        ] {
            assert_eq!(Position::parse(text), Ok(position), "{text}");
        }
        for wrong in ["", "begining", "4x", "@", "@yesterday", "--5", "-9223372036854775808x"] {
            let error = Position::parse(wrong).expect_err(wrong);
            assert!(error.starts_with("MS-C004: "), "{error}");
        }
    }
}
