//! The client's side.

use super::Address;
use super::frame::{self, Request, Response, told};
use crate::record::{Offset, Timestamp, Topic, TopicPartition};
use crate::store::Entry;
use crate::transport::{Fetch, Fetched, TopicSpec, Transaction, Transport, TransportError};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Bytes appended by one request: a piece that the host commits at once without keeping its workers waiting.
const APPEND_BYTES: usize = 8 << 20;
/// Rows asked for at once.
const ROWS: usize = 1000;

/// The topics and stores of a data directory on which a host runs.
#[derive(Debug)]
pub struct Remote {
    stream: UnixStream,
    /// How often it was asked for a version.
    asked: u64,
}

impl Remote {
    /// Connects to the host on a data directory.
    ///
    /// # Errors
    /// If there is none.
    pub fn connect(directory: &Path) -> std::io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(Address::new(directory)?.path)?, asked: 0 })
    }

    fn ask(&mut self, request: &Request, payload: &[&[u8]]) -> Result<(Response, Vec<u8>), TransportError> {
        let lost = |error: &dyn std::fmt::Display| {
            TransportError::Retry(format!("the host on this data directory does not answer: {error}"))
        };
        frame::send(&mut self.stream, request, payload).map_err(|error| lost(&error))?;
        match frame::receive(&mut self.stream).map_err(|error| lost(&error))? {
            None => Err(lost(&"it has stopped")),
            Some((Response::Failed { failure }, _)) => Err(failure.into()),
            Some(answer) => Ok(answer),
        }
    }

    /// Partitions of a store up to the last one with rows.
    ///
    /// # Errors
    /// If the host cannot read them.
    pub fn held(&mut self, app: &str, store: &str) -> Result<i32, TransportError> {
        match self.ask(&Request::Held { app: app.into(), store: store.into() }, &[])? {
            (Response::Held { partitions }, _) => Ok(partitions),
            _ => Err(unexpected()),
        }
    }

    /// Committed rows of a store from `from` on, up to but without `to`, `limit` at most.
    ///
    /// # Errors
    /// If the host cannot read them.
    pub fn rows(
        &mut self,
        (app, store, partition): (&str, &str, i32),
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, TransportError> {
        let mut found: Vec<Entry> = Vec::new();
        let mut from = from.to_vec();
        while found.len() < limit {
            let request = Request::Rows {
                app: app.into(),
                store: store.into(),
                partition,
                from: from.len(),
                bounded: to.is_some(),
                limit: ROWS.min(limit - found.len()),
            };
            let (answer, payload) = self.ask(&request, &[&from, to.unwrap_or_default()])?;
            let Response::Rows { rows } = answer else { return Err(unexpected()) };
            let Some(last) = take_rows(&rows, &payload, &mut found)? else { break };
            from = last;
        }
        Ok(found)
    }

    fn append(&mut self, outputs: &[(TopicPartition, Vec<u8>)]) -> Result<(), TransportError> {
        let batches = outputs.iter().map(|(partition, bytes)| (told(partition), bytes.len())).collect();
        let payload: Vec<&[u8]> = outputs.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        self.ask(&Request::Append { batches }, &payload).map(drop)
    }

    fn offset(&mut self, request: &Request) -> Result<Option<Offset>, TransportError> {
        match self.ask(request, &[])? {
            (Response::Offset { offset }, _) => Ok(offset.map(Offset::new)),
            _ => Err(unexpected()),
        }
    }
}

/// Takes rows apart, and says where those after them begin; none if there were none.
fn take_rows(
    rows: &[(usize, i64, usize)],
    payload: &[u8],
    found: &mut Vec<Entry>,
) -> Result<Option<Vec<u8>>, TransportError> {
    let mut rest = payload;
    for (key, timestamp, value) in rows {
        let (key, after) = rest.split_at_checked(*key).ok_or_else(unexpected)?;
        let (value, after) = after.split_at_checked(*value).ok_or_else(unexpected)?;
        found.push((key.to_vec(), *timestamp, value.to_vec()));
        rest = after;
    }
    // The smallest key that is greater than the last one.
    Ok(found.last().filter(|_| !rows.is_empty()).map(|(key, _, _)| [key.as_slice(), &[0]].concat()))
}

fn unexpected() -> TransportError {
    TransportError::Corrupt("the host on this data directory answers what was not asked; is it another version?".into())
}

impl Transport for Remote {
    fn create_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError> {
        self.ask(&Request::Create { spec: spec.into(), alter: false }, &[]).map(drop)
    }

    fn alter_topic(&mut self, spec: &TopicSpec) -> Result<(), TransportError> {
        self.ask(&Request::Create { spec: spec.into(), alter: true }, &[]).map(drop)
    }

    fn topics(&mut self) -> Result<Vec<TopicSpec>, TransportError> {
        match self.ask(&Request::Topics, &[])? {
            (Response::Topics { topics }, _) => Ok(topics.into_iter().map(TopicSpec::from).collect()),
            _ => Err(unexpected()),
        }
    }

    fn topic(&mut self, name: &Topic) -> Result<Option<TopicSpec>, TransportError> {
        Ok(self.topics()?.into_iter().find(|spec| spec.name == *name))
    }

    fn bounds(&mut self, partition: &TopicPartition) -> Result<(Offset, Offset), TransportError> {
        match self.ask(&Request::Bounds { of: told(partition) }, &[])? {
            (Response::Bounds { start, end }, _) => Ok((Offset::new(start), Offset::new(end))),
            _ => Err(unexpected()),
        }
    }

    fn offset_at(
        &mut self,
        partition: &TopicPartition,
        timestamp: Timestamp,
    ) -> Result<Option<Offset>, TransportError> {
        self.offset(&Request::OffsetAt { of: told(partition), timestamp })
    }

    fn committed(&mut self, group: &str, partition: &TopicPartition) -> Result<Option<Offset>, TransportError> {
        self.offset(&Request::Committed { group: group.into(), of: told(partition) })
    }

    fn fetch(&mut self, partition: &TopicPartition, from: Offset, bytes_max: usize) -> Result<Fetch, TransportError> {
        match self.ask(&Request::Fetch { of: told(partition), from: from.get(), bytes_max }, &[])? {
            (Response::Fetched { next }, batches) => Ok(Fetch::Batches(Fetched { batches, next: Offset::new(next) })),
            (Response::Done, _) => Ok(Fetch::End(from)),
            _ => Err(unexpected()),
        }
    }

    /// Not known here: another number each time.
    fn version(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    fn wait(&mut self, timeout: Duration) {
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        if self.ask(&Request::Wait { milliseconds }, &[]).is_err() {
            // The next real question says what is wrong; until then there is no hurry.
            std::thread::sleep(timeout);
        }
    }

    /// Appends. In pieces: a piece happens or does not, a long input may be there in part when the host stops.
    fn commit(&mut self, _group: &str, transaction: &Transaction) -> Result<(), TransportError> {
        let only_outputs = transaction.offsets.is_empty() && transaction.state.is_empty();
        if !only_outputs || !transaction.checkpoints.is_empty() {
            let what = "offsets and state are the host's; through its socket records can be appended only";
            return Err(TransportError::Refused(what.into()));
        }
        let mut rest = transaction.outputs.as_slice();
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|(_, batch)| {
                bytes += batch.len();
                bytes <= APPEND_BYTES
            });
            let (piece, after) = rest.split_at(fits.count().max(1));
            self.append(piece)?;
            rest = after;
        }
        Ok(())
    }

    fn delete_records(&mut self, _before: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        Err(TransportError::Refused("records are deleted by the host itself".into()))
    }
}
