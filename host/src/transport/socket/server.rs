//! The host's side: a thread accepts, and each connection has a thread of its own, in a bounded number.

use super::Address;
use super::frame::{self, Failure, Place, Request, Response, heard};
use crate::record::batch::{self, Batches};
use crate::record::{Offset, PARTITIONS_MAX, Topic, TopicPartition};
use crate::store::{Db, KeyValueStore};
use crate::transport::{Transaction, Transport, TransportError};
use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Connections at a time: more than people's terminals, few enough to cost nothing.
const CONNECTIONS_MAX: usize = 32;
/// How long a client waits for news at most before it is answered and may ask again.
const WAIT_MAX: Duration = Duration::from_millis(100);
/// Bytes that one fetch gives at most, unless the first batch is larger.
const FETCH_BYTES_MAX: usize = 4 << 20;
/// Rows that one answer holds at most.
const ROWS_MAX: usize = 10_000;
/// Bytes of rows after which an answer ends.
const ROWS_BYTES_MAX: usize = 4 << 20;
/// The group in whose name clients' records are appended; it has no offsets.
const GROUP: &str = "millstream-produce";

/// A connection and its thread.
type Connection = (UnixStream, Option<JoinHandle<()>>);

/// Serves the socket until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: Address,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    connections: Mutex<HashMap<u64, Connection>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        // Entries are put in and taken out whole: a panic elsewhere leaves them sound.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Serves the topics of `log` and the stores of `db` in the data directory of `db`, which this process holds.
    ///
    /// # Errors
    /// If the socket cannot be made.
    pub fn start<L: Transport + Clone + 'static>(db: &Db, log: &L) -> io::Result<Self> {
        let address = Address::new(db.path())?;
        // Whoever left it is gone: the directory is ours.
        match std::fs::remove_file(&address.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&address.path)?;
        std::fs::set_permissions(&address.path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let shared: Arc<Shared> = Arc::default();
        let (served, db, log) = (Arc::clone(&shared), db.clone(), log.clone());
        let accepting = std::thread::Builder::new()
            .name("socket".into())
            .spawn(move || accept(&listener, &served, &Session { db, log }))?;
        Ok(Self { shared, address, accepting: Some(accepting) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes the accepting thread. Should it fail, that thread ends with the process.
        let woken = UnixStream::connect(&self.address.path).is_ok();
        let _ = std::fs::remove_file(&self.address.path);
        if let Some(thread) = self.accepting.take().filter(|_| woken) {
            let _ = thread.join();
        }
        let connections = std::mem::take(&mut *self.shared.connections());
        for (stream, thread) in connections.into_values() {
            let _ = stream.shutdown(Shutdown::Both);
            if let Some(thread) = thread {
                let _ = thread.join();
            }
        }
    }
}

fn accept<L: Transport + Clone + 'static>(listener: &UnixListener, shared: &Arc<Shared>, session: &Session<L>) {
    for (number, stream) in (0u64..).zip(listener.incoming()) {
        if shared.stopping() {
            return;
        }
        let Ok(mut stream) = stream else { continue };
        if shared.connections().len() >= CONNECTIONS_MAX {
            let failure = Failure::Retry(format!("the host serves {CONNECTIONS_MAX} connections and takes no more"));
            // A client that does not listen learns it from the end of the stream.
            let _ = frame::send(&mut stream, &Response::Failed { failure }, &[]);
            continue;
        }
        let Ok(kept) = stream.try_clone() else { continue };
        shared.connections().insert(number, (kept, None));
        let (served, session) = (Arc::clone(shared), session.clone());
        let serving = std::thread::Builder::new().name(format!("socket-{number}")).spawn(move || {
            if let Err(error) = session.serve(&mut stream, &served) {
                tracing::debug!(number, "a connection to the socket ended: {error}");
            }
            served.connections().remove(&number);
        });
        match (serving, shared.connections().get_mut(&number)) {
            (Ok(thread), Some(connection)) => connection.1 = Some(thread),
            (Err(_), Some(_)) => drop(shared.connections().remove(&number)),
            (_, None) => {}
        }
    }
}

/// What a connection works with.
#[derive(Clone)]
struct Session<L> {
    db: Db,
    log: L,
}

type Answer = (Response, Vec<Vec<u8>>);

impl<L: Transport> Session<L> {
    fn serve(mut self, stream: &mut UnixStream, shared: &Shared) -> io::Result<()> {
        while let Some((request, payload)) = frame::receive(stream)? {
            if shared.stopping() {
                break;
            }
            let (head, parts) = self.answer(request, &payload).unwrap_or_else(|error| {
                let failure = error.into();
                (Response::Failed { failure }, Vec::new())
            });
            let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            frame::send(stream, &head, &parts)?;
        }
        Ok(())
    }

