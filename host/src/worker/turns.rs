//! What a worker does over and over: fetches, takes its tasks through their turns, and deletes what is processed from
//! repartition topics.

use super::outputs::Written;
use super::{Owned, Worker};
use crate::operator::Stop;
use crate::topology::OffsetReset;
use crate::transport::{Fetch, TransportError};

/// Bytes fetched for a partition at once: a few turns' worth.
const FETCH_BYTES: usize = 512 * 1024;

impl Worker {
    /// Fetches what there is room for and takes every task through one turn. Says whether anything was done.
    pub(super) fn step(&mut self) -> Result<bool, Stop> {
        self.widen();
        let mut progressed = false;
        for place in 0..self.state.tasks.len() {
            progressed |= self.fill(place)?;
            self.state.uncommitted |= progressed;
            self.commit_before_narrow(place)?;
            let Some(Owned { task, number }) = self.state.tasks.get_mut(place) else { break };
            crate::killpoint::pass("before-turn");
            let topics = &mut Written { log: self.log.as_mut(), outputs: &self.shared.outputs };
            let turned = match task.turn(topics) {
                Err(late @ Stop::Late { .. }) => {
                    let number = *number;
                    self.narrow(number, &late);
                    return Ok(true);
                }
                turned => turned?,
            };
            self.shared.came_back(self.number);
            crate::killpoint::pass("after-turn");
            if turned.records > 0 && self.log.sends_early() {
                task.drain(&mut self.state.open);
                self.log.send(std::mem::take(&mut self.state.open.outputs))?;
                crate::killpoint::pass("sent");
            }
            progressed |= turned.records > 0;
            self.shared.count(&turned);
            let (records, late) = (turned.records, turned.late);
            self.failures.tell(turned);
            self.after_turn(place, records, late);
        }
        Ok(progressed)
    }

    /// Fetches what a task has room for. Says whether there was anything.
    fn fill(&mut self, place: usize) -> Result<bool, Stop> {
        let Some(Owned { task, .. }) = self.state.tasks.get_mut(place) else { return Ok(false) };
        let mut found = false;
        for index in 0..task.inputs().len() {
            let Some(input) = task.inputs().get(index).filter(|input| input.has_room()) else { continue };
            let (partition, from) = (input.partition.clone(), input.fetch);
            crate::killpoint::pass("before-fetch");
            let fetched = match self.log.fetch(&partition, from, FETCH_BYTES) {
                Err(TransportError::OutOfRange { asked, start, .. }) => {
                    let internal = self.repartitions.contains(&partition.topic);
                    let position = match self.offset_reset {
                        OffsetReset::Latest if !internal => self.log.bounds(&partition)?.1,
                        OffsetReset::None if !internal => return Err(Stop::Gone { partition, asked, start }),
                        _ => start,
                    };
                    // What is processed is deleted, and the end of a transaction behind it, which is no record, with it.
                    if internal && position.get() == asked.get() + 1 {
                        tracing::debug!(%partition, %asked, "the end of a transaction was deleted");
                    } else {
                        tracing::warn!(%partition, %asked, %position, "records were deleted before they were read");
                    }
                    task.skip_to(index, position);
                    // Something is to be committed: the new position. What lies there comes with the next turn.
                    found = true;
                    continue;
                }
                other => other?,
            };
            crate::killpoint::pass("fetched");
            found |= matches!(fetched, Fetch::Batches(_) | Fetch::Records(_));
            task.feed(index, fetched)?;
        }
        Ok(found)
    }

    /// Deletes from repartition topics what is processed; nothing may be uncommitted. What cannot be deleted now can be later.
    pub(super) fn purge(&mut self) {
        let inputs = self.state.tasks.iter().flat_map(|owned| owned.task.inputs());
        let internal = inputs.filter(|input| self.repartitions.contains(&input.partition.topic));
        let processed: Vec<_> = internal.map(|input| (input.partition.clone(), input.position)).collect();
        if processed.is_empty() {
            return;
        }
        if let Err(error) = self.log.delete_records(&processed) {
            tracing::warn!("processed records were not deleted: {error}");
        }
    }
}
