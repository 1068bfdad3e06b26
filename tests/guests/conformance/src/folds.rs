//! Reducers and aggregators.

use crate::{Function, Text, boom, int, printed, text};
use millstream::{Aggregate, Failed, Record};

/// The aggregate and the next value; the aggregate is never null.
pub(crate) fn reduce(f: &Function, aggregate: &[u8], value: Option<&[u8]>) -> Result<Text, String> {
    let aggregate = String::from_utf8_lossy(aggregate).into_owned();
    let value = text(value);
    Ok(match f.name.as_str() {
        "concat" => Some(aggregate + printed(&value)),
        "max-string" => Some(value.filter(|value| *value > aggregate).unwrap_or(aggregate)),
        "last" => value,
        "first" => Some(aggregate),
        "null-if-equal" => value.filter(|value| *value != aggregate),
        "sum" => Some((int(Some(&aggregate)) + int(value.as_deref())).to_string()),
        "concat-retract" => Some(format!("{aggregate}+{}", printed(&value))),
        "null-on" if value.as_deref() == Some(&f.arg) => None,
        "fail-on" if value.as_deref() == Some(&f.arg) => return Err(boom(&f.arg)),
        "null-on" | "fail-on" => Some(aggregate + printed(&value)),
        other => return Err(format!("unknown reducer {other}")),
    })
}

/// The aggregate and the value that is taken off again.
pub(crate) fn subtract(f: &Function, aggregate: &[u8], value: Option<&[u8]>) -> Result<Text, String> {
    let aggregate = String::from_utf8_lossy(aggregate).into_owned();
    let value = text(value);
    match f.name.as_str() {
        "sum" => Ok(Some((int(Some(&aggregate)) - int(value.as_deref())).to_string())),
        "concat-retract" => Ok(Some(format!("{aggregate}-{}", printed(&value)))),
        other => Err(format!("reducer {other} does not subtract")),
    }
}

/// An aggregator.
pub(crate) struct Fold(pub(crate) Function);

impl Fold {
    fn is_number(&self) -> bool {
        matches!(self.0.name.as_str(), "count" | "sum" | "sum-null-at-zero")
    }

    fn sum(&self, sum: i64) -> Text {
        Some(sum).filter(|sum| self.0.name != "sum-null-at-zero" || *sum != 0).map(|sum| sum.to_string())
    }
}

impl Aggregate for Fold {
    type State = Text;
    const SUBTRACTS: bool = true;
    const MERGES: bool = true;

    fn initial(&self) -> Text {
        Some(if self.is_number() { "0" } else { "" }.into())
    }

    fn add(&self, state: &mut Text, record: Record<'_>) -> Result<(), Failed> {
        let Function { name, arg } = &self.0;
        let value = text(record.value);
        let before = state.take().unwrap_or_default();
        *state = match name.as_str() {
            "concat" => Some(before + printed(&value)),
            "list" if before.is_empty() => Some(printed(&value).into()),
            "list" => Some(format!("{before}|{}", printed(&value))),
            "keyed" => Some(format!("{before}{}:{};", printed(&text(record.key)), printed(&value))),
            "count" => Some((int(Some(&before)) + 1).to_string()),
            "sum" | "sum-null-at-zero" => self.sum(int(Some(&before)) + int(value.as_deref())),
            "concat-retract" => Some(format!("{before}+{}", printed(&value))),
            "null-on" if value.as_deref() == Some(arg) => None,
            "fail-on" if value.as_deref() == Some(arg) => return Err(boom(arg).into()),
            "null-on" | "fail-on" => Some(before + printed(&value)),
            other => return Err(format!("unknown aggregator {other}").into()),
        };
        Ok(())
    }

    fn subtract(&self, state: &mut Text, record: Record<'_>) -> Result<(), Failed> {
        let value = text(record.value);
        let before = state.take().unwrap_or_default();
        *state = match self.0.name.as_str() {
            "count" => Some((int(Some(&before)) - 1).to_string()),
            "sum" | "sum-null-at-zero" => self.sum(int(Some(&before)) - int(value.as_deref())),
            "concat-retract" => Some(format!("{before}-{}", printed(&value))),
            other => return Err(format!("aggregator {other} does not subtract").into()),
        };
        Ok(())
    }

    fn merge(&self, _key: Option<&[u8]>, state: &mut Text, later: Text) -> Result<(), Failed> {
        let (a, b) = (state.take().unwrap_or_default(), later.unwrap_or_default());
        *state = Some(match self.0.name.as_str() {
            "count" | "sum" | "sum-null-at-zero" => (int(Some(&a)) + int(Some(&b))).to_string(),
            "list" if a.is_empty() || b.is_empty() => a + &b,
            "list" => format!("{a}|{b}"),
            _ => a + &b,
        });
        Ok(())
    }
}
