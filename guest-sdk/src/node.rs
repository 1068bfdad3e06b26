//! The nodes that the host opened, and what the component says of itself.

use crate::bindings::fold_part::exports::millstream::plugin::fold::{Folded, Reply, Steps};
use crate::bindings::imports::millstream::plugin::types::{Cells, Columns, Outcome};
use crate::bindings::plugin_part::exports::millstream::plugin::plugin::{Description, Fields, Operator};
use std::cell::{Cell, RefCell};

/// One operator of a plugin.
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// Its kind, a word of the contract.
    pub kind: &'static str,
    /// Its doc comment.
    pub docs: &'static [&'static str],
    /// JSON Schema of its parameters; empty: it takes none.
    pub schema: fn() -> String,
    /// Makes a node of it.
    pub open: fn(&str) -> Result<Box<dyn Node>, String>,
}

/// A plugin: its operators. Made by [`crate::plugin!`].
pub trait Plugin {
    /// Name and version of the crate.
    const ABOUT: (&'static str, &'static str);
    /// Its operators.
    const ENTRIES: &'static [Entry];
}

/// One use of an operator.
pub trait Node {
    /// Takes a batch through, if the operator is stateless.
    fn transform(&mut self, _batch: &Columns) -> Outcome {
        panic!("this operator is no transform")
    }

    /// Takes a batch through, if the operator is a fold.
    fn fold(&mut self, _batch: &Columns, _states: Cells, _steps: &Steps, _reply: Reply) -> Folded {
        panic!("this operator is no fold")
    }
}

thread_local! {
    static NODES: RefCell<Vec<Option<Box<dyn Node>>>> = const { RefCell::new(Vec::new()) };
    /// The row that is being worked on, for the last words of a panic.
    static ROW: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Notes which row is being worked on.
pub(crate) fn at_row(row: u32) {
    ROW.set(Some(row));
}

/// Says what is inside.
pub fn describe<P: Plugin>() -> Description {
    let operator = |entry: &Entry| Operator {
        name: entry.name.into(),
        kind: entry.kind.into(),
        docs: entry.docs.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n"),
        reads: Fields::all(),
        outputs: Vec::new(),
        state: None,
        stores: Vec::new(),
        params_schema: (entry.schema)(),
        properties: Vec::new(),
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
pub fn open<P: Plugin>(node: u32, operator: &str, params: &str) -> Result<(), String> {
    std::panic::set_hook(Box::new(|info| crate::log::panicked(ROW.get(), &info.to_string())));
    let entry = P::ENTRIES.iter().find(|entry| entry.name == operator);
    let made = (entry.ok_or_else(|| format!("there is no operator {operator:?}"))?.open)(params)?;
    NODES.with_borrow_mut(|nodes| {
        let place = node as usize;
        if nodes.len() <= place {
            nodes.resize_with(place + 1, || None);
        }
        nodes[place] = Some(made);
    });
    Ok(())
}

/// Hands a batch to an open node.
pub fn answer<R>(node: u32, call: impl FnOnce(&mut dyn Node) -> R) -> R {
    ROW.set(None);
    NODES.with_borrow_mut(|nodes| {
        let node =
            nodes.get_mut(node as usize).and_then(Option::as_mut).expect("the host opens a node before it calls it");
        call(node.as_mut())
    })
}
