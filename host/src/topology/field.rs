//! Keys and values of a manifest or configuration, each with its line.

use super::Problem;
use super::problem::nearest;
use serde_json::Value;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A duration: a number and `ms`, `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let milliseconds: u64 = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(milliseconds).map(Duration::from_millis)
}

/// A size: a number and `B`, `KiB`, `MiB`, `GiB` or `TiB`; without one, bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let scale = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// A text of TOML.
pub(crate) struct Document<'a> {
    reader: Reader<'a>,
    table: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Reads a text, or says where it is no TOML.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Problem> {
        let reader = Reader { text };
        let table = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(0, |span| reader.line(&span));
            Problem::new("MS-T001", line, error.message().to_owned(), "mend the TOML at this line")
        })?;
        Ok(Self { reader, table })
    }

    /// Its sections and keys.
    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let reader = self.reader;
        self.table.get_ref().iter().map(move |(key, value)| Field {
            name: key.get_ref(),
            line: reader.line(&key.span()),
            value: value.get_ref(),
            reader,
        })
    }
}

/// The text that fields stand in.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn line(self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// A key and its value.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) line: usize,
    value: &'a DeValue<'a>,
    reader: Reader<'a>,
}

impl<'a> Field<'a> {
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let reader = self.reader;
        let table = self.value.as_table().into_iter().flatten();
        table.map(move |(key, value)| Field {
            name: key.get_ref(),
            line: reader.line(&key.span()),
            value: value.get_ref(),
            reader,
        })
    }

    /// The named tables of a section.
    pub(crate) fn entries(&self, problems: &mut Vec<Problem>, mut each: impl FnMut(&Field<'a>, &mut Vec<Problem>)) {
        if !self.is_table() {
            return problems.push(self.wrong("named tables, each headed by a line like [node.lines]"));
        }
        for entry in self.fields() {
            if entry.is_table() {
                each(&entry, problems);
            } else {
                problems.push(entry.wrong("a table of its own"));
            }
        }
    }

    /// The same value by another name.
    pub(crate) fn called(self, name: &'a str) -> Self {
        Self { name, ..self }
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.as_table().is_some()
    }

    pub(crate) fn json(&self) -> Value {
        json(self.value)
    }

    pub(crate) fn wrong(&self, wanted: &str) -> Problem {
        let what = format!("{:?} cannot be {}", self.name, self.json());
        Problem::new("MS-T003", self.line, what, format!("write {wanted}"))
    }

    pub(crate) fn unknown(&self, known: &[&str]) -> Problem {
        let near = nearest(self.name, known.iter().copied());
        let remedy = if near.is_empty() { format!("one of {}", known.join(", ")) } else { near };
        Problem::new("MS-T002", self.line, format!("unknown key {:?}", self.name), remedy)
    }
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::from(number.as_str()), Value::from),
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            Value::Object(table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref()))).collect())
        }
    }
}
