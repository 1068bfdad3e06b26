//! `topic consume`.

use super::existing;
use super::format::{Format, Shown};
use super::notation::{Notations, Said};
use super::place::Place;
use super::position::Position;
use crate::cli::cluster::Cluster;
use crate::cli::out::{Error, print_bytes};
use crate::record::batch::{BatchError, Record};
use crate::record::{Offset, TopicPartition, headers};
use crate::run::RunError;
use crate::store::StoreError;
use crate::transport::{Fetch, Records, Transport, TransportError};
use clap::Args;
use serde_json::json;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes read from a partition at once.
const FETCH_BYTES: usize = 256 * 1024;
/// Bytes gathered before they are written out.
const OUT_BYTES: usize = 64 * 1024;
/// How long a follower sleeps at most before it looks again.
const FOLLOW: Duration = Duration::from_millis(200);

/// How long records that must be there may take to come from a cluster, as long as none comes at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Print committed records, as kcat -C does.
///
/// Records of a partition come in the order of their offsets. Between partitions the lowest timestamp among those read
/// comes first (the lower partition if they are equal), which is how tasks take them too.
#[derive(Debug, Args)]
#[command(after_help = "\
Formats:
  %k key  %s value  %t topic  %p partition  %o offset  %T timestamp  %h headers  %K %S lengths (-1: null)  %% percent
  \\n  \\t  \\r  \\0  \\\\  \\xNN

Examples:
  millstream topic consume out                               key, tab, value
  millstream topic consume counts -s value=q -f '%k %s\\n'    counts are eight bytes: -s value=q
  millstream topic consume out -o -5                         the last five of every partition
  millstream topic consume out -o @2026-01-31T12:00:00Z --to @2026-01-31T13:00:00Z
  millstream topic consume out --follow --json | jq .payload
  millstream topic consume out --kafka localhost:9092        offsets count the ends of transactions, too")]
pub(in crate::cli) struct Consume {
    #[command(flatten)]
    cluster: Cluster,
    /// The topic.
    topic: String,
    /// What is printed for a record.
    #[arg(short, long, default_value = r"%k\t%s\n", value_parser = Format::parse)]
    format: Format,
    /// How keys and values are shown: s text, hex, or b h i q for integers of 1, 2, 4, 8 bytes (capitals unsigned, < before it little-endian); for both, or key=X, value=X.
    #[arg(short = 's', long, value_name = "NOTATION", value_parser = Said::parse)]
    show: Vec<Said>,
    /// Where to begin: beginning, end, OFFSET, -N (N before the end) or @TIME (milliseconds or RFC 3339).
    #[arg(short = 'o', long, default_value = "beginning", allow_hyphen_values = true, value_parser = Position::parse)]
    from: Position,
    /// Where to stop, before that record; else at what is the end now.
    #[arg(long, allow_hyphen_values = true, value_parser = Position::parse)]
    to: Option<Position>,
    /// Stop after so many records.
    #[arg(short, long)]
    count: Option<u64>,
    /// Only this partition.
    #[arg(short, long)]
    partition: Option<i32>,
    /// Go on waiting for more.
    #[arg(short = 'F', long)]
    follow: bool,
    /// One JSON object a line, in the shape of kcat -J.
    #[arg(short = 'J', long)]
    json: bool,
    /// Null is shown as NULL, not as nothing.
    #[arg(short = 'Z', long)]
    null: bool,
}

/// A record, and what its cells are relative to.
type Waiting = (Arc<Vec<u8>>, Record);

/// A partition on its way.
struct Reading {
    partition: TopicPartition,
    next: Offset,
    /// Where to stop; none: never.
    stop: Option<Offset>,
    /// Whether more is on its way.
    coming: bool,
    waiting: VecDeque<Waiting>,
}

impl Consume {
    pub(super) fn run(self, data: &Path) -> Result<(), Error> {
        let mut place = Place::open(&self.cluster, data)?;
        let mut readings = self.readings(place.log()?)?;
        let notations = Notations::of(&self.show);
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut out = Vec::new();
        let mut last = Instant::now();
        while left > 0 {
            self.refill(&mut place, &mut readings)?;
            let Some((reading, (payload, record))) = self.first(&mut readings) else {
                print_bytes(&std::mem::take(&mut out));
                let open = |reading: &&Reading| reading.is_hungry() && (self.follow || reading.coming);
                let Some(reading) = readings.iter().find(open) else { break };
                if !self.follow && last.elapsed() >= PATIENCE {
                    return Err(silent(reading));
                }
                place.wait(FOLLOW);
                continue;
            };
            if reading.is_hungry() {
                last = Instant::now();
            }
            self.show(&reading.partition, &payload, &record, notations, &mut out)?;
            left -= 1;
            if out.len() >= OUT_BYTES {
                print_bytes(&std::mem::take(&mut out));
            }
        }
        print_bytes(&out);
        Ok(())
    }

