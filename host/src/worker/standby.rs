//! Copies of other processes' tasks, kept up to date from their changelogs: who takes such a task over has little left to
//! restore.

use super::Worker;
use super::coming::forget_false_copy;
use super::pause::{OPENING, Pause};
use crate::operator::Stop;
use crate::record::{Offset, TopicPartition};
use crate::store::KeyValueStore;
use crate::task::{Need, Restore};
use crate::transport::{Transport, TransportError};
use std::time::{Duration, Instant};

/// Bytes of a changelog that are read and written into a copy at once: little enough that the tasks at work do not wait.
const COPY_BYTES: usize = 1 << 20;
/// Time after which the end of a changelog is asked for again: a question to the cluster, for each copy.
const END_IS_KNOWN: Duration = Duration::from_secs(1);

/// A copy of a task's stores.
pub(super) struct Standby {
    number: usize,
    /// None until they are open.
    stores: Option<Vec<Copy>>,
    /// Not looked at before it is over.
    pause: Pause,
}

struct Copy {
    store: KeyValueStore,
    changelog: TopicPartition,
    /// None until the changelog was looked at.
    restore: Option<Restore>,
    /// Where the changelog ended, and when that was; none until it was looked at.
    end: Option<(Offset, Instant)>,
}

impl Worker {
    /// Brings the copies a piece further. Says whether there was anything to do.
    pub(super) fn keep_copies(&mut self) -> Result<bool, Stop> {
        if let Some(tasks) = self.coordinator.standbys() {
            self.close_copies(|number| !tasks.contains(&number));
            let state = &mut self.state;
            let own = |task: &usize| {
                state.standbys.iter().all(|standby| standby.number != *task)
                    && state.tasks.iter().all(|owned| owned.number != *task)
                    && state.coming.iter().all(|coming| coming.number != *task)
            };
            let new: Vec<usize> = tasks.into_iter().filter(own).collect();
            state.standbys.extend(new.into_iter().map(|number| Standby {
                number,
                stores: None,
                pause: Pause::default(),
            }));
        }
        let progressed = self.bring_on_copies()?;
        if self.coordinator.waits_for_copies()
            && let Some(records) = self.copies_are_behind()?
        {
            self.coordinator.tell_behind(records);
        }
        Ok(progressed)
    }

