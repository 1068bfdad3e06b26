//! Copies of other processes' tasks, kept up to date from their changelogs: who takes such a task over has little left to
//! restore.

use super::Worker;
use super::coming::{forget_false_copy, tell_of_a_stranger};
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
    /// None until the changelog was looked at.
    end: Option<End>,
}

/// Where a changelog ended, and when that was.
struct End {
    at: Offset,
    asked: Instant,
}

impl End {
    /// By how many records who is here is behind; asks where the changelog ends now, if that is not known well enough.
    fn behind(
        &mut self,
        position: Offset,
        now: Instant,
        ask: impl FnOnce() -> Result<Offset, TransportError>,
    ) -> Result<u64, TransportError> {
        if now.duration_since(self.asked) >= END_IS_KNOWN {
            (self.at, self.asked) = (ask()?, now);
        }
        Ok(u64::try_from(self.at.get() - position.get()).unwrap_or(0))
    }
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
        let behind = if self.coordinator.waits_for_copies() { self.copies_are_behind()? } else { None };
        self.shared.wait_for_copies(self.number, behind.filter(|_| !self.state.standbys.is_empty()));
        if let Some(records) = behind {
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
            let Some(records) = copy.behind(log)? else { return Ok(None) };
            sum = sum.saturating_add(records);
        }
        Ok(Some(sum))
    }
}

impl Copy {
    /// By how many records it is behind; none if the changelog was not looked at.
    fn behind(&mut self, log: &mut dyn Transport) -> Result<Option<u64>, TransportError> {
        let Self { restore, changelog, end, .. } = self;
        let Some(end) = end else { return Ok(None) };
        // Where nothing can be copied nothing is behind.
        let Some(position) = restore.as_ref().map(Restore::position) else { return Ok(Some(0)) };
        end.behind(position, Instant::now(), || Ok(log.bounds(changelog)?.1)).map(Some)
    }

    fn follow(&mut self, app: &str, log: &mut dyn Transport) -> Result<bool, Stop> {
        if self.restore.is_none() {
            let bounds = log.bounds(&self.changelog)?;
            forget_false_copy(&mut self.store, &self.changelog, log)?;
            if Restore::is_ahead(&self.store, bounds.1)? {
                let what = format!("{} ends at {}, before its copy", self.changelog, bounds.1);
                return Err(TransportError::Retry(what).into());
            }
            tell_of_a_stranger(&self.store, &self.changelog, bounds)?;
            self.restore = Restore::follow(&mut self.store, self.changelog.clone(), bounds)?;
            self.end = Some(End { at: bounds.1, asked: Instant::now() });
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

    #[test]
    fn a_copy_is_behind_the_end_that_there_is_now() {
        let (mut end, began) = (End { at: Offset::new(10), asked: Instant::now() }, Instant::now());
        let unasked = || Err(TransportError::Retry("it was asked".into()));
        let here = Offset::new(4);
        assert_eq!(end.behind(here, began, unasked).unwrap(), 6);
        // Before its old end is reached there is a new one.
        assert_eq!(end.behind(here, began + 2 * END_IS_KNOWN, || Ok(Offset::new(30))).unwrap(), 26);
        assert_eq!(end.behind(here, began + 2 * END_IS_KNOWN, unasked).unwrap(), 26);
        assert_eq!(end.behind(Offset::new(31), began + 2 * END_IS_KNOWN, unasked).unwrap(), 0);
        assert!(end.behind(here, began + 3 * END_IS_KNOWN, unasked).is_err());
    }
}
