//! How keys and values are shown and read: kcat's `-s`.

use crate::record::hex;
use serde_json::{Value, json};

/// A notation of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Notation {
    /// As they are.
    #[default]
    Text,
    /// Two digits a byte.
    Hex,
    /// An integer of so many bytes.
    Integer { bytes: usize, signed: bool, little: bool },
}

/// Notations of keys and values.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cli) struct Notations {
    pub(in crate::cli) key: Notation,
    pub(in crate::cli) value: Notation,
}

/// One `-s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Said {
    part: Option<Part>,
    notation: Notation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Key,
    Value,
}

impl Said {
    /// Reads `q`, `key=q`, `value=<i`.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let (part, notation) = match text.split_once('=') {
            Some(("key", notation)) => (Some(Part::Key), notation),
            Some(("value", notation)) => (Some(Part::Value), notation),
            Some((other, _)) => {
                return Err(format!("MS-C006: {other:?} is neither key nor value; write key=q or value=q"));
            }
            None => (None, text),
        };
        Ok(Self { part, notation: Notation::parse(notation)? })
    }
}

impl Notations {
    /// All `-s` together; later ones win.
    pub(in crate::cli) fn of(said: &[Said]) -> Self {
        let mut notations = Self::default();
        for said in said {
            if said.part != Some(Part::Value) {
                notations.key = said.notation;
            }
            if said.part != Some(Part::Key) {
                notations.value = said.notation;
            }
        }
        notations
    }
}

impl Notation {
    fn parse(text: &str) -> Result<Self, String> {
        let (little, letter) = match text.strip_prefix('<') {
            Some(letter) => (true, letter),
            None => (false, text.strip_prefix('>').unwrap_or(text)),
        };
        let bytes = match letter.to_ascii_lowercase().as_str() {
            "b" => 1,
            "h" => 2,
            "i" => 4,
            "q" => 8,
            "s" if text == "s" => return Ok(Self::Text),
            "hex" if text == "hex" => return Ok(Self::Hex),
            _ => {
                return Err(format!(
                    "MS-C006: there is no notation {text:?}; write s (text), hex, or b, h, i, q (integers of 1, 2, 4, 8 bytes; capitals unsigned, < before it little-endian)"
                ));
            }
        };
        Ok(Self::Integer { bytes, signed: letter.chars().all(char::is_lowercase), little })
    }

    /// Appends the bytes in this notation.
    ///
    /// # Errors
    /// If they are not of its length.
    pub(in crate::cli) fn write(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Text => out.extend_from_slice(bytes),
            Self::Hex => out.extend_from_slice(hex::encode(bytes).as_bytes()),
            Self::Integer { .. } => out.extend_from_slice(self.integer(bytes)?.to_string().as_bytes()),
        }
        Ok(())
    }

    /// The bytes as JSON: text that is no UTF-8 as an object with its hexadecimal digits.
    ///
    /// # Errors
    /// If they are not of its length.
    pub(in crate::cli) fn json(self, bytes: &[u8]) -> Result<Value, String> {
        Ok(match self {
            Self::Text => std::str::from_utf8(bytes).map_or_else(|_| json!({ "hex": hex::encode(bytes) }), Value::from),
            Self::Hex => Value::from(hex::encode(bytes)),
            Self::Integer { signed: true, .. } => i64::try_from(self.integer(bytes)?).map_or(Value::Null, Value::from),
            Self::Integer { .. } => u64::try_from(self.integer(bytes)?).map_or(Value::Null, Value::from),
        })
    }

    fn integer(self, given: &[u8]) -> Result<i128, String> {
        let Self::Integer { bytes, signed, little } = self else { return Err("it is no integer".into()) };
        if given.len() != bytes {
            return Err(format!("it has {} bytes, and the notation takes {bytes}", given.len()));
        }
        let fold = |number: u64, byte: &u8| (number << 8) | u64::from(*byte);
        let raw = if little { given.iter().rev().fold(0, fold) } else { given.iter().fold(0, fold) };
        let unused = 64 - 8 * bytes;
        Ok(if signed { i128::from((raw << unused).cast_signed() >> unused) } else { i128::from(raw) })
    }

    /// The bytes that a text in this notation stands for.
    ///
    /// # Errors
    /// If it stands for none.
    pub(in crate::cli) fn read(self, text: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Text => Ok(text.as_bytes().to_vec()),
            Self::Hex => hex::decode(text).ok_or_else(|| format!("{text:?} is no even number of hexadecimal digits")),
            Self::Integer { bytes, signed, little } => {
                let bits = 8 * bytes;
                let (low, high) =
                    if signed { (-(1i128 << (bits - 1)), 1i128 << (bits - 1)) } else { (0, 1i128 << bits) };
                let number = text.parse::<i128>().ok().filter(|number| (low..high).contains(number));
                let number = number.ok_or_else(|| format!("{text:?} is no integer from {low} to {}", high - 1))?;
                let mut all = number.to_le_bytes().get(..bytes).unwrap_or_default().to_vec();
                if !little {
                    all.reverse();
                }
                Ok(all)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(notation: &str, bytes: &[u8]) -> Result<String, String> {
        let mut out = Vec::new();
        Notation::parse(notation)?.write(bytes, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn integers_are_read_as_kcat_does() {
        assert_eq!(shown("q", &[0, 0, 0, 0, 0, 0, 1, 2]).as_deref(), Ok("258"));
        assert_eq!(shown("<q", &[1, 2, 0, 0, 0, 0, 0, 0x80]).as_deref(), Ok("-9223372036854775295"));
        assert_eq!(shown("i", &[0xff; 4]).as_deref(), Ok("-1"));
        assert_eq!(shown("I", &[0xff; 4]).as_deref(), Ok("4294967295"));
        assert_eq!(shown("Q", &[0xff; 8]).as_deref(), Ok("18446744073709551615"));
        assert_eq!(shown("b", &[0x80]).as_deref(), Ok("-128"));
        assert_eq!(shown("hex", &[0, 0xab]).as_deref(), Ok("00ab"));
        assert_eq!(shown("s", b"plain").as_deref(), Ok("plain"));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        assert!(shown("q", &[1]).is_err());
        for wrong in ["z", "", "qq", "<s", ">hex"] {
            assert!(Notation::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(Said::parse("foot=q").is_err());
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for (notation, bytes) in [("q", vec![0xff; 8]), ("<h", vec![1, 0]), ("hex", vec![7, 255]), ("B", vec![200])] {
            let text = shown(notation, &bytes).expect("it fits");
            assert_eq!(Notation::parse(notation).expect("there is one").read(&text), Ok(bytes));
        }
        assert!(Notation::parse("b").expect("there is one").read("128").is_err());
    }
}
