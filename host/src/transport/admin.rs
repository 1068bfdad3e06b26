//! What tools do to topics and groups, and workers never: the port.

use super::{Transport, TransportError};
use crate::record::{Offset, Topic, TopicPartition};

/// One who is at work in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What it calls itself.
    pub name: String,
    /// Where it is.
    pub host: String,
}

/// A connection for tools.
pub trait Admin: Transport {
    /// Deletes a topic with its records, and what groups have committed for it.
    ///
    /// # Errors
    /// [`TransportError::Unknown`] if it is not there; else see [`TransportError`].
    fn delete_topic(&mut self, name: &Topic) -> Result<(), TransportError>;

    /// The groups that have committed something, by name.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn groups(&mut self) -> Result<Vec<String>, TransportError>;

    /// Who is at work in a group; nobody if there is no such group.
    ///
    /// # Errors
    /// See [`TransportError`].
    fn members(&mut self, group: &str) -> Result<Vec<Member>, TransportError>;

    /// Sets where an idle group goes on reading.
    ///
    /// # Errors
    /// [`TransportError::Refused`] if somebody is at work in it; else see [`TransportError`].
    fn move_group(&mut self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError>;
}
