//! What a commit changes, gathered.

use super::Family;

/// What a write costs in a batch besides key and value, at most: its kind, its family, two lengths.
const WRITE_BYTES: usize = 12;

/// What a commit changes, to be applied at once. Keys and values lie one after the other in one buffer, so that a
/// commit of many small ones allocates little.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    all: Vec<Write>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    family: Family,
    key: usize,
    /// Length of the value; none: the key is deleted.
    value: Option<usize>,
}

impl Writes {
    /// Sets a value.
    pub fn put(&mut self, family: Family, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.put_parts(family, &[key.as_ref()], &[value.as_ref()]);
    }

    /// Sets a value; key and value are given in parts.
    pub fn put_parts(&mut self, family: Family, key: &[&[u8]], value: &[&[u8]]) {
        let (key, value) = (self.extend(key), self.extend(value));
        self.all.push(Write { family, key, value: Some(value) });
    }

    /// Deletes a value.
    pub fn delete(&mut self, family: Family, key: impl AsRef<[u8]>) {
        self.delete_parts(family, &[key.as_ref()]);
    }

    /// Deletes a value; the key is given in parts.
    pub fn delete_parts(&mut self, family: Family, key: &[&[u8]]) {
        let key = self.extend(key);
        self.all.push(Write { family, key, value: None });
    }

    fn extend(&mut self, parts: &[&[u8]]) -> usize {
        let before = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.len() - before
    }

    /// Takes the writes of another in, after its own.
    pub fn append(&mut self, other: &Self) {
        self.all.extend_from_slice(&other.all);
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// The writes, in their order: family, key, value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Family, &[u8], Option<&[u8]>)> {
        let mut rest = self.bytes.as_slice();
        let mut take = move |length: usize| {
            let (taken, after) = rest.split_at_checked(length).unwrap_or_default();
            rest = after;
            taken
        };
        self.all.iter().map(move |write| (write.family, take(write.key), write.value.map(&mut take)))
    }

    /// Bytes of keys and values.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that a batch of them takes at most.
    pub(super) const fn batch_bytes(&self) -> usize {
        self.bytes.len() + self.all.len() * WRITE_BYTES
    }

    /// Whether nothing is to be written.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
