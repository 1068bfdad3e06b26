//! A group that only counts read goes through one topic or another, as those counts hand on their changes. Where the
//! manifest was changed, what is left in the one must be processed before the other is read: nothing is lost silently.

use super::{App, RunError};
use crate::record::{Offset, Topic, TopicPartition};
use crate::transport::{Fetch, TopicSpec, Transport, TransportError};
use std::time::{Duration, Instant};

/// How long it is waited for a cluster to say whether a record waits: as long as for its other answers.
const ANSWER: Duration = Duration::from_secs(10);
/// How long it is waited for at once meanwhile.
const STEP: Duration = Duration::from_millis(50);
/// Bytes that are read to see whether a record waits: one is enough.
const LOOK_BYTES: usize = 1;

impl App {
    /// Refuses to run while records wait in a topic that this form of the app does not read.
    pub(super) fn check_left_over(&self, log: &mut dyn Transport) -> Result<(), RunError> {
        for spec in self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.repartitions) {
            let Some(other) = &spec.other else { continue };
            for partition in log.topic(other)?.iter().flat_map(TopicSpec::all_partitions) {
                let (from, end) = self.stretch(&partition, log)?;
                if from < end && has_record(&partition, (from, end), log)? {
                    let records = self.unprocessed(other, log)?;
                    return Err(RunError::LeftOver { topic: other.clone(), records, now: spec.topic.clone() });
                }
            }
        }
        Ok(())
    }

    /// Records of a topic that the app has not processed and committed, counted by their offsets: on a cluster some of
    /// these may be a transaction's end.
    pub(super) fn unprocessed(&self, topic: &Topic, log: &mut dyn Transport) -> Result<u64, TransportError> {
        let mut records = 0;
        for partition in log.topic(topic)?.iter().flat_map(TopicSpec::all_partitions) {
            let (from, end) = self.stretch(&partition, log)?;
            records += u64::try_from(end.get() - from.get()).unwrap_or(0);
        }
        Ok(records)
    }

    /// What the app has not processed and committed of a partition: from where to where.
    pub(super) fn stretch(
        &self,
        partition: &TopicPartition,
        log: &mut dyn Transport,
    ) -> Result<(Offset, Offset), TransportError> {
        let (start, end) = log.bounds(partition)?;
        Ok((log.committed(&self.manifest.app, partition)?.unwrap_or(start).max(start), end))
    }
}

/// Whether there is a committed record in a stretch. Offsets do not say so: on a cluster the ends of transactions have
/// some too, and what was aborted keeps its own.
pub(super) fn has_record(
    partition: &TopicPartition,
    stretch: (Offset, Offset),
    log: &mut dyn Transport,
) -> Result<bool, TransportError> {
    let mut found = false;
    visit(partition, stretch, log, &mut |_, _| {
        found = true;
        false
    })?;
    Ok(found)
}

/// Takes a record's key and value, and says whether it wants more.
type See<'a> = dyn FnMut(Option<&[u8]>, Option<&[u8]>) -> bool + 'a;

/// Shows keys and values of the committed records from one offset up to another to `see`, until it wants no more.
pub(super) fn visit(
    partition: &TopicPartition,
    (from, end): (Offset, Offset),
    log: &mut dyn Transport,
    see: &mut See<'_>,
) -> Result<(), TransportError> {
    let (begin, mut at) = (Instant::now(), from);
    while begin.elapsed() < ANSWER {
        if at >= end {
            return Ok(());
        }
        let fetch = log.fetch(partition, at, LOOK_BYTES)?;
        at = fetch.next().unwrap_or(at);
        match fetch {
            Fetch::End(_) => return Ok(()),
            Fetch::Pending => log.wait(STEP),
            found => {
                for batch in found.records() {
                    let batch = batch.map_err(|error| TransportError::Corrupt(format!("{partition}: {error}")))?;
                    for record in batch.records.iter().filter(|record| record.offset >= from) {
                        if !see(record.key.of(&batch.bytes), record.value.of(&batch.bytes)) {
                            return Ok(());
                        }
                    }
                }
            }
        }
    }
    let what = format!("{partition} could not be read within {} s to see whether records wait there", ANSWER.as_secs());
    Err(TransportError::Retry(what))
}
