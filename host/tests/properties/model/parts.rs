//! Records, nodes and stateless functions of the model.

use crate::functions::{Function, Pair, Text, Wrong};
use serde_json::Value;

/// A record, or a change of a table, on its way.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) timestamp: i64,
    pub(super) key: Text,
    pub(super) value: Text,
    pub(super) old: Text,
    pub(super) headers: Vec<(String, Option<String>)>,
}

/// The input record at hand: where it was read, and as it was.
pub(super) struct Origin {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: usize,
    pub(super) record: Record,
    /// Its value as it lies there: a change of a table is packed.
    pub(super) value: Option<Vec<u8>>,
}

pub(super) struct Node {
    pub(super) name: String,
    pub(super) op: String,
    pub(super) from: Vec<String>,
    pub(super) functions: Vec<Function>,
    pub(super) topic: String,
    /// Whether its input may have other keys than the topic that it was read from.
    pub(super) rekeyed: bool,
    pub(super) over_table: bool,
}

impl Node {
    pub(super) fn is_table(&self) -> bool {
        let folds = matches!(self.op.as_str(), "table" | "to-table" | "count" | "reduce" | "aggregate");
        folds || (self.over_table && matches!(self.op.as_str(), "filter" | "filter-not" | "map-values"))
    }

    pub(super) fn gives_new_keys(&self) -> bool {
        match self.op.as_str() {
            "map" | "flat-map" | "select-key" => true,
            "repartition" | "to-table" | "count" | "reduce" | "aggregate" | "group-by" | "group-by-key" => false,
            _ => self.rekeyed,
        }
    }

    pub(super) fn goes_through_a_topic(&self) -> bool {
        match self.op.as_str() {
            "repartition" | "group-by" => true,
            "to-table" | "group-by-key" => self.rekeyed,
            _ => false,
        }
    }
}

/// A change of a table as a value: which sides there are, the length of the new one if both are, the sides.
pub(super) fn pack(record: &Record) -> Vec<u8> {
    let (new, old) = (record.value.as_deref().map(str::as_bytes), record.old.as_deref().map(str::as_bytes));
    let mut packed = vec![u8::from(new.is_some()) + 2 * u8::from(old.is_some())];
    if let (Some(new), Some(_)) = (new, old) {
        packed.extend(u32::try_from(new.len()).expect("values are short").to_be_bytes());
    }
    packed.extend(new.into_iter().chain(old).flatten());
    packed
}

pub(super) fn function(params: &Value) -> Function {
    let part = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
    Function { name: part("fn"), arg: part("arg") }
}

/// What a stateless function makes of one record.
pub(super) fn apply(kind: &str, functions: &[Function], record: &Record) -> Result<Vec<Record>, Wrong> {
    let (function, key, value) = (&functions[0], record.key.clone(), record.value.clone());
    let with = |(key, value): Pair| Record { key, value, ..record.clone() };
    let kept = |keep: bool| if keep { vec![record.clone()] } else { Vec::new() };
    Ok(match kind {
        "filter" => kept(function.says(&key, &value)?),
        "filter-not" => kept(!function.says(&key, &value)?),
        "map-values" => vec![with((key.clone(), function.value(&key, value)?))],
        "peek" => function.value(&key, value).map(|_| kept(true))?,
        "select-key" => vec![with((function.key(key, &value)?, value))],
        "map" => {
            let new = function.key(key.clone(), &value)?;
            vec![with((new, functions[1].value(&key, value)?))]
        }
        "flat-map" => function.flat((key, value)).into_iter().map(with).collect(),
        "flat-map-values" => {
            function.flat((key.clone(), value)).into_iter().map(|(_, value)| with((key.clone(), value))).collect()
        }
        other => panic!("the model knows no {other}"),
    })
}
