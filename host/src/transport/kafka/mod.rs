//! A Kafka cluster as transport. The only room that knows the crate `rdkafka`.
//!
//! Each worker has three clients: a member of the group ([`Membership`]), a reader to which partitions are assigned by
//! hand, and a producer. What its tasks did between two commits is one transaction of the producer, with the inputs'
//! offsets under the membership of the time when they were read; local state follows once the transaction is committed.

mod admin;
mod appender;
mod assignor;
#[cfg(test)]
mod assignor_tests;
mod checkpoint;
mod clients;
mod context;
mod ending;
mod ends;
mod entrance;
mod ffi;
mod ffi_assignor;
mod ffi_client;
mod ffi_groups;
mod ffi_leaders;
mod ffi_log;
mod ffi_queue;
mod ffi_token;
mod ffi_topics;
mod groups;
mod guard;
mod inquirer;
mod limits;
mod link;
mod membership;
mod oauth;
mod offsets;
mod outputs;
mod placement;
mod positions;
mod reader;
mod settings;
mod slots;
mod topics;
mod transactions;
#[cfg(test)]
mod transactions_tests;
mod transport;
mod wake;
mod writer;

pub use checkpoint::position;
pub use membership::Membership;
pub use oauth::TokenSource;
pub use settings::{Settings, against};
pub use transport::KafkaTransport;

use super::{Member, TransportError};
use crate::record::{Timestamp, Topic, TopicPartition};
use crate::store::Db;
use ffi_assignor::Told;
use ffi_groups::GroupMember;
use link::{ANSWER, Link, MEMBERS};
use membership::Copies;
use placement::{Placement, Process};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Time between two looks at what came to the clients that nobody reads by.
const SERVE: Duration = Duration::from_millis(200);

/// A process's connection to a cluster; clones share it.
#[derive(Clone)]
pub struct Kafka {
    link: Arc<Link>,
    /// What tells this process's members and transactions from others': kept with its data.
    instance: String,
}

/// What an app's workers work with, and on what.
#[derive(Clone, Debug)]
pub struct Work {
    /// How many workers there are.
    pub workers: usize,
    /// The topic by which tasks are shared.
    pub tasks: Topic,
    /// The state that lies here; none where no task has a store that is restored from a changelog.
    pub state: Option<Arc<dyn LocalState>>,
    /// Whether outputs, offsets and changelogs are one transaction.
    pub exactly_once: bool,
}

/// What lies here of the state of an app's tasks: where most of it lies a task goes.
pub trait LocalState: Debug + Send + Sync {
    /// By the number of each task that has stores with changelogs: the offsets up to which what lies here agrees with these,
    /// summed; 0 if nothing does.
    fn positions(&self) -> BTreeMap<usize, u64>;

    /// The tasks that have such stores.
    fn stateful(&self) -> BTreeSet<usize>;
}

impl Kafka {
    /// Connects to a cluster for an app. `now` is the wall clock, milliseconds since the epoch.
    ///
    /// # Errors
    /// If the settings are refused, or no broker answers.
    pub fn connect(
        settings: Settings,
        app: &str,
        instance: &str,
        now: fn() -> Timestamp,
    ) -> Result<Self, TransportError> {
        let bootstrap = settings.bootstrap.clone();
        let link = Link::new(settings, app, now)?;
        link.reach().map_err(|error| unreached(&bootstrap, &error, link.take_trouble()))?;
        let link = Arc::new(link);
        let served = Arc::downgrade(&link);
        let serve = std::thread::Builder::new().name("kafka-events".into()).spawn(move || {
            while let Some(link) = served.upgrade() {
                link.serve();
                drop(link);
                std::thread::sleep(SERVE);
            }
        });
        serve.map_err(|error| TransportError::Retry(error.to_string()))?;
        Ok(Self { link, instance: instance.into() })
    }

    /// The transport of a tool: it reads, and appends outside of transactions.
    pub fn tool(&self) -> KafkaTransport {
        KafkaTransport::tool(Arc::clone(&self.link), format!("{}-{}-tool", self.link.group, self.instance))
    }

    /// The same, for questions that keep a worker from its tasks.
    pub fn hurried_tool(&self) -> KafkaTransport {
        self.tool().hurried()
    }

    /// The brokers that it was told of.
    pub fn bootstrap(&self) -> &str {
        &self.link.clients.settings.bootstrap
    }

    /// How long a worker may be without a look at its membership before it is taken for stuck.
    pub fn poll_interval(&self) -> Duration {
        self.link.clients.settings.poll_interval()
    }

