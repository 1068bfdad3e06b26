//! What goes over the socket: a frame is two little-endian lengths, a head in JSON, and a payload of bytes (batches, keys,
//! values) whose parts the head measures.

use crate::record::{Offset, Partition, Topic, TopicPartition};
use crate::transport::{Cleanup, TopicSpec, TransportError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Largest head, bytes: tells thousands of topics or rows, and cannot fill the memory.
const HEAD_BYTES_MAX: u32 = 4 << 20;
/// Largest payload, bytes: the largest batch there can be, and what goes with it.
const PAYLOAD_BYTES_MAX: u32 = 80 << 20;

/// A place in a topic, as it is told.
pub(super) type Place = (String, i32);

/// What a client asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    /// All topics.
    Topics,
    /// Make a topic, or give one that is there its settings.
    Create { spec: Spec, alter: bool },
    /// First and next offset of a partition.
    Bounds { of: Place },
    /// The first offset at a time or later.
    OffsetAt { of: Place, timestamp: i64 },
    /// What a group has committed.
    Committed { group: String, of: Place },
    /// Batches.
    Fetch { of: Place, from: i64, bytes_max: usize },
    /// An answer when something was appended, or when the time is over.
    Wait { milliseconds: u64 },
    /// Append the payload's batches, of these sizes, in one transaction.
    Append { batches: Vec<(Place, usize)> },
    /// Partitions of a store up to the last one with rows here.
    Held { app: String, store: String },
    /// Rows of a store: the payload holds the first key (`from` bytes) and, if there is one, the key after the last.
    Rows { app: String, store: String, partition: i32, from: usize, bounded: bool, limit: usize },
}

/// What the host answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Response {
    /// It was done, or there is nothing.
    Done,
    /// Topics.
    Topics { topics: Vec<Spec> },
    /// First and next offset.
    Bounds { start: i64, end: i64 },
    /// An offset.
    Offset { offset: Option<i64> },
    /// Partitions of a store.
    Held { partitions: i32 },
    /// Batches, in the payload.
    Fetched { next: i64 },
    /// Rows: sizes of key and value in the payload, and the timestamp between them.
    Rows { rows: Vec<(usize, i64, usize)> },
    /// It could not be done.
    Failed { failure: Failure },
}

/// A [`TransportError`] as it is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Failure {
    Retry(String),
    Unknown(Place),
    OutOfRange { of: Place, asked: i64, start: i64 },
    Refused(String),
    Corrupt(String),
}

/// A [`TopicSpec`] as it is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Spec {
    name: String,
    partitions: i32,
    compact: bool,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
}

impl From<&TopicSpec> for Spec {
    fn from(spec: &TopicSpec) -> Self {
        Self {
            name: spec.name.as_str().into(),
            partitions: spec.partitions,
            compact: spec.cleanup == Cleanup::Compact,
            retention_ms: spec.retention.and_then(|time| u64::try_from(time.as_millis()).ok()),
            retention_bytes: spec.retention_bytes,
        }
    }
}

impl From<Spec> for TopicSpec {
    fn from(spec: Spec) -> Self {
        Self {
            name: Topic::new(&spec.name),
            partitions: spec.partitions,
            cleanup: if spec.compact { Cleanup::Compact } else { Cleanup::Delete },
            retention: spec.retention_ms.map(Duration::from_millis),
            retention_bytes: spec.retention_bytes,
        }
    }
}

pub(super) fn told(partition: &TopicPartition) -> Place {
    (partition.topic.as_str().into(), partition.partition.get())
}

pub(super) fn heard((topic, partition): &Place) -> TopicPartition {
    TopicPartition::new(Topic::new(topic), Partition::new(*partition))
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Retry(text) => Self::Retry(text),
            // Not of the log that is behind a socket.
            TransportError::Aborted(text) | TransportError::InDoubt(text) => Self::Refused(text),
            TransportError::Unknown(partition) => Self::Unknown(told(&partition)),
            TransportError::OutOfRange { partition, asked, start } => {
                Self::OutOfRange { of: told(&partition), asked: asked.get(), start: start.get() }
            }
            TransportError::Refused(text) => Self::Refused(text),
            TransportError::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

impl From<Failure> for TransportError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry(text) => Self::Retry(text),
            Failure::Unknown(place) => Self::Unknown(heard(&place)),
            Failure::OutOfRange { of, asked, start } => {
                Self::OutOfRange { partition: heard(&of), asked: Offset::new(asked), start: Offset::new(start) }
            }
            Failure::Refused(text) => Self::Refused(text),
            Failure::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

/// Writes a frame.
pub(super) fn send(stream: &mut impl Write, head: &impl Serialize, payload: &[&[u8]]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let size: usize = payload.iter().map(|part| part.len()).sum();
    let within = |size: usize, most: u32| u32::try_from(size).ok().filter(|size| *size <= most);
    let (Some(head_size), Some(size)) = (within(head.len(), HEAD_BYTES_MAX), within(size, PAYLOAD_BYTES_MAX)) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a frame of {size} bytes is too large")));
    };
    stream.write_all(&head_size.to_le_bytes())?;
    stream.write_all(&size.to_le_bytes())?;
    stream.write_all(&head)?;
    payload.iter().try_for_each(|part| stream.write_all(part))?;
    stream.flush()
}

/// Reads a frame; none if the other side is done.
pub(super) fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut sizes = [0; 8];
    match stream.read_exact(&mut sizes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let number = u64::from_le_bytes(sizes);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
    let (head, payload) = (number as u32, (number >> 32) as u32);
    if head > HEAD_BYTES_MAX || payload > PAYLOAD_BYTES_MAX {
        let what = format!("a frame of {head} and {payload} bytes is too large");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let head = exactly(stream, head)?;
    let payload = exactly(stream, payload)?;
    Ok(Some((serde_json::from_slice(&head)?, payload)))
}

/// So many bytes; memory grows with what comes, not with what is announced.
fn exactly(stream: &mut impl Read, size: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream.take(u64::from(size)).read_to_end(&mut bytes)?;
    if bytes.len() < size as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
