//! Typed views of bytes: text, JSON, and numbers as Kafka's serializers write them.

use serde::Deserialize;
use std::fmt;

/// Bytes that are not what they were read as.
#[derive(Debug)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Malformed {}

/// Reads bytes, or an option of bytes such as a record's key or value, as something. Null is an error for all of them;
/// ask `is_some` first, or read a JSON `Option`, where null is to be expected.
pub trait Typed<'a>: Sized {
    /// The bytes.
    ///
    /// # Errors
    /// If they are null.
    fn bytes(self) -> Result<&'a [u8], Malformed>;

    /// UTF-8.
    ///
    /// # Errors
    /// If it is none.
    fn text(self) -> Result<&'a str, Malformed> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|error| Malformed(format!("no UTF-8 from byte {} on", error.valid_up_to())))
    }

    /// JSON.
    ///
    /// # Errors
    /// If it is none, or does not fit.
    fn json<T: Deserialize<'a>>(self) -> Result<T, Malformed> {
        serde_json::from_slice(self.bytes()?).map_err(|error| Malformed(format!("unexpected JSON: {error}")))
    }

    /// Eight big-endian bytes, as Kafka's `LongSerializer` writes them.
    ///
    /// # Errors
    /// If they are not eight.
    fn long(self) -> Result<i64, Malformed> {
        fixed(self.bytes()?).map(i64::from_be_bytes)
    }

    /// Four big-endian bytes, as Kafka's `IntegerSerializer` writes them.
    ///
    /// # Errors
    /// If they are not four.
    fn int(self) -> Result<i32, Malformed> {
        fixed(self.bytes()?).map(i32::from_be_bytes)
    }

    /// Eight big-endian bytes, as Kafka's `DoubleSerializer` writes them.
    ///
    /// # Errors
    /// If they are not eight.
    fn double(self) -> Result<f64, Malformed> {
        fixed(self.bytes()?).map(f64::from_be_bytes)
    }

    /// Four big-endian bytes, as Kafka's `FloatSerializer` writes them.
    ///
    /// # Errors
    /// If they are not four.
    fn float(self) -> Result<f32, Malformed> {
        fixed(self.bytes()?).map(f32::from_be_bytes)
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed(format!("{} bytes where {N} were expected", bytes.len())))
}

impl<'a> Typed<'a> for &'a [u8] {
    fn bytes(self) -> Result<&'a [u8], Malformed> {
        Ok(self)
    }
}

impl<'a> Typed<'a> for Option<&'a [u8]> {
    fn bytes(self) -> Result<&'a [u8], Malformed> {
        self.ok_or_else(|| Malformed("null where a value was expected".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::append;
    use crate::{Field, Json};

    fn written(field: impl Field) -> Vec<u8> {
        let mut bytes = Vec::new();
        append(field, &mut bytes).expect("it can be written");
        bytes
    }

    #[test]
    fn reads_what_it_writes_as_kafkas_serializers_do() {
        assert_eq!(written(-2_i64), [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(written(258_i32), [0, 0, 1, 2]);
        assert_eq!(written(-2_i64).as_slice().long().expect("a long"), -2);
        assert_eq!(written(258_i32).as_slice().int().expect("an int"), 258);
        assert_eq!(written(1.5_f64), 0x3ff8_0000_0000_0000_u64.to_be_bytes());
        assert!((written(-0.25_f64).as_slice().double().expect("a double") + 0.25).abs() < f64::EPSILON);
        assert!((written(1.5_f32).as_slice().float().expect("a float") - 1.5).abs() < f32::EPSILON);
        assert_eq!(written(Json(vec![1, 2])), b"[1,2]");
        assert_eq!(written(format_args!("{}-{}", 1, 2)), b"1-2");
        let numbers: Vec<u8> = b"[1,2]".as_slice().json().expect("numbers");
        assert_eq!(numbers, [1, 2]);
    }

    #[test]
    fn says_what_is_wrong() {
        let wrong = |result: Result<(), Malformed>| result.expect_err("wrong").to_string();
        assert_eq!(wrong(None.text().map(drop)), "null where a value was expected");
        assert_eq!(wrong(b"ab\xff".as_slice().text().map(drop)), "no UTF-8 from byte 2 on");
        assert_eq!(wrong(b"abc".as_slice().long().map(drop)), "3 bytes where 8 were expected");
        let json = wrong(b"{".as_slice().json::<Vec<u8>>().map(drop));
        assert!(json.starts_with("unexpected JSON: "), "{json}");
    }
}