    /// What tells this process from the app's others.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The members of the group that belong to other processes, each by its process's name; a worker in a `hurry` waits for
    /// them no longer than for other answers.
    ///
    /// # Errors
    /// If the group does not answer.
    pub fn others(&self, hurry: bool) -> Result<Vec<Member>, TransportError> {
        let group = &self.link.group;
        let members = self.link.members(group, if hurry { MEMBERS } else { ANSWER })?.into_iter();
        let members = members.map(|GroupMember { client, host, .. }| {
            let name = placement::instance_of(&client, group).to_owned();
            Member { name, host }
        });
        Ok(members.filter(|member| member.name != self.instance).collect())
    }

    /// Gives a topic that is there so many partitions, if it has fewer.
    ///
    /// # Errors
    /// If the brokers refuse.
    pub fn widen(&self, topic: &Topic, partitions: i32) -> Result<(), TransportError> {
        self.link.widen_topic(topic, partitions)
    }

    /// What each worker works with: its transport, whose transactions change the state in `db`, and its membership.
    ///
    /// # Errors
    /// If the settings are refused.
    pub fn workers(&self, work: &Work, db: &Db) -> Result<Vec<(KafkaTransport, Membership)>, TransportError> {
        let state = work.state.as_ref().map(|state| (state, self.place_copies(work.workers, state)));
        let worker = |number| {
            let name = format!("{}-{}-{number}", self.link.group, self.instance);
            let copies = |(state, placement): &(&Arc<dyn LocalState>, Arc<Placement>)| {
                Copies::new(Arc::clone(placement), number, Arc::clone(state))
            };
            let copies = state.as_ref().map(copies);
            let membership = Membership::new(&self.link, &name, &work.tasks, told(work), copies)?;
            let (link, client) = (Arc::clone(&self.link), membership.client());
            Ok((KafkaTransport::worker(link, name, db.clone(), work.exactly_once, client), membership))
        };
        (0..work.workers).map(worker).collect()
    }

    fn place_copies(&self, workers: usize, state: &Arc<dyn LocalState>) -> Arc<Placement> {
        let Settings { standby: copies, acceptable_recovery_lag: acceptable, .. } = self.link.clients.settings;
        let (instance, state) = (self.instance.clone(), Arc::downgrade(state));
        Placement::follow(&self.link, Process { instance, workers, copies, acceptable, state })
    }
}

/// What a worker tells the group of what lies here. Each tells all: they need not come at the same moment.
fn told(work: &Work) -> Told {
    let state = work.state.as_ref().map(Arc::downgrade);
    Box::new(move || {
        let state = state.as_ref().and_then(Weak::upgrade);
        state.map(|state| state.positions()).unwrap_or_default()
    })
}

/// What librdkafka says of a broker that names no mechanism by which it lets anybody in.
const NO_MECHANISM: &str = "supported mechanisms:  (";

/// Why no broker answers, as far as the client was told.
fn unreached(bootstrap: &str, error: &TransportError, trouble: Option<(RDKafkaErrorCode, String)>) -> TransportError {
    let (code, why) = match trouble {
        Some((code, why)) => (Some(code), why),
        None => (None, error.to_string()),
    };
    let (name, how, remedy) = match code {
        Some(RDKafkaErrorCode::Authentication) if why.contains(NO_MECHANISM) => {
            ("MS-T026", "lets us in", "this port takes no passwords: name another, or leave [transport.kafka.sasl] out")
        }
        Some(RDKafkaErrorCode::Authentication) => {
            ("MS-T026", "lets us in", "check mechanism, username and password, or the token")
        }
        Some(RDKafkaErrorCode::SSL) => {
            ("MS-T027", "lets us in", "check ca, certificate and key under [transport.kafka.tls]")
        }
        _ => ("MS-T024", "answers", "is the cluster up, is this its address, and does it speak TLS or SASL?"),
    };
    TransportError::Refused(format!("{name}: no broker of {bootstrap} {how}: {why}; {remedy}"))
}

/// What the app's user may not do with a partition: granting it helps, asking again does not.
fn forbidden(partition: &TopicPartition, why: &str, right: &str) -> TransportError {
    TransportError::Refused(format!("MS-T029: {partition} may not be read: {why}; grant the app's user {right}"))
}

/// A client that librdkafka does not make.
fn refused(error: &KafkaError) -> TransportError {
    TransportError::Refused(format!(
        "MS-T025: the Kafka client cannot be made: {error}; see the properties that are set for it"
    ))
}
