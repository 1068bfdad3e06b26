//! Why an app cannot run, or stopped.

use crate::operator::Stop;
use crate::plugin::AdmissionError;
use crate::record::{Topic, TopicPartition, partitions};
use crate::store::StoreError;
use crate::transport::TransportError;
use std::path::PathBuf;

/// What became of what was under way.
const TAKEN_BACK: &str = "nothing of the open transaction was committed, and it will be processed again";

/// Why an app cannot run, as text for people.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read.
    #[error("MS-R001: {path:?} cannot be read: {error}; name another with --manifest, or begin with millstream new")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The manifest does not make sense.
    #[error("{0}")]
    Manifest(String),
    /// The manifest makes sense, and plugins that it names may not run.
    #[error("{0}")]
    Plugins(String),
    /// A plugin may not run.
    #[error("plugin {name:?}: {error}")]
    Plugin {
        /// Its name in the manifest.
        name: String,
        /// Why.
        error: AdmissionError,
    },
    /// The data directory cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error("MS-R002: {0}")]
    Transport(#[from] TransportError),
    /// Processing stopped.
    #[error(
        "MS-R003: {0}; {TAKEN_BACK}; run again, but without --input if its file was read to the end: it would be appended once more"
    )]
    Stopped(String),
    /// Processing stopped for a reason that has a code of its own and says what helps, at its end.
    #[error("{0}")]
    Coded(String),
    /// Processing stopped at a record, as the node's policy says.
    #[error(
        "MS-R003: {0}; mend the plugin, or set on-error = \"skip\" or \"dead-letter\" at the node: nothing of the open transaction was committed, and the record will be processed again at the next run (without --input if its file was read to the end: it would be appended once more)"
    )]
    Record(String),
    /// Nothing says where to begin.
    #[error(
        "MS-R005: nothing was committed for {partition}, and auto-offset-reset is \"none\"; set it to \"earliest\" or \"latest\" under [guarantee]"
    )]
    NoOffset {
        /// The partition.
        partition: TopicPartition,
    },
    /// The manifest sets up a topic that the app makes for itself.
    #[error("MS-R008: topic {0} is one that the app makes for itself; take [topic.{0}] out of the manifest")]
    Internal(Topic),
    /// A topic was made with another number of partitions.
    #[error(
        "MS-R009: topic {topic} has {} and cannot get others, but {wanted} are wanted; say {there} in the manifest, or name a topic that is not there yet",
        partitions(*.there)
    )]
    Partitions {
        /// The topic.
        topic: Topic,
        /// Its partitions.
        there: i32,
        /// What the manifest or the topics that are read ask for.
        wanted: i32,
    },
    /// A store was written by another op, or by another layout of states.
    #[error(
        "MS-R010: store {store:?} holds values of {was:?}, which would be misread as {now:?}; go back to what wrote them, name another store, or delete them, in the changelog too, with millstream state reset {store} --yes (on a cluster, with all else that the app made, with millstream reset)"
    )]
    Layout {
        /// The store.
        store: String,
        /// What its values are.
        was: String,
        /// What the app takes them for.
        now: String,
    },
    /// Topics that others are to make are not there: the first, and further ones.
    #[error(
        "MS-R011: there is no topic {0}{more}; make {it} (millstream topic create {0} --partitions 1 --kafka BROKERS{likewise}), or have the app make {it} by two lines in the manifest{for_each}, [topic.{0}] and partitions = 1, with as many partitions as it should have",
        more = .1.iter().map(|topic| format!(", nor {topic}")).collect::<String>(),
        it = if .1.is_empty() { "it" } else { "them" },
        likewise = if .1.is_empty() { "" } else { ", and the others likewise" },
        for_each = if .1.is_empty() { "" } else { " for each" },
    )]
    NoTopic(Topic, Vec<Topic>),
    /// An internal topic is kept in a way that loses what the app needs.
    #[error(
        "MS-R012: topic {topic} has {there}, and would lose what the app needs; set {wanted} by kafka-configs.sh --alter, or take another app name"
    )]
    Cleanup {
        /// The topic.
        topic: Topic,
        /// The setting that it has.
        there: String,
        /// The setting that it should have.
        wanted: String,
    },
    /// The group runs another topology.
    #[error(
        "MS-R013: other processes run another topology by the name of app {app}, {member} among them: here {differences}; end them all first (one that was killed counts until its session-timeout), or give this app another name"
    )]
    Topology {
        /// The app.
        app: String,
        /// One of them.
        member: String,
        /// What is otherwise here.
        differences: String,
    },
    /// The topology that ran before left records between its tasks that this one would never read, or misread.
    #[error(
        "MS-R014: topic {topic} holds up to {records} records that were not processed: the topology that ran before took them for {was}, and this one {now}; run the manifest that wrote them with --until-end first, or give them up and begin anew with millstream reset"
    )]
    Between {
        /// The topic.
        topic: Topic,
        /// Offsets that were not processed: so many records at most.
        records: u64,
        /// What they were taken for.
        was: String,
        /// What this topology does with them.
        now: String,
    },
    /// The app's state came from a cluster's topics, and the run is on the embedded log, or the other way round.
    #[error(
        "MS-R016: the state of app {app} in this data directory is of a run on {}",
        if *.cluster {
            "a Kafka cluster, and would be taken for that of the embedded log; say --kafka, take another --data-dir, or give the state up with millstream reset"
        } else {
            "the embedded log, and would be lost or taken for the cluster's; take another --data-dir for the cluster, or run without --kafka, --config and their variables"
        }
    )]
    Carrier {
        /// The app.
        app: String,
        /// Whether it is a cluster's.
        cluster: bool,
    },
    /// A topic got partitions while the app ran.
    #[error("MS-R015: topic {topic} has {} and had {was} when this run began; {remedy}", partitions(*.now))]
    Grown {
        /// The topic.
        topic: Topic,
        /// Its partitions when the run began.
        was: i32,
        /// Its partitions now.
        now: i32,
        /// What to do.
        remedy: &'static str,
    },
    /// A topic was deleted while the app ran on it.
    #[error(
        "MS-R017: topic {0} is not there any more, or not with all of its partitions, as if it had been deleted while the app ran; what was not committed is processed at the next run; make the topic again, with as many partitions as it had, and run again"
    )]
    Deleted(Topic),
    /// A worker does not come back from what it does.
    #[error(
        "MS-R018: worker {worker} has not come back from its work for {for_s} s and holds its tasks, so this process ends, for others to go on with them; what was not committed is processed again; see what it waits for, such as a disk or a loop in a trusted plugin, and run again, or raise max.poll.interval.ms where its work may take so long"
    )]
    Stuck {
        /// Its number.
        worker: usize,
        /// For how long it has been away, seconds.
        for_s: u64,
    },
    /// Another form of the app wrote records between its tasks that this one would never read.
    #[error(
        "MS-R030: topic {topic} holds up to {records} records that were not processed, and counts that hand on another way (emit) read {now} instead; run the manifest that wrote them with --until-end first, or give them up by deleting that topic (on the embedded log with millstream topic delete {topic} --yes)"
    )]
    LeftOver {
        /// The topic.
        topic: Topic,
        /// Offsets that were not processed: so many records at most.
        records: u64,
        /// What is read in its place.
        now: Topic,
    },
    /// Source topics that belong together differ in partitions.
    #[error(
        "MS-R004: topics {left} and {right} are read together but have {left_count} and {right_count} partitions; give them the same number"
    )]
    Copartition {
        /// One topic.
        left: Topic,
        /// Another.
        right: Topic,
        /// Its partitions.
        left_count: i32,
        /// Its partitions.
        right_count: i32,
    },
    /// An input is named that the app does not read.
    #[error("MS-R021: app {app} reads no topic {topic}; {reads}")]
    NoInput {
        /// The app.
        app: String,
        /// What was named.
        topic: Topic,
        /// What it reads.
        reads: String,
    },
    /// Somebody is at work in a group that is to be reset.
    #[error("MS-R022: group {group} has {count} active members, {first} among them; stop them all first")]
    Busy {
        /// The group.
        group: String,
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// A reset was begun and not finished.
    #[error("MS-R023: a reset of app {app} was begun and not finished; finish it with millstream reset --yes{by}")]
    HalfReset {
        /// The app.
        app: String,
        /// What names the cluster on the command line, if it was one.
        by: &'static str,
    },
    /// A host runs on the data directory, and what is asked for needs it alone.
    #[error("MS-R024: a host runs on the data directory {0:?}; stop it first")]
    HostRuns(PathBuf),
}

