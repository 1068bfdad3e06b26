//! The nodes that the host opened, and what the component says of itself.

use crate::bindings::fold_part::exports::millstream::plugin::fold::{Folded, Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns, Outcome, Schema};
use crate::bindings::join_part::exports::millstream::plugin::join::Pairs;
use crate::bindings::lifecycle_part::exports::millstream::plugin::lifecycle::Migrated;
use crate::bindings::plugin_part::exports::millstream::plugin::plugin::{Description, Fields, Operator};
use crate::{Failed, Migration, Opening};
use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

/// One operator of a plugin.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its kind, a word of the contract.
    pub kind: &'static str,
    /// Its doc comment.
    pub docs: &'static [&'static str],
    /// Names of its outputs.
    pub outputs: &'static [&'static str],
    /// What it reads of a record; empty: everything.
    pub reads: &'static [Read],
    /// Says what its function or type knows: parameters, schema, stores, properties.
    pub about: fn(&mut Operator),
    /// Makes a node of it.
    pub open: fn(&Opening<'_>) -> Result<Box<dyn Node>, Failed>,
}

/// A field of a record, named as in [`crate::plugin!`].
#[expect(non_camel_case_types, reason = "authors write the fields' names")]
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// The key.
    key,
    /// The value.
    value,
    /// The timestamp.
    timestamp,
    /// The headers.
    headers,
}

/// What an operator asks for.
fn fields(reads: &[Read]) -> Fields {
    let field = |read: &Read| match read {
        Read::key => Fields::KEY,
        Read::value => Fields::VALUE,
        Read::timestamp => Fields::TIMESTAMP,
        Read::headers => Fields::HEADERS,
    };
    if reads.is_empty() { Fields::all() } else { reads.iter().map(field).fold(Fields::empty(), Fields::union) }
}

/// A plugin: its operators. Made by [`crate::plugin!`].
pub trait Plugin {
    /// Name and version of the crate.
    const ABOUT: (&'static str, &'static str);
    /// Its operators.
    const ENTRIES: &'static [Entry];
    /// Its migrations, by the operator's name.
    const MIGRATIONS: &'static [(&'static str, Migration)];
}

/// One use of an operator.
pub trait Node {
    /// Takes a batch through, if the operator is stateless.
    fn transform(&mut self, _batch: &Columns) -> Outcome {
        panic!("this operator is no transform")
    }

    /// Takes a batch through, if the operator is a fold.
    fn fold(&mut self, _batch: &Columns, _states: &Cells, _steps: &Steps, _reply: Reply) -> Folded {
        panic!("this operator is no fold")
    }

    /// Joins pairs, if the operator is a joiner.
    fn join(&mut self, _left: &Columns, _right: &Columns, _pairs: &Pairs) -> Outcome {
        panic!("this operator is no joiner")
    }

    /// Takes a batch through, if the operator is a processor.
    fn process(&mut self, _batch: &Columns) -> Outcome {
        panic!("this operator is no processor")
    }

    /// Works on timers, if the operator is a processor.
    fn punctuate(&mut self, _due: &Columns) -> Outcome {
        panic!("this operator is no processor")
    }
}

/// What kinds of functions are told apart by.
pub mod kind {
    /// `filter`.
    pub struct Filter;
    /// `map-values`, `extract-topic`.
    pub struct Value;
    /// `select-key`.
    pub struct Key;
    /// `map`.
    pub struct Map;
    /// `flat-map`, `flat-map-values`.
    pub struct Flat;
    /// `peek`.
    pub struct Peek;
    /// `extract-timestamp`.
    pub struct Timestamp;
    /// `reduce`.
    pub struct Reduce;
    /// `join`.
    pub struct Join;
}

/// One use of an operator that is a function `F` with parameters `P`.
pub struct Call<K, P, F> {
    pub(crate) params: P,
    pub(crate) function: F,
    pub(crate) outputs: Vec<String>,
    kind: PhantomData<K>,
}