    fn answer(&mut self, request: Request, payload: &[u8]) -> Result<Answer, TransportError> {
        let head = match request {
            Request::Topics => Response::Topics { topics: self.log.topics()?.iter().map(Into::into).collect() },
            Request::Create { spec, alter } => self.create(&spec.into(), alter)?,
            Request::Bounds { of } => {
                let (start, end) = self.log.bounds(&heard(&of))?;
                Response::Bounds { start: start.get(), end: end.get() }
            }
            Request::OffsetAt { of, timestamp } => offset(self.log.offset_at(&heard(&of), timestamp)?),
            Request::Committed { group, of } => offset(self.log.committed(&group, &heard(&of))?),
            Request::Fetch { of, from, bytes_max } => {
                let bytes_max = bytes_max.min(FETCH_BYTES_MAX);
                match self.log.fetch(&heard(&of), Offset::new(from), bytes_max)?.batches() {
                    Some(fetched) => {
                        return Ok((Response::Fetched { next: fetched.next.get() }, vec![fetched.batches]));
                    }
                    None => Response::Done,
                }
            }
            Request::Wait { milliseconds } => {
                self.log.wait(Duration::from_millis(milliseconds).min(WAIT_MAX));
                Response::Done
            }
            Request::Append { batches } => self.append(&batches, payload)?,
            Request::Held { app, store } => Response::Held { partitions: KeyValueStore::held(&self.db, &app, &store)? },
            Request::Rows { app, store, partition, from, bounded, limit } => {
                let (from, to) = payload.split_at_checked(from).ok_or_else(|| refused("the keys are cut off"))?;
                return self.rows((&app, &store, partition), from, bounded.then_some(to), limit);
            }
        };
        Ok((head, Vec::new()))
    }

    fn create(&mut self, spec: &crate::transport::TopicSpec, alter: bool) -> Result<Response, TransportError> {
        if !Topic::is_legal(spec.name.as_str()) || !(1..=PARTITIONS_MAX).contains(&spec.partitions) {
            return Err(refused("a topic needs a legal name, a partition, and no more than 10000"));
        }
        if alter {
            self.log.alter_topic(spec)?
        } else {
            self.log.create_topic(spec)?
        }
        Ok(Response::Done)
    }

    fn append(&mut self, batches: &[(Place, usize)], payload: &[u8]) -> Result<Response, TransportError> {
        let mut transaction = Transaction::default();
        let mut rest = payload;
        for (place, size) in batches {
            let (bytes, after) = rest.split_at_checked(*size).ok_or_else(|| refused("the batches are cut off"))?;
            transaction.outputs.push((heard(place), sound(&heard(place), bytes)?));
            rest = after;
        }
        if !rest.is_empty() {
            return Err(refused("bytes are left over after the batches"));
        }
        self.log.commit(GROUP, &transaction)?;
        Ok(Response::Done)
    }

    fn rows(
        &mut self,
        (app, store, partition): (&str, &str, i32),
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
    ) -> Result<Answer, TransportError> {
        let (mut rows, mut parts, mut bytes) = (Vec::new(), Vec::new(), 0);
        let limit = limit.min(ROWS_MAX);
        if let Some(store) = KeyValueStore::existing(&self.db, app, store, partition)? {
            store.visit_committed(from, to, &mut |key, timestamp, value| {
                rows.push((key.len(), timestamp, value.len()));
                parts.push([key, value].concat());
                bytes += key.len() + value.len();
                rows.len() < limit && bytes < ROWS_BYTES_MAX
            })?;
        }
        Ok((Response::Rows { rows }, parts))
    }
}

/// One finished batch, whole and sound, that the log may take: what comes from another process is checked to the last
/// record before it is kept.
fn sound(partition: &TopicPartition, bytes: &[u8]) -> Result<Vec<u8>, TransportError> {
    let wrong = |what: &dyn std::fmt::Display| TransportError::Refused(format!("a batch for {partition}: {what}"));
    let summary = batch::summary(bytes).filter(|summary| summary.size == bytes.len());
    let summary = summary.ok_or_else(|| wrong(&"it is not one whole batch"))?;
    let bytes = Arc::new(bytes.to_vec());
    for batch in Batches::new(Arc::clone(&bytes)) {
        let batch = batch.map_err(|error| wrong(&error))?;
        for record in batch.records() {
            record.map_err(|error| wrong(&error))?;
        }
        // Offsets rise within the batch's span, which the reader has found: as many as it spans leave no gap.
        let span = summary.last.get() - summary.base.get() + 1;
        let gaps = i64::try_from(batch.len()).is_ok_and(|count| count != span);
        if gaps || batch.is_empty() || batch.is_control() || batch.is_transactional() {
            return Err(wrong(&"it must hold plain records without gaps"));
        }
    }
    Ok(Arc::unwrap_or_clone(bytes))
}

fn offset(offset: Option<Offset>) -> Response {
    Response::Offset { offset: offset.map(Offset::get) }
}

fn refused(what: &str) -> TransportError {
    TransportError::Refused(what.into())
}
