//! Processors: operators that work their own stores and timers.

use crate::bindings::imports::millstream::plugin::types::{Columns, Outcome};
use crate::bindings::plugin_part::exports::millstream::plugin::plugin::Store;
use crate::node::Node;
use crate::out::{Out, each};
use crate::{Failed, Opening, Record, Schema, Timer};

/// An operator that works its own stores and timers. Declared by the function that makes it,
/// `process "dedupe" = Dedupe::open;`, with `fn open(opening: &Opening<'_>) -> Result<Self, Failed>`; one that needs
/// parameters takes them second.
///
/// What a later answer depends on belongs into a store or a timer's payload: the host may replace an instance by a new
/// one between any two calls.
pub trait Processor {
    /// The stores that it opens.
    const STORES: &'static [StoreUse] = &[];
    /// Whether what a record that fails has forwarded, written and set stays, as in Kafka Streams. Without this nothing
    /// of it stays.
    const FAILED_STAND: bool = false;

    /// Works on a record. Nothing is forwarded by itself; [`Out::keep`] forwards the record as it is.
    ///
    /// # Errors
    /// The record fails.
    fn process(&mut self, record: Record<'_>, out: &mut Out<'_>) -> Result<(), Failed>;

    /// Works on a timer that is due. A row that is forwarded says its key and value, and its timestamp if it is to have
    /// another than the timer's.
    ///
    /// # Errors
    /// The timer fails.
    fn punctuate(&mut self, timer: Timer<'_>, _out: &mut Out<'_>) -> Result<(), Failed> {
        Err(format!("nothing is done on timer {:?}", timer.name).into())
    }
}

/// A store that a processor opens.
#[derive(Clone, Copy, Debug)]
pub struct StoreUse {
    name: &'static str,
    shape: &'static str,
    writes: bool,
    schema: Option<Schema>,
    properties: &'static [(&'static str, &'static str)],
}

impl StoreUse {
    const fn new(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, writes: true, schema: None, properties: &[] }
    }

    /// A store of shape `key-value`.
    pub const fn key_value(name: &'static str) -> Self {
        Self::new(name, "key-value")
    }

    /// A store of shape `window`.
    pub const fn window(name: &'static str) -> Self {
        Self::new(name, "window")
    }

    /// A store of shape `session`.
    pub const fn session(name: &'static str) -> Self {
        Self::new(name, "session")
    }

    /// A store of shape `versioned`.
    pub const fn versioned(name: &'static str) -> Self {
        Self::new(name, "versioned")
    }

    /// It is only read, as tables and global tables are.
    pub const fn read_only(self) -> Self {
        Self { writes: false, ..self }
    }

    /// Name and version of the layout of its values.
    pub const fn schema(self, schema: Schema) -> Self {
        Self { schema: Some(schema), ..self }
    }

    /// Further properties of a store that the node has for itself: `retention-ms`, `size-ms`, `retain-duplicates`,
    /// `history-ms`.
    pub const fn properties(self, properties: &'static [(&'static str, &'static str)]) -> Self {
        Self { properties, ..self }
    }

    pub(crate) fn describe(&self) -> Store {
        let own = |(name, value): &(&str, &str)| ((*name).into(), (*value).into());
        Store {
            name: self.name.into(),
            shape: self.shape.into(),
            writes: self.writes,
            schema: self.schema.map(Into::into),
            properties: self.properties.iter().map(own).collect(),
        }
    }
}

/// One use of a processor.
pub struct ProcessorNode<T> {
    processor: T,
    outputs: Vec<String>,
}

impl<T: Processor> ProcessorNode<T> {
    /// A node of it.
    pub fn new(processor: T, opening: &Opening<'_>) -> Self {
        Self { processor, outputs: opening.outputs().to_vec() }
    }
}

impl<T: Processor> Node for ProcessorNode<T> {
    fn process(&mut self, batch: &Columns) -> Outcome {
        let out = Out::new(batch.value_lengths.len(), batch.bytes.len(), &self.outputs);
        each(batch, out, T::FAILED_STAND, |out, record| self.processor.process(record, out))
    }

    fn punctuate(&mut self, due: &Columns) -> Outcome {
        let out = Out::new(due.value_lengths.len(), due.bytes.len(), &self.outputs);
        each(due, out, T::FAILED_STAND, |out, record| {
            let name = std::str::from_utf8(record.key.unwrap_or_default())?;
            let timer = Timer { name, time: record.timestamp, payload: record.value };
            self.processor.punctuate(timer, out)
        })
    }
}
