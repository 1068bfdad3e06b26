//! Numbers for names, given once and kept: keys begin with them.

use super::{Db, Family};
use crate::store::{StoreError, Writes};
use std::sync::PoisonError;

/// Before a name in the meta family.
const NUMBER: &[u8] = b"number/";

impl Db {
    /// The number of a name, if it was given one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn known_number(&self, name: &str) -> Result<Option<u32>, StoreError> {
        let number = self.get(Family::Meta, &number_key(name))?.and_then(|bytes| bytes.first_chunk().copied());
        Ok(number.map(u32::from_be_bytes))
    }

    /// Names that begin with `prefix` and have a number, in byte order.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn numbered(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (from, mut names) = (number_key(prefix), Vec::new());
        self.scan(Family::Meta, &from, false, |key, _| {
            let name = key.strip_prefix(NUMBER).filter(|_| key.starts_with(&from));
            names.extend(name.map(|name| String::from_utf8_lossy(name).into_owned()));
            name.is_some()
        })?;
        Ok(names)
    }

    /// Lets a name go: if it comes again it gets another number, and nothing of the old one is taken for its own.
    pub fn forget_number(writes: &mut Writes, name: &str) {
        writes.delete(Family::Meta, number_key(name));
    }

    /// A number for a name, given once and kept.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn number(&self, name: &str) -> Result<u32, StoreError> {
        let _giving = self.inner.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = self.known_number(name)? {
            return Ok(number);
        }
        let last = self.get(Family::Meta, b"last-number")?.and_then(|bytes| bytes.first_chunk().copied());
        let number = last.map_or(0, u32::from_be_bytes) + 1;
        let mut writes = Writes::default();
        writes.put(Family::Meta, number_key(name), number.to_be_bytes());
        writes.put(Family::Meta, b"last-number", number.to_be_bytes());
        self.apply(&writes, true)?;
        crate::killpoint::pass("number-given");
        Ok(number)
    }
}

fn number_key(name: &str) -> Vec<u8> {
    [NUMBER, name.as_bytes()].concat()
}
