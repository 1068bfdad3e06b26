//! What the values of a store are, as its app says: a text that is kept beside it, for all its partitions.

use super::{KeyValueStore, number_of};
use crate::store::{Db, Family, StoreError, Writes};

impl KeyValueStore {
    /// What the values of a store were when it was last used; none if that was never noted.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn layout(db: &Db, app: &str, name: &str) -> Result<Option<String>, StoreError> {
        let stored = db.get(Family::Meta, &layout_key(app, name))?;
        Ok(stored.map(|text| String::from_utf8_lossy(&text).into_owned()))
    }

    /// Notes what its values are from now on.
    pub fn note_layout(writes: &mut Writes, app: &str, name: &str, layout: &str) {
        writes.put(Family::Meta, layout_key(app, name), layout);
    }

    /// Notes that nobody knows what its values are: it has none.
    pub(super) fn forget_layout(writes: &mut Writes, app: &str, name: &str) {
        writes.delete(Family::Meta, layout_key(app, name));
    }

    /// Number of partitions up to the last one with committed rows; 0 if there is none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn held(db: &Db, app: &str, name: &str) -> Result<i32, StoreError> {
        let Some(number) = db.known_number(&number_of(app, name))? else { return Ok(0) };
        let (from, to) = (number.to_be_bytes(), number.saturating_add(1).to_be_bytes());
        let mut held = 0;
        db.walk(Family::KeyValue, &from, Some(&to), true, |key, _| {
            let partition = key.get(from.len()..).and_then(<[u8]>::first_chunk).copied().map(i32::from_be_bytes);
            held = partition.map_or(0, |partition| partition.saturating_add(1));
            false
        })?;
        Ok(held)
    }
}

/// Where the text is kept.
fn layout_key(app: &str, name: &str) -> Vec<u8> {
    format!("layout/{app}/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Settings;

    #[test]
    fn a_store_knows_its_values_and_whether_there_are_any() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let about =
            |name| (KeyValueStore::layout(&db, "app", name).unwrap(), KeyValueStore::held(&db, "app", name).unwrap());
        for name in ["a", "b"] {
            KeyValueStore::open(&db, "app", name, 0).unwrap();
        }
        let mut writes = Writes::default();
        KeyValueStore::note_layout(&mut writes, "app", "b", "table");
        KeyValueStore::open(&db, "app", "b", 2).unwrap().load(&mut writes, b"key", 0, Some(b""));
        db.apply(&writes, false).unwrap();
        assert_eq!(about("a"), (None, 0));
        assert_eq!(about("b"), (Some("table".into()), 3));
        assert_eq!(about("c"), (None, 0), "it was never opened");
    }
}
