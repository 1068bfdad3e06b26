//! What functions return.

use std::fmt::Display;

/// Length of a null field.
pub(crate) const NULL: u32 = 0xffff_ffff;
/// Length of a field that is as before.
pub(crate) const SAME: u32 = 0xffff_fffe;

/// A key or a value: bytes, text, an option of those (none is null), or a result (an error fails the record).
pub trait Field {
    /// Appends the field and returns its length.
    ///
    /// # Errors
    /// The record fails, with this reason.
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String>;
}

impl Field for &[u8] {
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String> {
        bytes.extend_from_slice(self);
        u32::try_from(self.len()).map_err(|_| "a field of 4 GiB or more".into())
    }
}

impl Field for &str {
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String> {
        self.as_bytes().write(bytes)
    }
}

impl Field for String {
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String> {
        self.as_bytes().write(bytes)
    }
}

impl Field for Vec<u8> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String> {
        self.as_slice().write(bytes)
    }
}

impl<F: Field> Field for Option<F> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String> {
        self.map_or(Ok(NULL), |field| field.write(bytes))
    }
}

impl<F: Field, E: Display> Field for Result<F, E> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<u32, String> {
        self.map_err(|error| error.to_string())?.write(bytes)
    }
}

/// Yes or no, or an error that fails the record.
pub trait Verdict {
    /// The verdict.
    ///
    /// # Errors
    /// The record fails, with this reason.
    fn verdict(self) -> Result<bool, String>;
}

impl Verdict for bool {
    fn verdict(self) -> Result<bool, String> {
        Ok(self)
    }
}

impl<E: Display> Verdict for Result<bool, E> {
    fn verdict(self) -> Result<bool, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Nothing, or an error that fails the record; or a key and a value.
pub trait Pair {
    /// Appends key and value and returns their lengths.
    ///
    /// # Errors
    /// The record fails, with this reason.
    fn write(self, bytes: &mut Vec<u8>) -> Result<(u32, u32), String>;
}

impl<K: Field, V: Field> Pair for (K, V) {
    fn write(self, bytes: &mut Vec<u8>) -> Result<(u32, u32), String> {
        Ok((self.0.write(bytes)?, self.1.write(bytes)?))
    }
}

impl<K: Field, V: Field, E: Display> Pair for Result<(K, V), E> {
    fn write(self, bytes: &mut Vec<u8>) -> Result<(u32, u32), String> {
        self.map_err(|error| error.to_string())?.write(bytes)
    }
}

/// What a function that only looks, or only fills an [`crate::Out`], returns.
pub trait Done {
    /// Whether it went well.
    ///
    /// # Errors
    /// The record fails, with this reason.
    fn done(self) -> Result<(), String>;
}

impl Done for () {
    fn done(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> Done for Result<(), E> {
    fn done(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
