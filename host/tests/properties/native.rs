//! A plugin without WebAssembly: the functions behind the plugin port, thousands of times faster to set up.

use crate::functions::{Function, Pair, Text, Wrong};
use millstream::plugin::port::{
    CallError, Cells, Columns, Description, Failure, Fields, Folded, Instance, NULL, Node, Operator, Outcome, Plugin,
    Reply, SAME, Steps,
};
use std::collections::BTreeMap;

/// Operators: each is named after its kind.
const KINDS: [&str; 10] = [
    "filter",
    "map",
    "map-values",
    "flat-map",
    "flat-map-values",
    "select-key",
    "peek",
    "extract-topic",
    "reduce",
    "aggregate",
];

pub(crate) struct Native {
    description: Description,
}

impl Native {
    pub(crate) fn new() -> Self {
        let operator = |kind: &&str| Operator {
            name: (*kind).into(),
            kind: (*kind).into(),
            docs: String::new(),
            reads: Fields { key: true, value: true, timestamp: false, headers: false },
            outputs: Vec::new(),
            state: None,
            stores: Vec::new(),
            params_schema: String::new(),
            properties: Vec::new(),
        };
        let operators = KINDS.iter().map(operator).collect();
        let text = |text: &str| text.to_owned();
        Self { description: Description { name: text("native"), version: text("1"), sdk: text("none"), operators } }
    }
}

impl Plugin for Native {
    fn description(&self) -> &Description {
        &self.description
    }

    fn digest(&self) -> &str {
        "none"
    }

    fn instantiate(&self) -> Result<Box<dyn Instance>, CallError> {
        Ok(Box::new(Opened { uses: BTreeMap::new(), broken: false }))
    }
}

/// One use of an operator: its kind, its function, and for `map` the function of the value.
struct Use {
    kind: String,
    function: Function,
    value: Option<Function>,
}

struct Opened {
    uses: BTreeMap<Node, Use>,
    /// Whether it trapped and was not reset.
    broken: bool,
}

fn function(params: &serde_json::Value) -> Function {
    let part = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
    Function { name: part("fn"), arg: part("arg") }
}

/// Texts one after the other, of these lengths.
struct Texts<'a> {
    bytes: &'a [u8],
}

impl Texts<'_> {
    fn take(&mut self, length: u32) -> Text {
        if length == NULL {
            return None;
        }
        let (text, rest) = self.bytes.split_at(length as usize);
        self.bytes = rest;
        Some(String::from_utf8(text.to_vec()).expect("tapes are text"))
    }
}

/// Rows of columns.
fn rows(batch: &Columns) -> Vec<Pair> {
    let bytes: Vec<u8> = batch.fields.iter().flat_map(|field| batch.arena.bytes(*field)).copied().collect();
    let mut texts = Texts { bytes: &bytes };
    let row = |row| {
        let key = texts.take(batch.key_lengths.get(row).copied().unwrap_or(NULL));
        (key, texts.take(batch.value_lengths[row]))
    };
    (0..batch.rows()).map(row).collect()
}

/// An output row as a change to its input row: new key, new value.
type Made = (Option<Text>, Option<Text>);

/// What a kind makes of one row.
fn apply(usage: &Use, (key, value): Pair) -> Result<Vec<Made>, Wrong> {
    let Use { kind, function, value: second } = usage;
    Ok(match kind.as_str() {
        "filter" => function.says(&key, &value)?.then_some((None, None)).into_iter().collect(),
        "map-values" => vec![(None, Some(function.value(&key, value)?))],
        "peek" => function.value(&key, value).map(|_| Vec::new())?,
        "select-key" => vec![(Some(function.key(key, &value)?), None)],
        "map" => {
            let new = function.key(key.clone(), &value)?;
            let second = second.as_ref().expect("a map has two functions");
            vec![(Some(new), Some(second.value(&key, value)?))]
        }
        "flat-map" => function.flat((key, value)).into_iter().map(|(key, value)| (Some(key), Some(value))).collect(),
        "flat-map-values" => function.flat((key, value)).into_iter().map(|(_, value)| (None, Some(value))).collect(),
        "extract-topic" => vec![(None, Some(Some(format!("{}{}", function.arg, key.unwrap_or("null".into())))))],
        other => panic!("{other} is no transform"),
    })
}

