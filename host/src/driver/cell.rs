//! Keys and values as case files write them.

use crate::record::hex;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// A key or value: text, or bytes in another notation. Null is a field that is left out.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(untagged, expecting = "write text, { json = ... }, { i64 = 1 } (eight bytes) or { hex = \"00ff\" }")]
pub enum Wanted {
    /// UTF-8.
    Text(String),
    /// Another notation.
    Noted(Notation),
}

/// Notations of bytes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Notation {
    /// JSON; expected JSON is compared by its meaning, not by its text.
    Json(Value),
    /// Eight bytes, big-endian: what Kafka's `LongSerializer` writes.
    I64(i64),
    /// Bytes, two digits each.
    Hex(String),
}

impl Wanted {
    /// The bytes that it stands for.
    ///
    /// # Errors
    /// If hexadecimal digits are none.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Noted(Notation::Json(value)) => Ok(value.to_string().into_bytes()),
            Self::Noted(Notation::I64(number)) => Ok(number.to_be_bytes().to_vec()),
            Self::Noted(Notation::Hex(digits)) => {
                hex::decode(digits).ok_or_else(|| format!("{digits:?} is no even number of hexadecimal digits"))
            }
        }
    }

    /// What stands for these bytes and no others.
    pub(super) fn exactly(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Noted(Notation::Hex(hex::encode(bytes))),
        }
    }

    /// As it is written.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Noted(Notation::Json(value)) => format!("{{ json = {} }}", inline(value)),
            Self::Noted(Notation::I64(number)) => format!("{{ i64 = {number} }}"),
            Self::Noted(Notation::Hex(digits)) => format!("{{ hex = \"{digits}\" }}"),
        }
    }

    /// Whether bytes are what it stands for.
    pub fn fits(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Noted(Notation::Json(value)) => {
                serde_json::from_slice::<Value>(bytes).is_ok_and(|found| found == *value)
            }
            other => other.bytes().is_ok_and(|wanted| wanted == bytes),
        }
    }
}

/// Bytes as a case file would write them, in the notation of `like` if they can be; else as text, as an integer if they
/// are eight bytes that are no printable text, else as hexadecimal digits.
pub(super) fn noted(bytes: &[u8], like: Option<&Wanted>) -> String {
    if let Some(Wanted::Noted(Notation::Json(_))) = like
        && let Ok(value) = serde_json::from_slice::<Value>(bytes)
    {
        return format!("{{ json = {} }}", inline(&value));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t') => quoted(text),
        _ => match bytes.first_chunk().filter(|_| bytes.len() == 8) {
            Some(eight) => format!("{{ i64 = {} }}", i64::from_be_bytes(*eight)),
            None => format!("{{ hex = \"{}\" }}", hex::encode(bytes)),
        },
    }
}

/// A JSON value as TOML on one line. Nulls, which TOML has not, keep their word: the text is then for people only.
fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| format!("{} = {}", quoted(name), inline(value));
            format!("{{ {} }}", members.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A basic string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        // Writing into a string does not fail.
        let _ = match letter {
            '"' | '\\' => write!(out, "\\{letter}"),
            '\n' => out.write_str("\\n"),
            '\t' => out.write_str("\\t"),
            control if control.is_control() => write!(out, "\\u{:04x}", u32::from(control)),
            other => out.write_char(other),
        };
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn notations_come_back() {
        let reread = |noted: &str| -> Wanted {
            let mut table: std::collections::BTreeMap<String, Wanted> =
                toml::from_str(&format!("x = {noted}")).expect("it is TOML");
            table.remove("x").expect("x is there")
        };
        for bytes in
            [&b"text"[..], b"", b"a \"b\"\n\\", b"\x00\x00\x00\x00\x00\x00\x00\x07", b"\xff\x00", "é".as_bytes()]
        {
            assert_eq!(reread(&noted(bytes, None)).bytes().as_deref(), Ok(bytes));
        }
        let like = Wanted::Noted(Notation::Json(json!({})));
        let found = br#"{ "b": [1, "x"], "a": {"c": true} }"#;
        assert!(reread(&noted(found, Some(&like))).fits(found));
    }

    #[test]
    fn json_is_compared_by_meaning() {
        let wanted = Wanted::Noted(Notation::Json(json!({ "a": 1, "b": 2 })));
        assert!(wanted.fits(br#"{"b":2, "a":1}"#));
        assert!(!wanted.fits(br#"{"b":2}"#));
        assert!(!wanted.fits(b"a"));
    }

    #[test]
    fn odd_digits_are_refused() {
        assert!(Wanted::Noted(Notation::Hex("abc".into())).bytes().is_err());
        assert!(Wanted::Noted(Notation::Hex("+1".into())).bytes().is_err());
    }
}
