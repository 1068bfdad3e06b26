//! `topic list`, `topic produce`, `topic consume`.

use super::print;
use crate::record::batch::{BatchBuilder, Batches, Compression};
use crate::record::{Offset, Partition, Topic, TopicPartition, headers, partition_for};
use crate::run::{Access, RunError};
use crate::store::StoreError;
use crate::task::{BATCH_BYTES_MAX, Topics};
use crate::transport::{Transaction, Transport, TransportError};
use clap::Subcommand;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes read from a topic at once.
const FETCH_BYTES: usize = 1 << 20;
/// How long a follower sleeps at most before it looks again.
const FOLLOW: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List topics with their partitions and number of records.
    List,
    /// Append lines to a topic: FILE, or the standard input.
    Produce {
        /// The topic; made with one partition if it is not there.
        topic: String,
        /// The file; - is the standard input.
        #[arg(default_value = "-")]
        file: String,
    },
    /// Print records.
    Consume {
        /// The topic.
        topic: String,
        /// As in kcat: %k key, %s value, %t topic, %p partition, %o offset, %T timestamp, %h headers, \n, \t.
        #[arg(short, long, default_value = r"%k\t%s\n")]
        format: String,
        /// How keys and values are shown: s text, q 64-bit integer, both or key=X or value=X.
        #[arg(short = 's', long, default_value = "s")]
        show: Vec<String>,
        /// Where to begin: beginning, end, an offset, or a timestamp as @MILLISECONDS.
        #[arg(long, default_value = "beginning")]
        from: String,
        /// Go on waiting for more.
        #[arg(long)]
        follow: bool,
    },
}

impl Command {
    pub(super) fn run(self, data: &Path) -> Result<(), RunError> {
        let mut access = Access::open(data)?;
        match self {
            Self::List => list(access.log()?),
            Self::Produce { topic, file } => produce_lines(access.log()?, &Topic::new(&topic), &file),
            Self::Consume { topic, format, show, from, follow } => {
                let topic = Topic::new(&topic);
                if access.log()?.topic(&topic)?.is_none() {
                    return Err(TransportError::Unknown(TopicPartition::new(topic, Partition::new(0))).into());
                }
                consume(&mut access, &topic, &Shape { format, show }, &from, follow)
            }
        }
    }
}

fn list(log: &mut dyn Transport) -> Result<(), RunError> {
    let specs = log.topics()?;
    let width = specs.iter().map(|spec| spec.name.as_str().len()).max().unwrap_or(0).max("TOPIC".len());
    print(&format!("{:width$}  PARTITIONS  RECORDS\n", "TOPIC"));
    for spec in specs {
        let mut records = 0;
        for partition in spec.all_partitions() {
            let (start, end) = log.bounds(&partition)?;
            records += end.get() - start.get();
        }
        print(&format!("{:width$}  {:>10}  {records:>7}\n", spec.name.as_str(), spec.partitions));
    }
    Ok(())
}

/// Appends the lines of a file as values without keys, spread over the partitions in turn.
pub(super) fn produce_lines(log: &mut dyn Transport, topic: &Topic, file: &str) -> Result<(), RunError> {
    let partitions = log.partitions(topic)?;
    let reader: Box<dyn BufRead> = if file == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let opened = std::fs::File::open(file).map_err(|error| RunError::File { path: file.into(), error })?;
        Box::new(BufReader::new(opened))
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let mut builders: Vec<_> = (0..partitions).map(|_| BatchBuilder::new(Compression::None)).collect();
    let mut transaction = Transaction::default();
    for (number, line) in (0i32..).zip(reader.split(b'\n')) {
        let line = line.map_err(|error| RunError::File { path: file.into(), error })?;
        let partition = partition_for(None, Partition::new(number), partitions);
        #[expect(clippy::cast_sign_loss, reason = "partition_for gives a partition in range")]
        let Some(builder) = builders.get_mut(partition.get() as usize) else { continue };
        builder.append(now, None, Some(&line), &[]);
        crate::killpoint::pass("line-read");
        if builder.size() >= BATCH_BYTES_MAX {
            transaction.outputs.push((TopicPartition::new(topic.clone(), partition), builder.finish()));
        }
    }
    for (partition, builder) in (0i32..).zip(&mut builders).filter(|(_, builder)| builder.count() > 0) {
        transaction.outputs.push((TopicPartition::new(topic.clone(), Partition::new(partition)), builder.finish()));
    }
    Ok(log.commit("millstream-produce", &transaction)?)
}

/// How records are printed.
struct Shape {
    format: String,
    show: Vec<String>,
}

