//! `topic list`, `create`, `describe`, `delete`.

use super::place::Place;
use super::{existing, legal, shown};
use crate::cli::cluster::Cluster;
use crate::cli::out::{Error, print, table};
use crate::record::{PARTITIONS_MAX, partitions};
use crate::topology::duration;
use crate::transport::{Admin, Cleanup, TopicSpec, Transport, TransportError};
use clap::Args;
use serde_json::json;
use std::path::Path;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream topic create orders --partitions 4 --retention 7d
  millstream topic create profiles --compact --kafka localhost:9092     as many replicas as the brokers make unasked")]
pub(in crate::cli) struct Create {
    #[command(flatten)]
    cluster: Cluster,
    /// The topic.
    topic: String,
    /// Number of partitions.
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=i64::from(PARTITIONS_MAX)))]
    partitions: i32,
    /// Keep the last record of every key, not records of a time.
    #[arg(long)]
    compact: bool,
    /// How long records are kept, such as 7d, 12h or 30m; for ever if it is not said.
    #[arg(long, value_name = "DURATION")]
    retention: Option<String>,
    /// Bytes that a partition keeps; without bound if it is not said.
    #[arg(long, value_name = "BYTES")]
    retention_bytes: Option<u64>,
}

impl Create {
    pub(super) fn run(self, data: &Path) -> Result<(), Error> {
        let name = legal(&self.topic)?;
        let mut place = Place::make(&self.cluster, data)?;
        let log = place.log()?;
        if let Some(spec) = log.topic(&name)? {
            let what = format!("topic {:?} is there already, with {}", self.topic, partitions(spec.partitions));
            return Err(Error::failed("MS-C017", what, "choose another name"));
        }
        let retention = self.retention.map(|text| {
            duration(&text).ok_or_else(|| {
                Error::usage("MS-C009", format!("{text:?} is no duration"), "write 7d, 12h, 30m, 10s or 100ms")
            })
        });
        let cleanup = if self.compact { Cleanup::Compact } else { Cleanup::Delete };
        let retention = retention.transpose()?;
        let spec = TopicSpec {
            cleanup,
            retention,
            retention_bytes: self.retention_bytes,
            ..TopicSpec::new(name, self.partitions)
        };
        log.create_topic(&spec)?;
        print(&format!("made {} with {}\n", self.topic, partitions(self.partitions)));
        Ok(())
    }
}

/// Records of a topic's partitions: first offset and the one after the last.
fn bounds(log: &mut dyn Transport, spec: &TopicSpec) -> Result<Vec<(i32, i64, i64)>, TransportError> {
    let one = |partition: crate::record::TopicPartition| {
        let (start, end) = log.bounds(&partition)?;
        Ok((partition.partition.get(), start.get(), end.get()))
    };
    spec.all_partitions().map(one).collect()
}

pub(super) fn list(log: &mut dyn Transport, as_json: bool) -> Result<(), Error> {
    let mut rows = vec![["TOPIC", "PARTITIONS", "RECORDS"].map(String::from).to_vec()];
    for spec in shown(log)? {
        let records: i64 = bounds(log, &spec)?.iter().map(|(_, start, end)| end - start).sum();
        if as_json {
            let line = json!({ "topic": spec.name.as_str(), "partitions": spec.partitions, "records": records });
            print(&format!("{line}\n"));
        }
        rows.push(vec![spec.name.to_string(), spec.partitions.to_string(), records.to_string()]);
    }
    if !as_json {
        print(&table(&rows));
    }
    Ok(())
}

pub(super) fn describe(log: &mut dyn Transport, topic: &str, as_json: bool) -> Result<(), Error> {
    let spec = existing(log, topic)?;
    let bounds = bounds(log, &spec)?;
    let cleanup = spec.cleanup.name();
    if as_json {
        let partitions: Vec<_> = bounds
            .iter()
            .map(|(partition, start, end)| json!({ "partition": partition, "start": start, "end": end }))
            .collect();
        let about = json!({
            "topic": topic, "cleanup.policy": cleanup, "retention.ms": spec.retention.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            "retention.bytes": spec.retention_bytes, "partitions": partitions,
        });
        print(&format!("{about}\n"));
        return Ok(());
    }
    let or_ever = |text: Option<String>| text.unwrap_or_else(|| "unlimited".into());
    print(&table(&[
        vec!["topic".into(), topic.into()],
        vec!["cleanup.policy".into(), cleanup.into()],
        vec!["retention.ms".into(), or_ever(spec.retention.map(|time| time.as_millis().to_string()))],
        vec!["retention.bytes".into(), or_ever(spec.retention_bytes.map(|bytes| bytes.to_string()))],
    ]));
    let mut rows = vec![["PARTITION", "START", "END", "RECORDS"].map(String::from).to_vec()];
    rows.extend(bounds.iter().map(|(partition, start, end)| {
        vec![partition.to_string(), start.to_string(), end.to_string(), (end - start).to_string()]
    }));
    print(&format!("\n{}", table(&rows)));
    Ok(())
}

pub(super) fn delete(log: &mut dyn Admin, topics: &[String], really: bool) -> Result<(), Error> {
    // All are looked up before the first one goes.
    let specs = topics.iter().map(|topic| existing(log, topic)).collect::<Result<Vec<_>, _>>()?;
    for spec in &specs {
        let records: i64 = bounds(log, spec)?.iter().map(|(_, start, end)| end - start).sum();
        if really {
            log.delete_topic(&spec.name)?;
        }
        let what = if really { "deleted" } else { "would delete" };
        let records = if records == 1 { "1 record".into() } else { format!("{records} records") };
        print(&format!("{what} {} with {} and {records}\n", spec.name, partitions(spec.partitions)));
    }
    if !really {
        print("nothing was changed; --yes does it\n");
    }
    Ok(())
}
