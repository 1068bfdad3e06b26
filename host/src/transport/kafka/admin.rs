//! What tools do to topics and groups of a cluster.

use super::transport::KafkaTransport;
use crate::record::{Offset, Topic, TopicPartition};
use crate::transport::{Admin, Member, TransportError};

impl Admin for KafkaTransport {
    fn delete_topic(&mut self, name: &Topic) -> Result<(), TransportError> {
        self.link().delete_topic(name)
    }

    fn groups(&mut self) -> Result<Vec<String>, TransportError> {
        let mut groups = self.link().groups(None)?;
        groups.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(groups.into_iter().map(|(name, _)| name).collect())
    }

    fn members(&mut self, group: &str) -> Result<Vec<Member>, TransportError> {
        let groups = self.link().groups(Some(group))?;
        Ok(groups.into_iter().filter(|(name, _)| name == group).flat_map(|(_, members)| members).collect())
    }

    /// Of the app's own group.
    fn move_group(&mut self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        self.link().move_group(group, offsets)
    }
}