fn consume(access: &mut Access, topic: &Topic, shape: &Shape, from: &str, follow: bool) -> Result<(), RunError> {
    let mut positions = Vec::new();
    let log = access.log()?;
    for partition in log.topic(topic)?.iter().flat_map(crate::transport::TopicSpec::all_partitions) {
        let (start, end) = log.bounds(&partition)?;
        let position = match from.strip_prefix('@') {
            Some(time) => log.offset_at(&partition, time.parse().unwrap_or(0))?.unwrap_or(end),
            None if from == "end" => end,
            None => from.parse().map_or(start, Offset::new).max(start),
        };
        positions.push((partition, position));
    }
    loop {
        let mut found = match read(access, &mut positions, shape) {
            // A host that begins on the directory does not serve yet.
            Err(RunError::Store(StoreError::Locked { .. })) if follow => true,
            // The host has gone.
            Err(RunError::Transport(TransportError::Retry(why))) if follow => {
                tracing::debug!("{why}");
                access.give_up();
                true
            }
            other => other?,
        };
        if !follow {
            return Ok(());
        }
        while !found {
            access.wait(FOLLOW);
            found = access.is_stale();
        }
    }
}

/// Prints all that there is from the positions on. Says whether there was anything.
fn read(access: &mut Access, positions: &mut [(TopicPartition, Offset)], shape: &Shape) -> Result<bool, RunError> {
    let mut found = false;
    let log = access.log()?;
    for (partition, position) in positions {
        while let Some(fetched) = fetch(log, partition, position)? {
            found = true;
            show(fetched.batches, partition, *position, shape)?;
            *position = fetched.next;
        }
    }
    Ok(found)
}

/// Fetches; where records were deleted before they were read it goes on where the log begins now, and says so.
fn fetch(
    log: &mut dyn Transport,
    partition: &TopicPartition,
    position: &mut Offset,
) -> Result<Option<crate::transport::Fetched>, TransportError> {
    match log.fetch(partition, *position, FETCH_BYTES) {
        Err(error @ TransportError::OutOfRange { start, .. }) => {
            tracing::warn!("{error}");
            *position = start;
            log.fetch(partition, start, FETCH_BYTES)
        }
        other => other,
    }
}

fn show(batches: Vec<u8>, partition: &TopicPartition, from: Offset, shape: &Shape) -> Result<(), RunError> {
    let damaged = |error: crate::record::batch::BatchError| TransportError::Corrupt(format!("{partition}: {error}"));
    for batch in Batches::new(Arc::new(batches)) {
        let batch = batch.map_err(damaged)?;
        for record in batch.records() {
            let record = record.map_err(damaged)?;
            if record.offset < from || batch.is_control() {
                continue;
            }
            let payload = batch.payload();
            let fields = [
                ("%k", field(record.key.of(payload), shape.of("key"))),
                ("%s", field(record.value.of(payload), shape.of("value"))),
                ("%t", partition.topic.to_string()),
                ("%p", partition.partition.to_string()),
                ("%o", record.offset.to_string()),
                ("%T", record.timestamp.to_string()),
                ("%h", header_text(record.headers.of(payload).unwrap_or_default())),
                ("\\n", "\n".into()),
                ("\\t", "\t".into()),
            ];
            print(&filled(&shape.format, &fields));
        }
    }
    Ok(())
}

impl Shape {
    /// How the key or the value is shown: the last word that speaks of it.
    fn of(&self, part: &str) -> &str {
        let said = self.show.iter().rev().find_map(|show| match show.split_once('=') {
            Some((named, shape)) => (named == part).then_some(shape),
            None => Some(show.as_str()),
        });
        said.unwrap_or("s")
    }
}

/// The format with its marks replaced, left to right, so that what records hold is never taken for a mark.
fn filled(format: &str, fields: &[(&str, String)]) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        if let Some((mark, text)) = fields.iter().find(|(mark, _)| rest.starts_with(mark)) {
            out.push_str(text);
            rest = rest.get(mark.len()..).unwrap_or_default();
        } else {
            out.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
    }
    out
}

fn header_text(section: &[u8]) -> String {
    let one = |(name, value): headers::Header<'_>| format!("{}={}", String::from_utf8_lossy(name), field(value, "s"));
    headers::iter(section).map(one).collect::<Vec<_>>().join(",")
}

/// A field as text: `q` is a big-endian 64-bit integer, all else text; null is the word.
pub(super) fn field(field: Option<&[u8]>, shape: &str) -> String {
    match (field, shape) {
        (None, _) => "null".into(),
        (Some(bytes), "q") if bytes.len() == 8 => {
            bytes.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes)).to_string()
        }
        (Some(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