    fn bring_on_copies(&mut self) -> Result<bool, Stop> {
        if self.state.standbys.is_empty() {
            return Ok(false);
        }
        let wanted: Vec<usize> = self.state.standbys.iter().map(|standby| standby.number).collect();
        let wanted: Vec<usize> = wanted.into_iter().filter(|number| self.maker.is_wanted(*number)).collect();
        self.close_copies(|number| wanted.contains(&number));
        let mut progressed = false;
        for place in 0..self.state.standbys.len() {
            match self.keep_copy(place) {
                Ok(found) => progressed |= found,
                Err(Stop::Transport(
                    TransportError::Retry(_) | TransportError::InDoubt(_) | TransportError::OutOfRange { .. },
                )) => {
                    self.look_again(place);
                    // The tasks at work do not wait for what a cluster does not answer for the next copy either.
                    break;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(progressed)
    }

    /// By how many records the worst copy is behind; none while that is not known of all.
    fn copies_are_behind(&mut self) -> Result<Option<u64>, Stop> {
        let Self { state, log, .. } = self;
        let mut worst = 0;
        for standby in &mut state.standbys {
            match standby.behind(log.as_mut()) {
                Ok(Some(records)) => worst = records.max(worst),
                Ok(None) | Err(Stop::Transport(TransportError::Retry(_))) => return Ok(None),
                Err(stop) => return Err(stop),
            }
        }
        Ok(Some(worst))
    }

    /// Closes the copies of these tasks.
    pub(super) fn close_copies(&mut self, which: impl Fn(usize) -> bool) {
        let Self { state, log, maker, .. } = self;
        for Standby { number, stores, .. } in state.standbys.extract_if(.., |standby| which(standby.number)) {
            for copy in stores.iter().flatten() {
                log.release(&copy.changelog);
            }
            drop(stores);
            maker.close(number);
        }
    }

    fn keep_copy(&mut self, place: usize) -> Result<bool, Stop> {
        let Self { state, log, maker, app, .. } = self;
        let Some(Standby { number, stores, pause }) = state.standbys.get_mut(place) else { return Ok(false) };
        if pause.lasts() {
            return Ok(false);
        }
        let stores = match stores {
            Some(stores) => stores,
            None => {
                let opened = maker.copy(*number)?.into_iter();
                let copy = |(store, changelog)| Copy { store, changelog, restore: None, end: None };
                stores.insert(opened.map(copy).collect())
            }
        };
        let mut progressed = false;
        for copy in stores {
            progressed |= copy.follow(app, log.as_mut())?;
        }
        pause.end();
        Ok(progressed)
    }

    /// Has a copy's changelogs looked at anew, a little later.
    fn look_again(&mut self, place: usize) {
        let Some(Standby { stores, pause, .. }) = self.state.standbys.get_mut(place) else { return };
        pause.grow(OPENING);
        for copy in stores.iter_mut().flatten() {
            (copy.restore, copy.end) = (None, None);
        }
    }
}

impl Standby {
    /// By how many records it is behind; none if that is not known.
    fn behind(&mut self, log: &mut dyn Transport) -> Result<Option<u64>, Stop> {
        let Some(stores) = self.stores.as_mut().filter(|_| !self.pause.lasts()) else { return Ok(None) };
        let mut sum = 0_u64;
        for copy in stores {
            let Some(records) = copy.behind(log, Instant::now())? else { return Ok(None) };
            sum = sum.saturating_add(records);
        }
        Ok(Some(sum))
    }
}

impl Copy {
    /// By how many records it is behind; none if the changelog was not looked at.
    fn behind(&mut self, log: &mut dyn Transport, now: Instant) -> Result<Option<u64>, Stop> {
        let Some((mut end, asked)) = self.end else { return Ok(None) };
        // Where nothing can be copied nothing is behind.
        let Some(position) = self.restore.as_ref().map(Restore::position) else { return Ok(Some(0)) };
        if now.duration_since(asked) >= END_IS_KNOWN {
            end = log.bounds(&self.changelog)?.1;
            self.end = Some((end, now));
        }
        Ok(Some(u64::try_from(end.get() - position.get()).unwrap_or(0)))
    }

    fn follow(&mut self, app: &str, log: &mut dyn Transport) -> Result<bool, Stop> {
        if self.restore.is_none() {
            let bounds = log.bounds(&self.changelog)?;
            forget_false_copy(&mut self.store, &self.changelog, log)?;
            if Restore::is_ahead(&self.store, bounds.1)? {
                let what = format!("{} ends at {}, before its copy", self.changelog, bounds.1);
                return Err(TransportError::Retry(what).into());
            }
            self.restore = Restore::follow(&mut self.store, self.changelog.clone(), bounds)?;
            self.end = Some((bounds.1, Instant::now()));
        }
        let Some(restore) = &mut self.restore else { return Ok(false) };
        let Some(Need::Batches(from)) = restore.need() else { return Ok(false) };
        let fetched = log.fetch(&self.changelog, from, COPY_BYTES)?;
        if restore.is_waiting(&fetched) {
            return Ok(false);
        }
        let transaction = restore.step(&self.store, fetched)?;
        log.commit(app, &transaction)?;
        crate::killpoint::pass("copy-after-step");
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::batch::{BatchBuilder, Compression};
    use crate::record::{Partition, Topic};
    use crate::store::{Db, Settings};
    use crate::transport::embedded::EmbeddedLog;
    use crate::transport::{TopicSpec, Transaction};

    fn append(log: &mut EmbeddedLog, changelog: &TopicPartition, records: usize) {
        let mut batch = BatchBuilder::new(Compression::None);
        (0..records).for_each(|_| batch.append(1, Some(b"key"), Some(b"value"), &[]));
        let outputs = vec![(changelog.clone(), batch.finish())];
        log.commit("app", &Transaction { outputs, ..Transaction::default() }).unwrap();
    }

    #[test]
    fn a_copy_is_behind_the_end_that_there_is_now() {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path(), Settings::default()).unwrap();
        let mut log = EmbeddedLog::open(db.clone(), false).unwrap();
        let changelog = TopicPartition::new(Topic::new("app-rows-changelog"), Partition::new(0));
        log.create_topic(&TopicSpec::new(changelog.topic.clone(), 1)).unwrap();
        append(&mut log, &changelog, 10);
        let store = KeyValueStore::open(&db, "app", "rows", 0).unwrap();
        let mut copy = Copy { store, changelog: changelog.clone(), restore: None, end: None };
        let began = Instant::now();
        assert_eq!(copy.behind(&mut log, began).unwrap(), None, "not looked at");
        assert!(copy.follow("app", &mut log).unwrap());
        assert_eq!(copy.behind(&mut log, Instant::now()).unwrap(), Some(0));
        append(&mut log, &changelog, 7);
        assert_eq!(copy.behind(&mut log, Instant::now() + END_IS_KNOWN).unwrap(), Some(7));
        append(&mut log, &changelog, 5);
        assert_eq!(copy.behind(&mut log, Instant::now() + 2 * END_IS_KNOWN).unwrap(), Some(12));
        while copy.follow("app", &mut log).unwrap() {}
        assert_eq!(copy.behind(&mut log, Instant::now() + 3 * END_IS_KNOWN).unwrap(), Some(0));
    }
}
