//! Reducers and aggregators.

use crate::{Function, Text, boom, int, printed, text};
use millstream::{Action, Change};

/// The aggregate and the next value; the aggregate is never null.
pub(crate) fn reduce(f: &Function, aggregate: &[u8], value: Option<&[u8]>, action: Action) -> Result<Text, String> {
    let aggregate = String::from_utf8_lossy(aggregate).into_owned();
    let value = text(value);
    let add = action == Action::Add;
    Ok(match f.name.as_str() {
        "concat" => Some(aggregate + printed(&value)),
        "max-string" => Some(value.filter(|value| *value > aggregate).unwrap_or(aggregate)),
        "last" => value,
        "first" => Some(aggregate),
        "null-if-equal" => value.filter(|value| *value != aggregate),
        "sum" => {
            let (a, b) = (int(Some(&aggregate)), int(value.as_deref()));
            Some(if add { a + b } else { a - b }.to_string())
        }
        "concat-retract" => Some(format!("{aggregate}{}{}", if add { '+' } else { '-' }, printed(&value))),
        "null-on" if value.as_deref() == Some(&f.arg) => None,
        "fail-on" if value.as_deref() == Some(&f.arg) => return Err(boom(&f.arg)),
        "null-on" | "fail-on" => Some(aggregate + printed(&value)),
        other => return Err(format!("unknown reducer {other}")),
    })
}

pub(crate) fn aggregate(f: &Function, change: Change<'_>) -> Result<Text, String> {
    let number = matches!(f.name.as_str(), "count" | "sum" | "sum-null-at-zero");
    let initial = if number { "0" } else { "" };
    let state = text(change.state).unwrap_or_else(|| initial.into());
    let value = text(change.record.value);
    let sign = if change.action == Action::Add { 1 } else { -1 };
    let sum = int(Some(&state)) + sign * int(value.as_deref());
    Ok(match f.name.as_str() {
        "concat" => Some(state + printed(&value)),
        "list" if state.is_empty() => Some(printed(&value).into()),
        "list" => Some(format!("{state}|{}", printed(&value))),
        "keyed" => Some(format!("{state}{}:{};", printed(&text(change.record.key)), printed(&value))),
        "count" => Some((int(Some(&state)) + sign).to_string()),
        "sum" => Some(sum.to_string()),
        "sum-null-at-zero" => Some(sum).filter(|sum| *sum != 0).map(|sum| sum.to_string()),
        "concat-retract" => Some(format!("{state}{}{}", if sign > 0 { '+' } else { '-' }, printed(&value))),
        "null-on" if value.as_deref() == Some(&f.arg) => None,
        "fail-on" if value.as_deref() == Some(&f.arg) => return Err(boom(&f.arg)),
        "null-on" | "fail-on" => Some(state + printed(&value)),
        other => return Err(format!("unknown aggregator {other}")),
    })
}
