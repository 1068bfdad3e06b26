//! Deleting topics. A topic that is made again by the same name gets another number: nothing of the old one is found.

use super::keys::{OFFSET, clean_key, last_place, place, start_key, topic_number};
use super::{EmbeddedLog, spec};
use crate::record::{Offset, Partition, Topic, TopicPartition};
use crate::store::{Db, Family, StoreError, Writes};
use crate::transport::{Admin, Member, Transaction, Transport, TransportError};
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

impl Admin for EmbeddedLog {
    fn delete_topic(&mut self, name: &Topic) -> Result<(), TransportError> {
        let shared = Arc::clone(&self.shared);
        let _making = shared.making.lock().unwrap_or_else(PoisonError::into_inner);
        let _cleaning = shared.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        let _trimming = shared.trimming.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        let first = TopicPartition::new(name.clone(), Partition::new(0));
        let number = state.number(&first)?;
        let mut writes = Writes::default();
        writes.delete(Family::Meta, [spec::PREFIX, name.as_str().as_bytes()].concat());
        Db::forget_number(&mut writes, &topic_number(name));
        let spec = state.topics.get(name).map(|known| known.spec.clone());
        let partitions: Vec<_> = spec.iter().flat_map(|spec| spec.all_partitions()).collect();
        for partition in &partitions {
            writes.delete(Family::Meta, start_key(partition));
            writes.delete(Family::Meta, clean_key(partition));
        }
        self.visit_offsets(|key, _, topic| {
            if topic == name.as_str().as_bytes() {
                writes.delete(Family::Meta, key);
            }
        })?;
        let from = place(number, &first, Offset::new(0));
        let after = last_place(number, &TopicPartition::new(name.clone(), Partition::new(i32::MAX)));
        self.db.clear(Family::Log, &from, &after, &writes)?;
        state.topics.remove(name);
        for partition in &partitions {
            state.ends.remove(partition);
            state.starts.remove(partition);
            state.sizes.remove(partition);
        }
        Ok(())
    }

    fn groups(&mut self) -> Result<Vec<String>, TransportError> {
        let mut groups = BTreeSet::new();
        self.visit_offsets(|_, group, _| {
            groups.insert(String::from_utf8_lossy(group).into_owned());
        })?;
        Ok(groups.into_iter().collect())
    }

    /// Nobody: one process holds the data directory, and it is the one that asks.
    fn members(&mut self, _group: &str) -> Result<Vec<Member>, TransportError> {
        Ok(Vec::new())
    }

    fn move_group(&mut self, group: &str, offsets: &[(TopicPartition, Offset)]) -> Result<(), TransportError> {
        self.commit(group, &Transaction { offsets: offsets.to_vec(), ..Transaction::default() })
    }
}

impl EmbeddedLog {
    /// Visits what groups have committed: key, group, topic.
    fn visit_offsets(&self, mut visit: impl FnMut(&[u8], &[u8], &[u8])) -> Result<(), StoreError> {
        self.db.scan(Family::Meta, OFFSET, false, |key, _| {
            let Some(rest) = key.strip_prefix(OFFSET) else { return false };
            // Neither groups nor topics have a slash in their names.
            let mut parts = rest.split(|byte| *byte == b'/');
            if let (Some(group), Some(topic)) = (parts.next(), parts.next()) {
                visit(key, group, topic);
            }
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{append, batch, partition};
    use super::*;
    use crate::store::Settings;
    use crate::transport::TopicSpec;

    fn topic(name: &str) -> Topic {
        Topic::new(name)
    }

    fn other() -> TopicPartition {
        TopicPartition::new(topic("t2"), Partition::new(0))
    }

    /// Two topics of two partitions with a record each, and a group that has read both.
    fn filled(db: &Db) -> EmbeddedLog {
        let mut log = EmbeddedLog::open(db.clone(), false).unwrap();
        for name in ["t", "t2"] {
            log.create_topic(&TopicSpec::new(topic(name), 2)).unwrap();
        }
        append(&mut log, vec![(partition(0), batch(&["a", "b"], 1)), (partition(1), batch(&["c"], 1))]);
        append(&mut log, vec![(other(), batch(&["d"], 1))]);
        log.delete_records(&[(partition(0), Offset::new(2))]).unwrap();
        log.move_group(
            "g",
            &[(partition(0), Offset::new(2)), (partition(1), Offset::new(1)), (other(), Offset::new(1))],
        )
        .unwrap();
        log
    }

    fn is_gone(log: &mut EmbeddedLog) {
        assert_eq!(log.topics().unwrap(), [TopicSpec::new(topic("t2"), 2)]);
        assert!(matches!(log.bounds(&partition(0)), Err(TransportError::Unknown(_))));
        for group in ["g", "group"] {
            assert_eq!(log.committed(group, &partition(0)).unwrap(), None);
        }
        assert_eq!(log.committed("g", &other()).unwrap(), Some(Offset::new(1)));
        assert_eq!(log.groups().unwrap(), ["g"]);
        assert_eq!(log.bounds(&other()).unwrap(), (Offset::new(0), Offset::new(1)));
    }

    #[test]
    fn a_deleted_topic_is_gone_and_comes_back_empty() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let mut log = filled(&db);
        log.delete_topic(&topic("t")).unwrap();
        is_gone(&mut log);
        assert!(matches!(log.delete_topic(&topic("t")), Err(TransportError::Unknown(_))));
        let late = Transaction { outputs: vec![(partition(0), batch(&["late"], 1))], ..Transaction::default() };
        assert!(matches!(log.commit("g", &late), Err(TransportError::Unknown(_))));
        // As another process finds it.
        let mut log = EmbeddedLog::open(db.clone(), false).unwrap();
        is_gone(&mut log);
        let mut left = Vec::new();
        db.scan(Family::Log, &[], false, |key, _| {
            left.push(key.to_vec());
            true
        })
        .unwrap();
        assert_eq!(left.len(), 1, "the other topic's batch alone");
        log.create_topic(&TopicSpec::new(topic("t"), 1)).unwrap();
        assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(0), Offset::new(0)));
        append(&mut log, vec![(partition(0), batch(&["new"], 1))]);
        let mut log = EmbeddedLog::open(db, false).unwrap();
        assert_eq!(log.bounds(&partition(0)).unwrap(), (Offset::new(0), Offset::new(1)));
    }
}
