//! Where an app runs: its data directory, and what carries its topics.

use super::local_state::LocalState;
use super::numbered::Numbered;
use super::{App, RunError, access, upkeep};
use crate::record::Topic;
use crate::store::{Db, Family, Writes};
use crate::task::TaskId;
use crate::transport::embedded::EmbeddedLog;
use crate::transport::kafka::{Kafka, Settings, Work};
use crate::transport::socket::Server;
use crate::transport::{Admin, Alone, Coordinator, Transport};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

/// Where the name of this directory's process is kept.
const INSTANCE: &[u8] = b"instance";

/// An open data directory and a connection to the topics.
pub struct Host {
    pub(super) db: Db,
    carrier: Carrier,
}

enum Carrier {
    Embedded(EmbeddedLog),
    Kafka(Kafka),
}

/// What a worker is given.
pub(super) type Equipment = (Box<dyn Transport>, Box<dyn Coordinator>);

impl Host {
    /// Topics and state in one directory. With `sync` a commit outlasts a loss of power.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub fn embedded(directory: &Path, sync: bool) -> Result<Self, RunError> {
        let (db, log) = open(directory, sync)?;
        Ok(Self::over(db, log))
    }

    /// The same, over a directory that is open.
    pub const fn over(db: Db, log: EmbeddedLog) -> Self {
        Self { db, carrier: Carrier::Embedded(log) }
    }

    /// State in a directory, topics on a cluster. `instance` tells this process from the app's others; none: a random
    /// name that the directory keeps.
    ///
    /// # Errors
    /// If the directory cannot be used, or no broker answers.
    pub fn kafka(directory: &Path, settings: Settings, app: &str, instance: Option<&str>) -> Result<Self, RunError> {
        let db = access::take(directory)?;
        let instance = instance.map_or_else(|| own_name(&db), |name| Ok(name.to_owned()))?;
        let kafka = Kafka::connect(settings, app, &instance, upkeep::now)?;
        Ok(Self { db, carrier: Carrier::Kafka(kafka) })
    }

    /// The topics of a cluster, for a command about them; `app` is whose offsets are moved by a reset.
    ///
    /// # Errors
    /// If no broker answers.
    pub fn cluster(settings: Settings, app: &str) -> Result<Box<dyn Admin>, RunError> {
        Ok(Box::new(Kafka::connect(settings, app, "cli", upkeep::now)?.tool()))
    }

    /// A connection for tools, apart from the workers'.
    pub fn log(&self) -> Box<dyn Transport> {
        match &self.carrier {
            Carrier::Embedded(log) => Box::new(log.clone()),
            Carrier::Kafka(kafka) => Box::new(kafka.tool()),
        }
    }

    /// What carries the topics, for people.
    pub fn carried_by(&self) -> String {
        match &self.carrier {
            Carrier::Embedded(_) => "the embedded log".into(),
            Carrier::Kafka(kafka) => format!("kafka {} as {}", kafka.bootstrap(), kafka.instance()),
        }
    }

    /// The embedded log; none on a cluster.
    pub(super) const fn embedded_log(&self) -> Option<&EmbeddedLog> {
        match &self.carrier {
            Carrier::Embedded(log) => Some(log),
            Carrier::Kafka(_) => None,
        }
    }

    /// The cluster; none on the embedded log.
    pub(super) const fn cluster_of(&self) -> Option<&Kafka> {
        match &self.carrier {
            Carrier::Embedded(_) => None,
            Carrier::Kafka(kafka) => Some(kafka),
        }
    }

    /// Lets tools look in while the app runs. The app itself needs no socket: without it goes on.
    pub(super) fn serve(&self) -> Option<Server> {
        let served = match &self.carrier {
            Carrier::Embedded(log) => Server::start(&self.db, log),
            // It has no topics, and the stores are all the same.
            Carrier::Kafka(_) => Server::start(&self.db, &EmbeddedLog::open(self.db.clone(), false).ok()?),
        };
        served
            .inspect_err(|error| tracing::warn!("no socket for topic and state commands beside this host: {error}"))
            .ok()
    }

    /// What each of so many workers works with, where these are the tasks.
    pub(super) fn equip(&self, app: &App, workers: usize, ids: &[TaskId]) -> Result<Vec<Equipment>, RunError> {
        let tasks = ids.len();
        match &self.carrier {
            Carrier::Embedded(log) => {
                let own = |number| Alone::new((0..tasks).filter(|task| task % workers == number).collect());
                let equip = |number| -> Equipment { (Box::new(log.clone()), Box::new(own(number))) };
                Ok((0..workers).map(equip).collect())
            }
            Carrier::Kafka(kafka) => {
                let exactly_once = app.manifest.settings.exactly_once;
                let state = LocalState::of(app, &self.db, ids);
                let work = Work { workers, tasks: app.task_topic(), state, exactly_once };
                let equip = |(transport, membership)| -> Equipment {
                    (Box::new(transport), Box::new(Numbered { membership, tasks }))
                };
                Ok(kafka.workers(&work, &self.db)?.into_iter().map(equip).collect())
            }
        }
    }
}

impl App {
    /// The topic by which the processes of the app share its tasks.
    pub(super) fn task_topic(&self) -> Topic {
        Topic::new(&format!("{}-tasks", self.manifest.app))
    }
}

/// The name that the directory keeps.
fn own_name(db: &Db) -> Result<String, RunError> {
    if let Some(name) = db.get(Family::Meta, INSTANCE)? {
        return Ok(String::from_utf8_lossy(&name).into_owned());
    }
    let name = format!("{:08x}", RandomState::new().hash_one(std::process::id()) >> 32);
    let mut writes = Writes::default();
    writes.put(Family::Meta, INSTANCE, name.as_bytes());
    db.apply(&writes, true)?;
    Ok(name)
}

/// Opens a data directory and its log.
///
/// # Errors
/// See [`RunError`].
pub fn open(directory: &Path, sync: bool) -> Result<(Db, EmbeddedLog), RunError> {
    let db = access::take(directory)?;
    let log = EmbeddedLog::open(db.clone(), sync)?;
    Ok((db, log))
}
