//! Our clients, as the settings say.

use super::ffi::{AdminClient, ConsumerClient, ProducerClient};
use super::ffi_token::{Tokens, WithToken};
use super::settings::Settings;
use crate::record::Timestamp;
use crate::transport::TransportError;
use std::sync::Arc;

/// Makes a process's clients, and sees to their tokens.
pub(super) struct Clients {
    pub(super) settings: Settings,
    tokens: Option<Arc<Tokens>>,
}

impl Clients {
    /// # Errors
    /// If a token is needed and there is none.
    pub(super) fn new(settings: Settings, now: fn() -> Timestamp) -> Result<Self, TransportError> {
        let tokens = settings.token.clone().map(|source| Tokens::new(source, now)).transpose()?;
        Ok(Self { settings, tokens })
    }

    /// Sees to it that clients have tokens that are good; to be called a few times a second.
    pub(super) fn renew_tokens(&self) {
        self.tokens.iter().for_each(|tokens| tokens.renew());
    }

    /// See [`Settings::admin`].
    ///
    /// # Errors
    /// If the settings are refused; so for the others.
    pub(super) fn admin(&self, name: &str) -> Result<AdminClient, TransportError> {
        WithToken::new(&self.settings.admin(name), self.tokens.as_ref())
    }

    /// See [`Settings::reader`].
    pub(super) fn reader(&self, name: &str, group: &str, isolation: &str) -> Result<ConsumerClient, TransportError> {
        WithToken::new(&self.settings.reader(name, group, isolation), self.tokens.as_ref())
    }

    /// See [`Settings::member`].
    pub(super) fn member(&self, name: &str, group: &str) -> Result<ConsumerClient, TransportError> {
        WithToken::new(&self.settings.member(name, group), self.tokens.as_ref())
    }

    /// See [`Settings::producer`].
    pub(super) fn producer(
        &self,
        name: &str,
        transactional_id: Option<&str>,
    ) -> Result<ProducerClient, TransportError> {
        WithToken::new(&self.settings.producer(name, transactional_id), self.tokens.as_ref())
    }
}
