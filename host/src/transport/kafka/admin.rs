//! What tools do to topics and groups of a cluster.

use super::ffi_groups::GroupMember;
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
        let members = self.link().members(group, ANSWER)?.into_iter();
        let member = |GroupMember { client, host, .. }| Member { name: client, host };
        Ok(members.map(member).collect())
    }

    /// Of the app's own group.
    fn move_group(&mut self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        self.link().move_group(group, offsets)
    }
}
