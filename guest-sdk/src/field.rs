//! What functions return.

use crate::Failed;
use serde::Serialize;
use std::borrow::Cow;
use std::fmt;
use std::io::Write;

/// Length of a null field.
pub(crate) const NULL: u32 = 0xffff_ffff;
/// Length of a field that is as before.
pub(crate) const SAME: u32 = 0xffff_fffe;

/// A key or a value: bytes, text, numbers as Kafka's serializers write them (big-endian), [`Json`], an option of those
/// (none is null), or a result (an error fails the record).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no key or value",
    label = "bytes, text, i64, i32, f64, f32, Json(..), an option of those or a result is needed"
)]
pub trait Field {
    /// Appends the field; says whether it is there: false is null.
    ///
    /// # Errors
    /// The record fails.
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed>;
}

/// A value written as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize> Field for Json<T> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        serde_json::to_writer(bytes, &self.0)?;
        Ok(true)
    }
}

macro_rules! fields {
    ($($type:ty, |$value:ident| $bytes:expr;)+) => { $(
        impl Field for $type {
            #[inline]
            fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
                let $value = self;
                bytes.extend_from_slice($bytes.as_ref());
                Ok(true)
            }
        }
    )+ };
}

fields! {
    &[u8], |value| value;
    Vec<u8>, |value| value;
    &Vec<u8>, |value| value;
    Cow<'_, [u8]>, |value| value;
    &str, |value| value.as_bytes();
    String, |value| value.as_bytes();
    &String, |value| value.as_bytes();
    Cow<'_, str>, |value| value.as_bytes();
    i64, |value| value.to_be_bytes();
    i32, |value| value.to_be_bytes();
    f64, |value| value.to_be_bytes();
    f32, |value| value.to_be_bytes();
}

impl<const N: usize> Field for [u8; N] {
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        self.as_slice().write(bytes)
    }
}

impl<const N: usize> Field for &[u8; N] {
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        self.as_slice().write(bytes)
    }
}

/// Text put together in place: `out.value(format_args!("{key} {count}"))`.
impl Field for fmt::Arguments<'_> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        bytes.write_fmt(self)?;
        Ok(true)
    }
}

impl<F: Field> Field for Option<F> {
    #[inline]
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        self.map_or(Ok(false), |field| field.write(bytes))
    }
}

impl<F: Field, E: Into<Failed>> Field for Result<F, E> {
    #[inline]
    fn write(self, bytes: &mut Vec<u8>) -> Result<bool, Failed> {
        self.map_err(Into::into)?.write(bytes)
    }
}

/// Appends a field and gives its length in a column. The bytes of a failed field stay until the record is undone.
#[inline]
pub(crate) fn append(field: impl Field, bytes: &mut Vec<u8>) -> Result<u32, Failed> {
    let before = bytes.len();
    if !field.write(bytes)? {
        return Ok(NULL);
    }
    let length = u32::try_from(bytes.len() - before).ok().filter(|length| *length < SAME);
    Ok(length.ok_or("a field of 4 GiB")?)
}

/// Yes or no, or an error that fails the record.
#[diagnostic::on_unimplemented(message = "a filter answers with a bool or a `Result<bool, _>`, not `{Self}`")]
pub trait Verdict {
    /// The verdict.
    ///
    /// # Errors
    /// The record fails.
    fn verdict(self) -> Result<bool, Failed>;
}

impl Verdict for bool {
    fn verdict(self) -> Result<bool, Failed> {
        Ok(self)
    }
}

impl<E: Into<Failed>> Verdict for Result<bool, E> {
    fn verdict(self) -> Result<bool, Failed> {
        self.map_err(Into::into)
    }
}

/// An event time, or an error that fails the record.
#[diagnostic::on_unimplemented(message = "a timestamp is an i64 or a `Result<i64, _>`, not `{Self}`")]
pub trait EventTime {
    /// The time, milliseconds since the Unix epoch; negative: the record is dropped.
    ///
    /// # Errors
    /// The record fails.
    fn event_time(self) -> Result<i64, Failed>;
}

impl EventTime for i64 {
    fn event_time(self) -> Result<i64, Failed> {
        Ok(self)
    }
}

impl<E: Into<Failed>> EventTime for Result<i64, E> {
    fn event_time(self) -> Result<i64, Failed> {
        self.map_err(Into::into)
    }
}

/// A key and a value, or an error that fails the record.
#[diagnostic::on_unimplemented(message = "a map answers with a pair `(key, value)` or a result of one, not `{Self}`")]
pub trait Pair {
    /// Appends both and gives their lengths in the columns.
    ///
    /// # Errors
    /// The record fails.
    fn write(self, bytes: &mut Vec<u8>) -> Result<(u32, u32), Failed>;
}

impl<K: Field, V: Field> Pair for (K, V) {
    fn write(self, bytes: &mut Vec<u8>) -> Result<(u32, u32), Failed> {
        Ok((append(self.0, bytes)?, append(self.1, bytes)?))
    }
}

impl<K: Field, V: Field, E: Into<Failed>> Pair for Result<(K, V), E> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<(u32, u32), Failed> {
        self.map_err(Into::into)?.write(bytes)
    }
}

/// What a function returns that only looks, or only fills an [`crate::Out`]: nothing, or an error that fails the record.
#[diagnostic::on_unimplemented(message = "this function returns nothing or a `Result<(), _>`, not `{Self}`")]
pub trait Done {
    /// Whether it went well.
    ///
    /// # Errors
    /// The record fails.
    fn done(self) -> Result<(), Failed>;
}

impl Done for () {
    fn done(self) -> Result<(), Failed> {
        Ok(())
    }
}

impl<E: Into<Failed>> Done for Result<(), E> {
    fn done(self) -> Result<(), Failed> {
        self.map_err(Into::into)
    }
}
