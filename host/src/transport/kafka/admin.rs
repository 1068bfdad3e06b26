//! What tools do to topics and groups of a cluster.

use super::link::ANSWER;
use super::transport::KafkaTransport;
use crate::record::{Offset, Topic, TopicPartition};
use crate::transport::{Admin, Member, TransportError};

impl Admin for KafkaTransport {
    fn delete_topic(&mut self, name: &Topic) -> Result<(), TransportError> {
        self.link().delete_topic(name)
    }

    fn groups(&mut self) -> Result<Vec<String>, TransportError> {
        let mut groups = self.link().groups()?;
        groups.sort();
        Ok(groups)
    }

    fn members(&mut self, group: &str) -> Result<Vec<Member>, TransportError> {
        self.link().members(group, ANSWER, |member| Member {
            name: member.client_id().to_owned(),
            host: member.client_host().trim_start_matches('/').to_owned(),
        })
    }

    /// Of the app's own group.
    fn move_group(&mut self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        self.link().move_group(group, offsets)
    }
}