impl<K, P, F> Call<K, P, F> {
    /// A node of kind `K`.
    pub fn new(params: P, function: F, opening: &Opening<'_>) -> Self {
        Self { params, function, outputs: opening.outputs().to_vec(), kind: PhantomData }
    }
}

/// A node that was opened.
struct Opened {
    node: Box<dyn Node>,
    migrate: Option<Migration>,
}

thread_local! {
    static NODES: RefCell<Vec<Option<Opened>>> = const { RefCell::new(Vec::new()) };
    static AT: At = const { At { node: Cell::new(0), row: Cell::new(None), call: Cell::new(0) } };
}

/// What is being worked on.
struct At {
    node: Cell<u32>,
    /// For the last words of a panic, and for facts about the row.
    row: Cell<Option<u32>>,
    /// Number of the call.
    call: Cell<u64>,
}

/// Notes which row is being worked on.
#[inline]
pub(crate) fn at_row(row: u32) {
    AT.with(|at| at.row.set(Some(row)));
}

/// The number of the call, the node and the row at hand.
pub(crate) fn at() -> (u64, u32, u32) {
    AT.with(|at| (at.call.get(), at.node.get(), at.row.get().unwrap_or_default()))
}

/// Says what is inside.
pub fn describe<P: Plugin>() -> Description {
    let operator = |entry: &Entry| {
        let mut operator = Operator {
            name: entry.name.into(),
            kind: entry.kind.into(),
            docs: entry.docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n"),
            reads: fields(entry.reads),
            outputs: entry.outputs.iter().map(|output| (*output).into()).collect(),
            state: None,
            stores: Vec::new(),
            params_schema: String::new(),
            properties: Vec::new(),
        };
        (entry.about)(&mut operator);
        operator
    };
    Description {
        name: P::ABOUT.0.into(),
        version: P::ABOUT.1.into(),
        sdk: concat!("rust/", env!("CARGO_PKG_VERSION")).into(),
        operators: P::ENTRIES.iter().map(operator).collect(),
        properties: Vec::new(),
    }
}

/// Sets up one use of an operator.
///
/// # Errors
/// If there is no such operator, or it does not take the parameters.
pub fn open<P: Plugin>(opening: &Opening<'_>) -> Result<(), String> {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|info| crate::log::panicked(AT.with(|at| at.row.get()), &info.to_string())));
    let operator = opening.operator();
    let entry = P::ENTRIES.iter().find(|entry| entry.name == operator);
    let entry = entry.ok_or_else(|| format!("there is no operator {operator:?}"))?;
    let node = (entry.open)(opening).map_err(|failed| failed.reason().to_owned())?;
    let migrate = P::MIGRATIONS.iter().find(|(name, _)| *name == operator).map(|(_, migrate)| *migrate);
    NODES.with_borrow_mut(|nodes| {
        let place = opening.node() as usize;
        if nodes.len() <= place {
            nodes.resize_with(place + 1, || None);
        }
        nodes[place] = Some(Opened { node, migrate });
    });
    Ok(())
}

/// Hands a call to an open node.
pub fn answer<R>(node: u32, call: impl FnOnce(&mut dyn Node) -> R) -> R {
    with(node, |opened| call(opened.node.as_mut()))
}

/// Turns states of an older schema into this version's.
pub fn migrate(node: u32, store: Option<&str>, old: &Schema, rows: &Columns) -> Migrated {
    with(node, |opened| crate::lifecycle::migrate(opened.migrate, store, old, rows))
}

fn with<R>(node: u32, call: impl FnOnce(&mut Opened) -> R) -> R {
    AT.with(|at| {
        at.node.set(node);
        at.row.set(None);
        at.call.set(at.call.get() + 1);
    });
    let answer = NODES.with_borrow_mut(|nodes| {
        let opened = nodes.get_mut(node as usize).and_then(Option::as_mut);
        call(opened.expect("the host opens a node before it calls it"))
    });
    crate::metrics::report();
    answer
}
