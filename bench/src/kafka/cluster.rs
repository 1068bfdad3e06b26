//! One broker for all runs, and its topics.

use super::client::{LIMIT, config};
use super::data::PARTITIONS;
use crate::Failure;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// What the broker is told beside what tests tell theirs: inputs carry old times and must stay, outputs go at once.
const SETTINGS: [&str; 4] = [
    "log.retention.ms=-1",
    "log.retention.check.interval.ms=1000",
    "log.segment.delete.delay.ms=1000",
    "log.cleaner.enable=false",
];

/// A broker that ends with this.
pub(super) struct Cluster {
    /// `bootstrap.servers`.
    pub(super) bootstrap: String,
    /// Who holds the broker, and where its data is; none for a broker that was there before.
    attendant: Option<(Child, TempDir)>,
}

impl Cluster {
    /// A broker that runs.
    pub(super) fn at(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.into(), attendant: None }
    }

    /// Starts one node.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) fn start(scripts: &Path, port: u16) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let mut command = Command::new(scripts.join("start"));
        command.args(["--attend", "--port", &port.to_string(), "--data"]).arg(directory.path().join("kafka"));
        command.args(SETTINGS.iter().flat_map(|setting| ["--set", setting]));
        command.env("KAFKA_JIT", "full").env("KAFKA_HEAP", "1g");
        let mut attendant = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut answer = String::new();
        let output = attendant.stdout.take().ok_or("the broker has no output")?;
        BufReader::new(output).read_line(&mut answer)?;
        let bootstrap = answer.trim().strip_prefix("bootstrap=").ok_or("the broker did not start")?;
        Ok(Self { bootstrap: bootstrap.into(), attendant: Some((attendant, directory)) })
    }

    /// Makes a topic.
    ///
    /// # Errors
    /// If it is refused.
    pub(super) fn create(&self, topic: &str) -> Result<(), Failure> {
        let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
        for made in pollster::block_on(self.admin()?.create_topics([&topic], &AdminOptions::new()))? {
            made.map_err(|(topic, code)| format!("{topic}: {code}"))?;
        }
        Ok(())
    }

    /// Deletes all topics whose names begin so.
    ///
    /// # Errors
    /// If that is refused.
    pub(super) fn delete(&self, prefix: &str) -> Result<(), Failure> {
        let admin = self.admin()?;
        let metadata = admin.inner().fetch_metadata(None, LIMIT)?;
        let names = metadata.topics().iter().map(rdkafka::metadata::MetadataTopic::name);
        let names: Vec<&str> = names.filter(|name| name.starts_with(prefix)).collect();
        if !names.is_empty() {
            for gone in pollster::block_on(admin.delete_topics(&names, &AdminOptions::new()))? {
                gone.map_err(|(topic, code)| format!("{topic}: {code}"))?;
            }
        }
        Ok(())
    }

    /// Members of a group that have partitions, while it is stable; else none.
    ///
    /// # Errors
    /// If that cannot be asked for.
    pub(super) fn members_at_work(&self, group: &str) -> Result<usize, Failure> {
        let groups = self.admin()?.inner().fetch_group_list(Some(group), LIMIT)?;
        let stable = groups.groups().iter().filter(|group| group.state() == "Stable");
        // The assignment: two bytes of version, four with the number of topics.
        let works = |assignment: &[u8]| assignment.get(2..6).is_some_and(|topics| topics != [0; 4]);
        let members = stable.flat_map(|group| group.members());
        Ok(members.filter(|member| member.assignment().is_some_and(works)).count())
    }

    fn admin(&self) -> Result<AdminClient<DefaultClientContext>, Failure> {
        Ok(AdminClient::from_config(&config(&self.bootstrap))?)
    }
}

impl Drop for Cluster {
    /// The end of its input tells the attendant to end.
    fn drop(&mut self) {
        let Some((attendant, _)) = &mut self.attendant else { return };
        drop(attendant.stdin.take());
        if let Err(error) = attendant.wait() {
            eprintln!("the broker's attendant: {error}");
        }
    }
}
