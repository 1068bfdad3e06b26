//! Questions about groups, which their coordinators answer.

use super::clients::Clients;
use super::ending;
use super::ffi::ConsumerClient;
use super::ffi_groups::{self, GroupMember};
use crate::transport::TransportError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Asks by a client that answered last time. One that does not is thrown away with what it was asked: in librdkafka 2.12 a
/// question that waited for its coordinator for longer than `socket.timeout.ms`, a minute by default, ends the process
/// by a failed assertion when the coordinator comes back. Its end is not waited for, as it may never come.
pub(super) struct Groups {
    clients: Arc<Clients>,
    /// The app: who asks.
    app: String,
    idle: Mutex<Option<ConsumerClient>>,
}

impl Groups {
    pub(super) fn new(clients: &Arc<Clients>, app: &str) -> Self {
        Self { clients: Arc::clone(clients), app: app.into(), idle: Mutex::default() }
    }

    /// The members of a group, whose coordinator may take so long to answer.
    pub(super) fn members(&self, group: &str, timeout: Duration) -> Result<Vec<GroupMember>, TransportError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let client = idle().take();
        let name = format!("{}-groups", self.app);
        let client = client.map_or_else(|| self.clients.reader(&name, &self.app, "read_committed"), Ok)?;
        match ffi_groups::members(&client, group, timeout) {
            Ok(members) => {
                *idle() = Some(client);
                Ok(members)
            }
            Err(why) => {
                client.let_go();
                ending::check()?;
                Err(TransportError::Retry(why))
            }
        }
    }
}
