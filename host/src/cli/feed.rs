//! Lines into a topic, in transactions of bounded size, while more may come.

use super::out::Error;
use crate::record::batch::{BatchBuilder, Compression};
use crate::record::{Partition, Timestamp, Topic, TopicPartition, partition_for};
use crate::transport::{Transaction, Transport};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Group under which lines are appended.
const GROUP: &str = "millstream-produce";
/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Bytes of records in a transaction, after which it is committed: few enough to be seen soon, enough for a disk that
/// takes milliseconds a commit.
const TRANSACTION_BYTES: usize = 4 << 20;
/// Longest line, bytes: half of what a batch may hold.
const LINE_BYTES_MAX: usize = 32 << 20;

/// What becomes of a line.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    /// What stands between key and value; none: the whole line is the value.
    pub(super) delimiter: Option<Vec<u8>>,
    /// The key of lines that hold none.
    pub(super) key: Option<Vec<u8>>,
    /// Headers, as they lie in a batch.
    pub(super) headers: Vec<u8>,
    /// The partition; none: by key, or in turn.
    pub(super) partition: Option<Partition>,
    /// The timestamp; none: when the line is read.
    pub(super) timestamp: Option<Timestamp>,
    /// Whether an empty value is null.
    pub(super) empty_is_null: bool,
}

/// A file or the standard input, open.
pub(super) struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
    /// Whether a read may wait for somebody: what was read before must not wait with it.
    waits: bool,
}

impl Source {
    /// Whether it is a file whose lines are the same whenever it is read.
    pub(super) const fn is_file(&self) -> bool {
        !self.waits
    }

    /// Opens a file; `-` is the standard input.
    pub(super) fn open(file: &str) -> Result<Self, Error> {
        if file == "-" {
            return Ok(Self { name: "the standard input".into(), reader: Box::new(std::io::stdin()), waits: true });
        }
        let opened = std::fs::File::open(file).and_then(|opened| Ok((opened.metadata()?, opened)));
        let (about, opened) = opened.map_err(|error| Error::file(Path::new(file), &error))?;
        if about.is_dir() {
            return Err(Error::file(Path::new(file), &std::io::Error::from(std::io::ErrorKind::IsADirectory)));
        }
        Ok(Self { name: file.into(), reader: Box::new(opened), waits: !about.is_file() })
    }
}

/// Appends the lines of a source to a topic until it ends. Says how many there were.
pub(super) fn feed(
    log: &mut dyn Transport,
    topic: &Topic,
    partitions: i32,
    source: Source,
    shape: &Shape,
) -> Result<u64, Error> {
    let builders = (0..partitions).map(|_| BatchBuilder::new(Compression::None)).collect();
    let mut feed = Feed { log, topic, shape, builders, bytes: 0, lines: 0, now: 0 };
    let Source { name, reader, waits } = source;
    let failed = |error: std::io::Error| Error::file(Path::new(&name), &error);
    let mut reader = BufReader::with_capacity(READ_BYTES, reader);
    let mut line = Vec::new();
    loop {
        if waits || feed.bytes >= TRANSACTION_BYTES {
            feed.commit()?;
        }
        let chunk = reader.fill_buf().map_err(failed)?;
        feed.now = now();
        if chunk.is_empty() {
            break;
        }
        let read = chunk.len();
        let mut rest = chunk;
        while let Some((before, after)) = memchr::memchr(b'\n', rest).and_then(|at| rest.split_at_checked(at)) {
            line.extend_from_slice(before);
            feed.append(&line)?;
            line.clear();
            rest = after.get(1..).unwrap_or_default();
        }
        line.extend_from_slice(rest);
        reader.consume(read);
        if line.len() > LINE_BYTES_MAX {
            let what = format!("{name}: line {} is longer than {LINE_BYTES_MAX} bytes", feed.lines + 1);
            return Err(Error::failed("MS-C015", what, "cut it into records that are smaller"));
        }
    }
    if !line.is_empty() {
        feed.append(&line)?;
    }
    feed.commit()?;
    Ok(feed.lines)
}

struct Feed<'a> {
    log: &'a mut dyn Transport,
    topic: &'a Topic,
    shape: &'a Shape,
    builders: Vec<BatchBuilder>,
    /// Of the open transaction.
    bytes: usize,
    lines: u64,
    now: Timestamp,
}

impl Feed<'_> {
    fn append(&mut self, line: &[u8]) -> Result<(), Error> {
        self.lines += 1;
        let shape = self.shape;
        let (key, value) = split(shape, self.lines, line)?;
        let value = Some(value).filter(|value| !(shape.empty_is_null && value.is_empty()));
        let partitions = i32::try_from(self.builders.len()).unwrap_or(i32::MAX);
        let in_turn = Partition::new(i32::try_from(self.lines % i64::from(i32::MAX).unsigned_abs()).unwrap_or(0));
        let partition = shape.partition.unwrap_or_else(|| partition_for(key, in_turn, partitions));
        let builder = usize::try_from(partition.get()).ok().and_then(|place| self.builders.get_mut(place));
        if let Some(builder) = builder {
            let before = builder.size();
            builder.append(shape.timestamp.unwrap_or(self.now), key, value, &shape.headers);
            self.bytes += builder.size() - before;
            crate::killpoint::pass("line-read");
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        let mut transaction = Transaction::default();
        for (number, builder) in (0i32..).zip(&mut self.builders).filter(|(_, builder)| builder.count() > 0) {
            let partition = TopicPartition::new(self.topic.clone(), Partition::new(number));
            transaction.outputs.push((partition, builder.finish()));
        }
        self.bytes = 0;
        if transaction.outputs.is_empty() { Ok(()) } else { Ok(self.log.commit(GROUP, &transaction)?) }
    }
}

/// Key and value of a line.
fn split<'l>(shape: &'l Shape, number: u64, line: &'l [u8]) -> Result<(Option<&'l [u8]>, &'l [u8]), Error> {
    let Some(delimiter) = &shape.delimiter else { return Ok((shape.key.as_deref(), line)) };
    let at = memchr::memmem::find(line, delimiter);
    let parts = at.and_then(|at| Some((line.get(..at)?, line.get(at + delimiter.len()..)?)));
    let (key, value) = parts.ok_or_else(|| {
        let delimiter = String::from_utf8_lossy(delimiter);
        let what = format!("line {number} holds no {delimiter:?} between key and value");
        let remedy = "name another delimiter, or none if lines are values; lines before it may have been appended";
        Error::failed("MS-C016", what, remedy)
    })?;
    Ok((Some(key), value))
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
