//! `reset`.

use super::Manifest;
use super::cluster::Cluster;
use super::out::{Error, colours, print, table};
use crate::record::{Offset, Topic, TopicPartition, time};
use crate::run::{App, AppParts, AppReset, Host, ResetTo, RunError, holds_embedded_state, open};
use crate::store::{Db, must_hold_data};
use crate::topology::duration;
use crate::transport::Admin;
use clap::Args;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Make an app begin anew: its input is read again, and what it made for itself is deleted.
///
/// Without --yes it only says what it would do. Offsets of its inputs are set, its changelogs, repartition topics and
/// local stores are deleted. Topics that it reads and writes keep their records: what it wrote before stays there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  millstream reset                               says what would be done for the app of millstream.toml
  millstream reset --yes                         does it: all input is processed again
  millstream reset orders --yes                  the same for an app of which only the name is known
  millstream reset --kafka localhost:9092        on a cluster, and the state in this data directory
  millstream reset --to-datetime 2026-01-31      input from that day on
  millstream reset --shift-by -100 --input-topics lines")]
pub(super) struct Reset {
    #[command(flatten)]
    manifest: Manifest,
    /// The app's name, where its manifest is not at hand: its topics are then found by their names.
    #[arg(conflicts_with = "path")]
    app: Option<String>,
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    to: To,
    /// Only these of the topics that it reads.
    #[arg(long, value_name = "TOPIC", value_delimiter = ',')]
    input_topics: Vec<String>,
    /// Do it, instead of saying what would be done.
    #[arg(long)]
    yes: bool,
}

/// Where input is read on.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct To {
    /// Read on at the first record that is there; the default.
    #[arg(long)]
    to_earliest: bool,
    /// Read on at the next record that comes.
    #[arg(long)]
    to_latest: bool,
    /// Read on at this offset.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// Read on so many records after where it was, or before with a minus.
    #[arg(long, value_name = "RECORDS", allow_hyphen_values = true)]
    shift_by: Option<i64>,
    /// Read on at the first record of this time or later, such as 2026-01-31T12:00:00Z or milliseconds.
    #[arg(long, value_name = "TIME")]
    to_datetime: Option<String>,
    /// Read on at the first record that is no older, such as 2h or 7d.
    #[arg(long, value_name = "DURATION")]
    by_duration: Option<String>,
}

impl Reset {
    pub(super) fn run(self, data: &Path) -> Result<(), Error> {
        let to = self.to.read()?;
        let outline = |manifest: &Manifest| App::outline(&manifest.path, colours());
        let outlined = if self.app.is_none() { Some(outline(&self.manifest)?) } else { None };
        let name = outlined.as_ref().map(|app| app.manifest.app.clone()).or_else(|| self.app.clone());
        let name = name.unwrap_or_default();
        let Place { db, mut log, told: place } = self.open(data, &name)?;
        let (log, db) = (log.as_mut(), db.as_ref());
        let mut parts = match &outlined {
            Some(app) => AppParts::of(app),
            None => AppParts::named(&name, log)?,
        };
        if !self.input_topics.is_empty() {
            parts.only(&self.input_topics.iter().map(|topic| Topic::new(topic)).collect::<Vec<_>>())?;
        }
        let reset = parts.survey(to, log, db)?;
        print(&told(&reset));
        if reset == AppReset::default() {
            let what = format!("nothing is known of app {:?} {place}", parts.app);
            return Err(Error::failed(
                "MS-C018",
                what,
                "name another app, or another place with --data-dir or --kafka",
            ));
        }
        if self.yes {
            parts.carry_out(&reset, log, db)?;
            print("done\n");
        } else {
            print("nothing was changed; --yes does it\n");
        }
        Ok(())
    }
}

/// Where an app is reset.
struct Place {
    /// The data directory; on a cluster it may be missing.
    db: Option<Db>,
    log: Box<dyn Admin>,
    /// Where both are, in words.
    told: String,
}

impl Reset {
    fn open(&self, data: &Path, app: &str) -> Result<Place, Error> {
        match self.cluster.kafka()? {
            None => {
                must_hold_data(data)?;
                let (db, log) = open(data, true)?;
                Ok(Place { db: Some(db), log: Box::new(log), told: format!("in {data:?}") })
            }
            Some((settings, _)) => {
                let db = must_hold_data(data).is_ok().then(|| open(data, true)).transpose()?.map(|(db, _)| db);
                // The embedded log goes on where that state is.
                let other =
                    db.as_ref().map_or(Ok(false), |db| holds_embedded_state(db, app)).map_err(RunError::from)?;
                if other {
                    print(&format!("what lies in {data:?} is of runs on the embedded log, and stays\n"));
                }
                let told = format!("on {} or in {data:?}", settings.bootstrap);
                Ok(Place { db: db.filter(|_| !other), log: Host::cluster(settings, app)?, told })
            }
        }
    }
}

impl To {
    fn read(&self) -> Result<ResetTo, Error> {
        if let Some(text) = &self.to_datetime {
            let wrong = || {
                Error::usage("MS-C009", format!("{text:?} is no time"), "write 2026-01-31T12:00:00Z or milliseconds")
            };
            return time::parse(text).map(ResetTo::Since).ok_or_else(wrong);
        }
        if let Some(text) = &self.by_duration {
            let wrong =
                || Error::usage("MS-C009", format!("{text:?} is no duration"), "write 7d, 12h, 30m, 10s or 100ms");
            let age = duration(text).ok_or_else(wrong)?;
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(age);
            return Ok(ResetTo::Since(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
        }
        Ok(match (self.to_latest, self.to_offset, self.shift_by) {
            (true, ..) => ResetTo::Latest,
            (_, Some(offset), _) => ResetTo::Offset(Offset::new(offset)),
            (.., Some(records)) => ResetTo::Shift(records),
            _ => ResetTo::Earliest,
        })
    }
}

/// A reset as tables.
fn told(reset: &AppReset) -> String {
    let mut text = String::new();
    let mut add = |head: [&str; 4], rows: Vec<[String; 4]>| {
        if !rows.is_empty() {
            let rows = std::iter::once(head.map(String::from)).chain(rows);
            text.push_str(&table(&rows.map(|row| row.to_vec()).collect::<Vec<_>>()));
            text.push('\n');
        }
    };
    let offset = |(partition, was, next): &(TopicPartition, Option<Offset>, Offset)| {
        let was = was.map_or_else(|| "-".into(), |was| was.to_string());
        [partition.topic.to_string(), partition.partition.to_string(), was, next.to_string()]
    };
    add(["INPUT", "PARTITION", "COMMITTED", "NEW"], reset.offsets.iter().map(offset).collect());
    let row = |name: &str, count: u64| [name.to_owned(), count.to_string(), String::new(), String::new()];
    let topics = reset.topics.iter().map(|(topic, records)| row(topic.as_str(), *records));
    add(["TOPIC TO DELETE", "RECORDS", "", ""], topics.collect());
    add(["STORE TO DELETE", "ROWS", "", ""], reset.stores.iter().map(|(store, rows)| row(store, *rows)).collect());
    text
}