impl Opened {
    fn trap(&mut self) -> CallError {
        self.broken = true;
        CallError::Trap { row: None, message: "trapped".into(), backtrace: String::new() }
    }
}

impl Instance for Opened {
    fn open(&mut self, node: Node, operator: &str, params: &str) -> Result<(), CallError> {
        let params: serde_json::Value = serde_json::from_str(params).expect("parameters are JSON");
        let usage = if operator == "map" {
            Use { kind: "map".into(), function: function(&params["key"]), value: Some(function(&params["value"])) }
        } else {
            Use { kind: operator.into(), function: function(&params), value: None }
        };
        self.uses.insert(node, usage);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), CallError> {
        self.broken = false;
        Ok(())
    }

    fn transform(&mut self, node: Node, batch: &mut Columns) -> Result<Outcome, CallError> {
        assert!(!self.broken, "an instance that trapped is reset before the next call");
        let mut outcome = Outcome::default();
        for (row, pair) in (0u32..).zip(rows(batch)) {
            match apply(&self.uses[&node], pair) {
                Err(Wrong::Trapped) => return Err(self.trap()),
                Err(Wrong::Failed(reason)) => outcome.failures.push(Failure { row, reason, ..Failure::default() }),
                Ok(made) => made.into_iter().for_each(|made| push(&mut outcome, row, made)),
            }
        }
        let operators = 1;
        outcome.check(batch.rows(), operators).expect("a sound outcome");
        Ok(outcome)
    }

    fn fold(
        &mut self,
        node: Node,
        batch: &mut Columns,
        states: &mut Cells,
        steps: &mut Steps,
        reply: Reply,
    ) -> Result<Folded, CallError> {
        assert!(!self.broken, "an instance that trapped is reset before the next call");
        assert_eq!(reply, Reply::Every);
        let pairs = rows(batch);
        let mut texts = Texts { bytes: &states.bytes };
        let mut states: Vec<Text> = states.lengths.iter().map(|length| texts.take(*length)).collect();
        let mut folded = Folded::default();
        for (step, slot) in (0u32..).zip(&steps.slots) {
            let state = &mut states[*slot as usize];
            let argument = steps.arguments.get(step as usize).copied().unwrap_or(step);
            let add = steps.actions.get(step as usize).is_none_or(|action| *action == 0);
            let pair = &pairs[argument as usize];
            let Use { kind, function, .. } = &self.uses[&node];
            let result = match (kind.as_str(), &state) {
                ("reduce", None) => Ok(pair.1.clone()),
                ("reduce", Some(before)) => function.reduce(before, &pair.1, add),
                _ => function.aggregate(state, pair, add),
            };
            match result {
                Err(Wrong::Trapped) => return Err(self.trap()),
                Err(Wrong::Failed(reason)) => {
                    folded.failures.push(Failure { row: step, reason, ..Failure::default() });
                    folded.states.lengths.push(SAME);
                }
                Ok(after) => {
                    *state = after;
                    folded.states.push(state.as_deref().map(str::as_bytes));
                }
            }
        }
        Ok(folded)
    }

    fn identity(&self) -> (&str, &str) {
        ("f", "none")
    }
}

/// Appends a row; a part that is not changed is the same as in the input.
fn push(outcome: &mut Outcome, source: u32, (key, value): Made) {
    outcome.sources.push(source);
    let mut part = |part: Option<Text>| match part {
        None => SAME,
        Some(None) => NULL,
        Some(Some(text)) => {
            outcome.bytes.extend_from_slice(text.as_bytes());
            u32::try_from(text.len()).expect("texts are short")
        }
    };
    let (key, value) = (part(key), part(value));
    outcome.key_lengths.push(key);
    outcome.value_lengths.push(value);
}
