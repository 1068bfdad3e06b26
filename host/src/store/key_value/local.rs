//! How a store's local state stands to its changelog, and how it is changed without a transaction of its own: restored,
//! or thrown away.

use super::{KeyValueStore, number_of};
use crate::record::{Offset, Timestamp};
use crate::store::{Db, Family, StoreError, Writes};

/// Before the number and partition of a store in the meta family.
const CHECKPOINT: &[u8] = b"checkpoint/";

/// How local state stands to the changelog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    /// It holds what the changelog says before this offset: Kafka Streams' checkpoint.
    Current(Offset),
    /// It was changed without a changelog: it is right, and the changelog, if there is one, is not.
    Unlogged,
    /// There is nothing here, or nothing that is known to belong to a changelog.
    Unknown,
}

impl KeyValueStore {
    /// Where the checkpoint is kept, for [`crate::transport::Transaction::checkpoints`].
    pub fn checkpoint_key(&self) -> Vec<u8> {
        [CHECKPOINT, &self.prefix].concat()
    }

    /// The checkpoint as it lies there; none if there is none, or the state was changed without a changelog.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn checkpoint(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let logged = matches!(self.local()?, Local::Current(_));
        Ok(if logged { self.db.get(Family::Meta, &self.checkpoint_key())? } else { None })
    }

    /// How its local state stands to its changelog.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn local(&self) -> Result<Local, StoreError> {
        let stored = self.db.get(Family::Meta, &self.checkpoint_key())?;
        let Some(bytes) = stored.and_then(|bytes| bytes.first_chunk().copied()) else { return Ok(Local::Unknown) };
        let offset = i64::from_be_bytes(bytes);
        Ok(if offset < 0 { Local::Unlogged } else { Local::Current(Offset::new(offset)) })
    }

    /// Notes that it is changed without a changelog from now on, unless that is known.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn unlog(&self, writes: &mut Writes) -> Result<(), StoreError> {
        if self.local()? != Local::Unlogged {
            self.note(writes, Offset::new(-1));
        }
        Ok(())
    }

    /// Notes that it holds what the changelog says before `offset`.
    pub fn note(&self, writes: &mut Writes, offset: Offset) {
        writes.put(Family::Meta, self.checkpoint_key(), offset.get().to_be_bytes());
    }

    /// Whether nothing is committed.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        let mut empty = true;
        self.stored(&[], None, false, &mut |_, _, _| {
            empty = false;
            false
        })?;
        Ok(empty)
    }

    /// Whether a key is committed.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn holds(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.db.get(Family::KeyValue, &self.full(key))?.is_some())
    }

    /// Writes a changelog's record into the local state, past the open transaction, which must be empty.
    pub fn load(&self, writes: &mut Writes, key: &[u8], timestamp: Timestamp, value: Option<&[u8]>) {
        let key = [&self.prefix[..], key];
        match value {
            Some(value) => writes.put_parts(Family::KeyValue, &key, &[&timestamp.to_be_bytes(), value]),
            None => writes.delete_parts(Family::KeyValue, &key),
        }
    }

    /// Deletes the local state and what is known of it, at once, however much it is.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn reset(&mut self) -> Result<(), StoreError> {
        let mut writes = Writes::default();
        writes.delete(Family::Meta, self.checkpoint_key());
        let end = u64::from_be_bytes(self.prefix).saturating_add(1).to_be_bytes();
        self.db.clear(Family::KeyValue, &self.prefix, &end, &writes)?;
        self.rollback();
        Ok(())
    }

    /// Names of the stores that an app has had here.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn names(db: &Db, app: &str) -> Result<Vec<String>, StoreError> {
        let prefix = number_of(app, "");
        let names = db.numbered(&prefix)?.into_iter();
        Ok(names.filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).collect())
    }

    /// Deletes all partitions of a store and what is known of them, at once.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn drop_all(db: &Db, app: &str, name: &str) -> Result<(), StoreError> {
        let Some(number) = db.known_number(&number_of(app, name))? else { return Ok(()) };
        let (from, to) = (number.to_be_bytes(), number.saturating_add(1).to_be_bytes());
        let mut writes = Writes::default();
        let checkpoints = [CHECKPOINT, &from].concat();
        db.scan(Family::Meta, &checkpoints, false, |key, _| {
            let own = key.starts_with(&checkpoints);
            if own {
                writes.delete(Family::Meta, key);
            }
            own
        })?;
        Self::forget_layout(&mut writes, app, name);
        db.clear(Family::KeyValue, &from, &to, &writes)
    }

    /// Number of committed rows.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn count(&self) -> Result<u64, StoreError> {
        let mut rows = 0;
        self.stored(&[], None, false, &mut |_, _, _| {
            rows += 1;
            true
        })?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Settings;

    #[test]
    fn a_store_is_dropped_with_all_its_partitions_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let mut writes = Writes::default();
        for (app, name) in [("app", "a"), ("app", "b"), ("app-2", "a")] {
            for partition in [0, 7] {
                let store = KeyValueStore::open(&db, app, name, partition).unwrap();
                store.load(&mut writes, b"key", 1, Some(b"value"));
                store.note(&mut writes, Offset::new(5));
            }
            KeyValueStore::note_layout(&mut writes, app, name, "table");
        }
        db.apply(&writes, false).unwrap();
        assert_eq!(KeyValueStore::names(&db, "app").unwrap(), ["a", "b"]);
        KeyValueStore::drop_all(&db, "app", "a").unwrap();
        KeyValueStore::drop_all(&db, "app", "none").unwrap();
        let about = |app, name| {
            let of = |partition| {
                let store = KeyValueStore::existing(&db, app, name, partition).unwrap().unwrap();
                (store.count().unwrap(), store.local().unwrap())
            };
            (of(0), of(7), KeyValueStore::layout(&db, app, name).unwrap())
        };
        let (gone, there) = ((0, Local::Unknown), (1, Local::Current(Offset::new(5))));
        assert_eq!(about("app", "a"), (gone, gone, None));
        for (app, name) in [("app", "b"), ("app-2", "a")] {
            assert_eq!(about(app, name), (there, there, Some("table".into())), "{app} {name}");
        }
    }
}