/// Why processing stopped, with its remedy.
impl From<Stop> for RunError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Record { .. } => Self::Record(stop.to_string()),
            Stop::Transport(TransportError::Unknown(partition)) => Self::Deleted(partition.topic),
            Stop::Opening(error) => match error.downcast::<Self>() {
                Ok(error) => *error,
                Err(error) => stopped(error.to_string()),
            },
            other => stopped(other.to_string()),
        }
    }
}

/// What has a code of its own keeps it, and its remedy is the last word.
fn stopped(why: String) -> RunError {
    match why.rsplit_once("; ").filter(|_| why.starts_with("MS-")) {
        Some((what, remedy)) => RunError::Coded(format!("{what}; {TAKEN_BACK}; {remedy}")),
        None => RunError::Stopped(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TransportError;

    #[test]
    fn what_stopped_has_one_code_and_the_remedy_that_helps() {
        let told = |why: &str| RunError::from(Stop::Transport(TransportError::Refused(why.into()))).to_string();
        let coded = "MS-T020: refused: no; nothing of the open transaction was committed, and it will be processed again; grant it";
        assert_eq!(told("MS-T020: refused: no; grant it"), coded);
        assert!(told("gone").starts_with("MS-R003: gone; nothing of the open transaction was committed"));
    }
}
