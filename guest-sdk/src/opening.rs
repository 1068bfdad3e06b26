//! What an operator learns when it is set up.

use crate::store::{self, KeyValueStore, SessionStore, VersionedStore, WindowStore};
use crate::timer::{self, Clock, Rhythm};
use crate::{Failed, Field};

/// One use of an operator, as a processor is set up for it.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    pub(crate) node: u32,
    pub(crate) operator: &'a str,
    pub(crate) params: &'a str,
    pub(crate) outputs: &'a [String],
    pub(crate) properties: &'a [(String, String)],
}

impl<'a> Opening<'a> {
    /// What the host says.
    #[doc(hidden)]
    pub fn new(
        node: u32,
        operator: &'a str,
        params: &'a str,
        outputs: &'a [String],
        properties: &'a [(String, String)],
    ) -> Self {
        Self { node, operator, params, outputs, properties }
    }

    /// The number of the node.
    pub(crate) fn node(&self) -> u32 {
        self.node
    }

    /// The operator's name.
    pub fn operator(&self) -> &'a str {
        self.operator
    }

    /// The parameters, a JSON object.
    pub fn params(&self) -> &'a str {
        self.params
    }

    /// Names of the node's outputs.
    pub fn outputs(&self) -> &'a [String] {
        self.outputs
    }

    /// A further fact by name: `app`, `node` (its name in the manifest), `task`.
    pub fn property(&self, name: &str) -> Option<&'a str> {
        self.properties.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// A store of shape `key-value` that the processor declares.
    ///
    /// # Errors
    /// If it is not declared.
    pub fn key_value_store(&self, name: &str) -> Result<KeyValueStore, Failed> {
        store::open(self.node, name).map(KeyValueStore)
    }

    /// A store of shape `window` that the processor declares.
    ///
    /// # Errors
    /// If it is not declared.
    pub fn window_store(&self, name: &str) -> Result<WindowStore, Failed> {
        store::open(self.node, name).map(WindowStore)
    }

    /// A store of shape `session` that the processor declares.
    ///
    /// # Errors
    /// If it is not declared.
    pub fn session_store(&self, name: &str) -> Result<SessionStore, Failed> {
        store::open(self.node, name).map(SessionStore)
    }

    /// A store of shape `versioned` that the processor declares.
    ///
    /// # Errors
    /// If it is not declared.
    pub fn versioned_store(&self, name: &str) -> Result<VersionedStore, Failed> {
        store::open(self.node, name).map(VersionedStore)
    }

    /// The processor has this timer. Said at every opening, and done once: after a crash it goes on where it was.
    ///
    /// # Errors
    /// If there are too many timers, or the rhythm makes no sense.
    pub fn declare_timer(&self, name: &str, clock: Clock, rhythm: Rhythm, payload: impl Field) -> Result<(), Failed> {
        timer::declare(self.node, name, clock, rhythm, payload)
    }
}
