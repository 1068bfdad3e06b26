//! The functions of the conformance cases. Everything is text; `printed` null is the word `null`.

mod folds;

use folds::{Fold, reduce, subtract};
use millstream::{Out, Record};
use serde::Deserialize;

/// Which function, and its argument.
#[derive(Deserialize)]
struct Function {
    #[serde(rename = "fn")]
    name: String,
    #[serde(default)]
    arg: String,
}

impl Function {
    fn identity() -> Self {
        Self { name: "identity".into(), arg: String::new() }
    }
}

/// Functions of key and value.
#[derive(Deserialize)]
struct Both {
    key: Function,
    #[serde(default = "Function::identity")]
    value: Function,
}

type Text = Option<String>;

fn text(bytes: Option<&[u8]>) -> Text {
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn printed(text: &Text) -> &str {
    text.as_deref().unwrap_or("null")
}

fn int(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn boom(what: &str) -> String {
    format!("boom: {what}")
}

fn field(value: &Text, n: &str) -> Text {
    value.as_deref()?.split(',').nth(n.parse().ok()?).map(str::to_owned)
}

fn value_of(name: &str, arg: &str, key: &Text, value: Text) -> Result<Text, String> {
    Ok(match name {
        "identity" => value,
        "upper" => value.map(|value| value.to_uppercase()),
        "length" => value.map(|value| value.len().to_string()),
        "with-key" => Some(format!("{}={}", printed(key), printed(&value))),
        "append" => value.map(|value| value + arg),
        "prefix" => value.map(|value| format!("{arg}{value}")),
        "constant" => Some(arg.into()),
        "null-if" => value.filter(|value| value != arg),
        "default" => Some(value.unwrap_or_else(|| arg.into())),
        "field" => field(&value, arg),
        "fail-if" => match value {
            Some(value) if value.contains(arg) => return Err(boom(&value)),
            value => value,
        },
        other => return Err(format!("unknown value mapper {other}")),
    })
}

fn key_of(name: &str, arg: &str, key: Text, value: &Text) -> Result<Text, String> {
    Ok(match name {
        "identity" => key,
        "value-as-key" => value.clone(),
        "first-char-of-value" => value.as_deref().and_then(|value| value.chars().next()).map(String::from),
        "null" => None,
        "constant" => Some(arg.into()),
        "append" => key.map(|key| key + arg),
        "field" => field(value, arg),
        other => return Err(format!("unknown key mapper {other}")),
    })
}

fn map_values(f: &Function, record: Record<'_>) -> Result<Text, String> {
    value_of(&f.name, &f.arg, &text(record.key), text(record.value))
}

fn peek(f: &Function, record: Record<'_>) -> Result<(), String> {
    map_values(f, record).map(|_| ())
}

fn select_key(f: &Function, record: Record<'_>) -> Result<Text, String> {
    key_of(&f.name, &f.arg, text(record.key), &text(record.value))
}

fn map(f: &Both, record: Record<'_>) -> Result<(Text, Text), String> {
    let (key, value) = (text(record.key), text(record.value));
    let new_key = key_of(&f.key.name, &f.key.arg, key.clone(), &value)?;
    Ok((new_key, value_of(&f.value.name, &f.value.arg, &key, value)?))
}

fn filter(f: &Function, record: Record<'_>) -> Result<bool, String> {
    let value = text(record.value);
    Ok(match f.name.as_str() {
        "always" => true,
        "never" => false,
        "not-null" => value.is_some(),
        "key-not-null" => record.key.is_some(),
        "value-contains" => value.is_some_and(|value| value.contains(&f.arg)),
        "key-is" => text(record.key).is_some_and(|key| key == f.arg),
        "number-greater" => {
            value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|number| number > int(Some(&f.arg)))
        }
        "fail-if" => match value {
            Some(value) if value.contains(&f.arg) => return Err(boom(&value)),
            _ => true,
        },
        other => return Err(format!("unknown predicate {other}")),
    })
}

fn flat(f: &Function, record: Record<'_>) -> Result<Vec<(Text, Text)>, String> {
    let (key, value) = (text(record.key), text(record.value));
    let words = value.iter().flat_map(|value| value.split(' ')).filter(|word| !word.is_empty());
    Ok(match f.name.as_str() {
        "split-words" => words.map(|word| (key.clone(), Some(word.into()))).collect(),
        "words-as-keys" => words.map(|word| (Some(word.into()), Some("1".into()))).collect(),
        "repeat" => {
            let numbered = |n| value.as_ref().map(|value| format!("{value}#{n}"));
            (0..int(Some(&f.arg))).map(|n| (key.clone(), numbered(n))).collect()
        }
        "drop" => Vec::new(),
        other => return Err(format!("unknown flat mapper {other}")),
    })
}

fn flat_map(f: &Function, record: Record<'_>, out: &mut Out) -> Result<(), String> {
    flat(f, record)?.into_iter().for_each(|(key, value)| out.pair(key, value));
    Ok(())
}

fn flat_map_values(f: &Function, record: Record<'_>, out: &mut Out) -> Result<(), String> {
    flat(f, record)?.into_iter().for_each(|(_, value)| out.value(value));
    Ok(())
}

fn extract_topic(f: &Function, record: Record<'_>) -> Result<String, String> {
    let value = text(record.value);
    match f.name.as_str() {
        "by-key" => Ok(format!("{}{}", f.arg, printed(&text(record.key)))),
        "by-first-char" => {
            Ok(format!("{}{}", f.arg, printed(&value).chars().next().map(String::from).unwrap_or_default()))
        }
        other => Err(format!("unknown topic extractor {other}")),
    }
}

millstream::plugin! {
    filter "filter" (Function) = filter;
    map_values "map-values" (Function) = map_values;
    map "map" (Both) = map;
    flat_map "flat-map" (Function) = flat_map;
    flat_map_values "flat-map-values" (Function) = flat_map_values;
    select_key "select-key" (Function) = select_key;
    peek "peek" (Function) = peek;
    extract_topic "extract-topic" (Function) = extract_topic;
    reduce "reduce" (Function) = reduce, subtract = subtract;
    aggregate "aggregate" (Function) = Fold;
}
