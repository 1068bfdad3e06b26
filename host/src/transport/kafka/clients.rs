//! Our clients, as the settings say.

use super::ffi::{AdminClient, ConsumerClient, ProducerClient};
use super::ffi_client::{Kept, Living};
use super::ffi_token::Tokens;
use super::limits::Limits;
use super::settings::Settings;
use crate::record::Timestamp;
use crate::transport::TransportError;
use std::ffi::CString;
use std::sync::Arc;

/// Makes a process's clients, and looks after them.
pub(super) struct Clients {
    pub(super) settings: Settings,
    /// What the topics take that were asked about.
    pub(super) limits: Limits,
    bootstrap: CString,
    living: Arc<Living>,
    tokens: Option<Arc<Tokens>>,
}

impl Clients {
    /// # Errors
    /// If a token is needed and there is none.
    pub(super) fn new(settings: Settings, now: fn() -> Timestamp) -> Result<Self, TransportError> {
        let bootstrap = CString::new(settings.bootstrap.as_str());
        let bootstrap = bootstrap.map_err(|error| TransportError::Refused(format!("bootstrap.servers: {error}")))?;
        let tokens = settings.token.clone().map(|source| Tokens::new(source, now)).transpose()?;
        Ok(Self { settings, limits: Limits::default(), bootstrap, living: Arc::default(), tokens })
    }

    /// Sees to it that clients have tokens that are good, and brokers to ask, and that up to so many of a producer's events
    /// are taken; to be called a few times a second.
    pub(super) fn look_after(&self, events: usize) {
        self.living.poll_producers(events);
        self.tokens.iter().for_each(|tokens| tokens.renew(&self.living));
        self.living.restore_brokers(&self.bootstrap);
    }

    /// See [`Settings::admin`].
    ///
    /// # Errors
    /// If the settings are refused; so for the others.
    pub(super) fn admin(&self, name: &str) -> Result<AdminClient, TransportError> {
        Kept::new(&self.settings.admin(name), &self.living, self.tokens.as_ref())
    }

    /// See [`Settings::reader`].
    pub(super) fn reader(&self, name: &str, group: &str, isolation: &str) -> Result<ConsumerClient, TransportError> {
        Kept::new(&self.settings.reader(name, group, isolation), &self.living, self.tokens.as_ref())
    }

    /// See [`Settings::member`].
    pub(super) fn member(&self, name: &str, group: &str) -> Result<ConsumerClient, TransportError> {
        Kept::new(&self.settings.member(name, group), &self.living, self.tokens.as_ref())
    }

    /// See [`Settings::producer`].
    pub(super) fn producer(
        &self,
        name: &str,
        transactional_id: Option<&str>,
        batch_bytes: usize,
    ) -> Result<ProducerClient, TransportError> {
        Kept::new(&self.settings.producer(name, transactional_id, batch_bytes), &self.living, self.tokens.as_ref())
    }
}
