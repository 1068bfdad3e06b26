//! `topic produce`.

use super::place::Place;
use super::{existing, format, legal};
use crate::cli::cluster::Cluster;
use crate::cli::feed::{Shape, Source, feed};
use crate::cli::out::Error;
use crate::record::{Partition, Timestamp, headers, time};
use crate::run::RunError;
use crate::task::Topics;
use crate::transport::TransportError;
use clap::Args;
use std::io::IsTerminal;
use std::path::Path;

/// Append lines to a topic, as kcat -P does.
///
/// A line is a value. Lines go in transactions of what can be read at once; on a cluster by an idempotent producer,
/// without transactions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream topic produce orders orders.txt             a value a line
  echo 'k1:v1' | millstream topic produce orders -K :    key and value
  millstream topic produce orders -k k1 -H source=cli    one key and a header for all lines
  echo 'k1:' | millstream topic produce orders -K : -Z   an empty value is null: a deletion
  millstream topic produce orders orders.txt --kafka localhost:9092")]
pub(in crate::cli) struct Produce {
    #[command(flatten)]
    cluster: Cluster,
    /// The topic; made with one partition if it is not there, but not on a cluster.
    topic: String,
    /// The file; - is the standard input.
    #[arg(default_value = "-")]
    file: String,
    /// What stands between key and value in a line; \t, \n, \xNN as in formats.
    #[arg(short = 'K', long, value_name = "DELIMITER", conflicts_with = "key", value_parser = format::delimiter)]
    key_delimiter: Option<Bytes>,
    /// The key of all lines.
    #[arg(short, long)]
    key: Option<String>,
    /// A header of all records; may be said several times.
    #[arg(short = 'H', long = "header", value_name = "NAME=VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The partition; else by key, or in turn where there is none.
    #[arg(short, long)]
    partition: Option<i32>,
    /// The timestamp of all records: milliseconds or RFC 3339; else the time at which they are read.
    #[arg(short = 'T', long, value_parser = timestamp, allow_negative_numbers = true)]
    timestamp: Option<Timestamp>,
    /// An empty value is null.
    #[arg(short = 'Z', long)]
    null: bool,
}

/// Bytes of an argument: a name of its own, because clap takes a vector for a repeated argument.
type Bytes = Vec<u8>;

fn header(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or_else(|| format!("MS-C009: {text:?} is no header; write NAME=VALUE"))?;
    Ok((name.into(), value.into()))
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    time::parse(text).filter(|time| *time >= 0).ok_or_else(|| {
        format!("MS-C009: {text:?} is no time; write milliseconds since 1970, or a time such as 2026-01-31T12:00:00Z")
    })
}

impl Produce {
    pub(super) fn run(self, data: &Path) -> Result<(), Error> {
        let topic = legal(&self.topic)?;
        let source = Source::open(&self.file)?;
        let mut place = Place::make(&self.cluster, data)?;
        // On a cluster a name with a slip would make a topic that others see.
        let must_be_there = place.is_cluster();
        let log = place.log()?;
        let partitions = if must_be_there { existing(log, &self.topic)?.partitions } else { log.partitions(&topic)? };
        if let Some(partition) = self.partition.filter(|partition| !(0..partitions).contains(partition)) {
            let what = format!("there is no partition {partition} in {topic}");
            return Err(Error::usage("MS-C008", what, format!("name one from 0 to {}", partitions - 1)));
        }
        let list = self.headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes())));
        let shape = Shape {
            delimiter: self.key_delimiter,
            key: self.key.map(String::into_bytes),
            headers: headers::encode(list),
            partition: self.partition.map(Partition::new),
            timestamp: self.timestamp,
            empty_is_null: self.null,
        };
        let appended = feed(log, &topic, partitions, source, &shape).map_err(|error| match error {
            Error::Run(RunError::Transport(TransportError::InDoubt(why))) => {
                Error::failed("MS-C020", why, "mend it, and append what is missing: other lines may have been appended")
            }
            other => other,
        })?;
        if std::io::stderr().is_terminal() {
            eprintln!("appended {appended} records to {topic}");
        }
        Ok(())
    }
}
