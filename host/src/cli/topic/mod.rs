//! `topic list`, `create`, `describe`, `delete`, `produce`, `consume`.

mod consume;
pub(super) mod format;
mod manage;
pub(super) mod notation;
mod place;
mod position;
mod produce;

use super::cluster::Cluster;
use super::out::Error;
use crate::record::Topic;
use crate::transport::{TopicSpec, Transport, TransportError, Truth};
use clap::Subcommand;
use place::Place;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List topics with their partitions and number of records; on a cluster without Kafka's own (__consumer_offsets and
    /// the like), and with the ends of transactions among the records.
    #[command(after_help = "\
Examples:
  millstream topic list
  millstream topic list --kafka localhost:9092
  millstream topic list --config host.toml       a cluster that asks who is there")]
    List {
        #[command(flatten)]
        cluster: Cluster,
        /// JSON, one topic a line.
        #[arg(long)]
        json: bool,
    },
    /// Make a topic.
    Create(manage::Create),
    /// Show a topic's partitions and how it is kept.
    #[command(after_help = "\
Examples:
  millstream topic describe orders
  millstream topic describe orders --kafka localhost:9092 --json")]
    Describe {
        #[command(flatten)]
        cluster: Cluster,
        /// The topic.
        topic: String,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete topics with their records, and what apps have committed for them.
    #[command(after_help = "\
Examples:
  millstream topic delete orders shipments             says what would be deleted
  millstream topic delete orders shipments --yes
  millstream topic delete orders --kafka localhost:9092 --yes")]
    Delete {
        #[command(flatten)]
        cluster: Cluster,
        /// The topics.
        #[arg(required = true)]
        topics: Vec<String>,
        /// Do it, instead of saying what would be done.
        #[arg(long)]
        yes: bool,
    },
    Produce(produce::Produce),
    Consume(consume::Consume),
}

impl Command {
    pub(super) fn run(self, data: &Path) -> Result<(), Error> {
        match self {
            Self::List { cluster, json } => manage::list(Place::open(&cluster, data)?.log()?, json),
            Self::Create(create) => create.run(data),
            Self::Describe { cluster, topic, json } => {
                manage::describe(Place::open(&cluster, data)?.log()?, &topic, json)
            }
            Self::Delete { cluster, topics, yes } => {
                manage::delete(Place::open(&cluster, data)?.admin()?, &topics, yes)
            }
            Self::Produce(produce) => produce.run(data),
            Self::Consume(consume) => consume.run(data),
        }
    }
}

/// What the names of Kafka's own topics begin with.
const INTERNAL: &str = "__";

/// All topics but Kafka's own, which only a cluster has.
fn shown(log: &mut dyn Transport) -> Result<Vec<TopicSpec>, TransportError> {
    let on_cluster = log.truth() == Truth::Changelog;
    let mut specs = log.topics()?;
    specs.retain(|spec| !(on_cluster && spec.name.as_str().starts_with(INTERNAL)));
    Ok(specs)
}

/// A topic that must be there.
fn existing(log: &mut dyn Transport, name: &str) -> Result<TopicSpec, Error> {
    if let Some(spec) = log.topic(&Topic::new(name))? {
        return Ok(spec);
    }
    let names: Vec<String> = shown(log)?.iter().map(|spec| spec.name.to_string()).collect();
    let near = super::nearest(name, &names);
    let remedy = if names.is_empty() {
        "no topic is there; is it the right place (--data-dir or --kafka)?".into()
    } else {
        near
    };
    Err(Error::failed("MS-C003", format!("there is no topic {name:?}"), remedy))
}

/// A name that a new topic may have.
fn legal(name: &str) -> Result<Topic, Error> {
    if Topic::is_legal(name) {
        return Ok(Topic::new(name));
    }
    let remedy = "write 1 to 249 letters, digits, '.', '_' and '-'";
    Err(Error::usage("MS-C011", format!("{name:?} is no name for a topic"), remedy))
}
