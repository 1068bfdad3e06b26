//! A group that only counts read goes through one topic or another, as those counts hand on their changes. Where the
//! manifest was changed, what is left in the one must be processed before the other is read: nothing is lost silently.

use super::{App, RunError};
use crate::record::Topic;
use crate::transport::{TopicSpec, Transport, TransportError};

impl App {
    /// Refuses to run while records wait in a topic that this form of the app does not read.
    pub(super) fn check_left_over(&self, log: &mut dyn Transport) -> Result<(), RunError> {
        for spec in self.blueprint.plan.subtopologies.iter().flat_map(|part| &part.repartitions) {
            let Some(other) = &spec.other else { continue };
            let records = self.unprocessed(other, log)?;
            if records > 0 {
                return Err(RunError::LeftOver { topic: other.clone(), records, now: spec.topic.clone() });
            }
        }
        Ok(())
    }

    /// Records of a topic that the app has not processed and committed.
    pub(super) fn unprocessed(&self, topic: &Topic, log: &mut dyn Transport) -> Result<u64, TransportError> {
        let mut records = 0;
        for partition in log.topic(topic)?.iter().flat_map(TopicSpec::all_partitions) {
            let (start, end) = log.bounds(&partition)?;
            let committed = log.committed(&self.manifest.app, &partition)?.unwrap_or(start).max(start);
            records += u64::try_from(end.get() - committed.get()).unwrap_or(0);
        }
        Ok(records)
    }
}