    /// The record that comes next, and of what partition. Only a follower goes on while others are on their way, which
    /// may be long in coming.
    fn first<'r>(&self, readings: &'r mut [Reading]) -> Option<(&'r Reading, Waiting)> {
        if !self.follow && readings.iter().any(|reading| reading.is_hungry() && reading.coming) {
            return None;
        }
        let heads = readings.iter_mut().filter(|reading| !reading.waiting.is_empty());
        let first = heads.min_by_key(|reading| reading.waiting.front().map(|(_, record)| record.timestamp))?;
        let head = first.waiting.pop_front()?;
        Some((first, head))
    }

    /// Reads on where nothing waits. A follower outlives the host that it reads through.
    fn refill(&self, place: &mut Place, readings: &mut [Reading]) -> Result<(), Error> {
        let read = |place: &mut Place, readings: &mut [Reading]| -> Result<(), RunError> {
            for reading in readings.iter_mut().filter(|reading| reading.is_hungry()) {
                reading.refill(place.log()?)?;
            }
            Ok(())
        };
        match read(place, readings) {
            // A host that begins on the directory does not serve yet.
            Err(RunError::Store(StoreError::Locked { .. })) if self.follow => Ok(()),
            // The host has gone.
            Err(RunError::Transport(TransportError::Retry(why))) if self.follow => {
                tracing::debug!("{why}");
                place.give_up();
                Ok(())
            }
            other => Ok(other?),
        }
    }

    /// The partitions that were asked for, each from where to where.
    fn readings(&self, log: &mut dyn Transport) -> Result<Vec<Reading>, Error> {
        let spec = existing(log, &self.topic)?;
        if let Some(partition) = self.partition.filter(|partition| !(0..spec.partitions).contains(partition)) {
            let what = format!("there is no partition {partition} in {}", spec.name);
            return Err(Error::usage("MS-C008", what, format!("name one from 0 to {}", spec.partitions - 1)));
        }
        let mut readings = Vec::new();
        let mut last = Offset::new(0);
        for partition in spec.all_partitions() {
            if self.partition.is_some_and(|number| number != partition.partition.get()) {
                continue;
            }
            let bounds = log.bounds(&partition)?;
            last = last.max(bounds.1);
            let next = self.from.within(log, &partition, bounds)?;
            let stop = match self.to {
                Some(Position::At(offset)) if self.follow => Some(offset),
                Some(position) => Some(position.within(log, &partition, bounds)?),
                None => (!self.follow).then_some(bounds.1),
            };
            readings.push(Reading { partition, next, stop, coming: false, waiting: VecDeque::new() });
        }
        match self.from {
            Position::At(offset) if offset > last => {
                let what = format!("{} ends at offset {last}, and {offset} was asked for", spec.name);
                Err(Error::failed("MS-C004", what, format!("name one from 0 to {last}, or beginning, end, -N, @TIME")))
            }
            _ => Ok(readings),
        }
    }

    fn show(
        &self,
        partition: &TopicPartition,
        payload: &Arc<Vec<u8>>,
        record: &Record,
        notations: Notations,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let shown = Shown {
            topic: partition.topic.as_str(),
            partition: partition.partition.get(),
            offset: record.offset.get(),
            timestamp: record.timestamp,
            key: record.key.of(payload),
            value: record.value.of(payload),
            headers: record.headers.of(payload).unwrap_or_default(),
        };
        let null = if self.null { "NULL" } else { "" };
        let written =
            if self.json { as_json(&shown, notations, out) } else { self.format.write(&shown, notations, null, out) };
        written.map_err(|what| {
            print_bytes(out);
            let what = format!("{partition} at offset {}: {what}", record.offset);
            Error::failed("MS-C007", what, "choose another notation with -s, such as value=s or value=hex")
        })
    }
}

/// A record in the shape of `kcat -J`.
fn as_json(record: &Shown<'_>, notations: Notations, out: &mut Vec<u8>) -> Result<(), String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let list: Vec<_> =
        headers::iter(record.headers).flat_map(|(name, value)| [Some(text(name)), value.map(text)]).collect();
    let key = record.key.map(|bytes| notations.key.json(bytes)).transpose().map_err(|what| format!("key: {what}"))?;
    let value = record.value.map(|bytes| notations.value.json(bytes)).transpose();
    let value = value.map_err(|what| format!("value: {what}"))?;
    let line = json!({
        "topic": record.topic, "partition": record.partition, "offset": record.offset, "tstype": "create",
        "ts": record.timestamp, "headers": list, "key": key, "payload": value,
    });
    out.extend_from_slice(line.to_string().as_bytes());
    out.push(b'\n');
    Ok(())
}

/// A partition of which nothing comes.
fn silent(reading: &Reading) -> Error {
    let (partition, next) = (&reading.partition, reading.next);
    let what = format!("nothing came of {partition} from offset {next} on within {} s", PATIENCE.as_secs());
    Error::failed("MS-C019", what, "are the brokers up, and may this user read the topic?")
}

impl Reading {
    fn is_hungry(&self) -> bool {
        self.waiting.is_empty() && self.stop.is_none_or(|stop| self.next < stop)
    }

    /// Reads on. Where records were deleted before they were read it goes on where the log begins now, and says so.
    fn refill(&mut self, log: &mut dyn Transport) -> Result<(), TransportError> {
        let damaged =
            |partition: &TopicPartition, error: BatchError| TransportError::Corrupt(format!("{partition}: {error}"));
        while self.is_hungry() {
            let fetched = match log.fetch(&self.partition, self.next, FETCH_BYTES) {
                Err(error @ TransportError::OutOfRange { start, .. }) => {
                    tracing::warn!("{error}");
                    self.next = start;
                    continue;
                }
                other => other?,
            };
            self.coming = matches!(fetched, Fetch::Pending);
            let Some(next) = fetched.next().filter(|next| *next > self.next) else { return Ok(()) };
            for records in fetched.records() {
                let Records { bytes, records, .. } = records.map_err(|error| damaged(&self.partition, error))?;
                for record in records {
                    if record.offset >= self.next && self.stop.is_none_or(|stop| record.offset < stop) {
                        self.waiting.push_back((Arc::clone(&bytes), record));
                    }
                }
            }
            self.next = next;
        }
        Ok(())
    }
}
