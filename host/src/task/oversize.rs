//! Records that are larger than their topic takes: told before they are sent, because the broker would refuse the whole
//! transaction, again and again.

use super::outbox::SinkTopic;
use super::{Outbox, Task, Topics};
use crate::operator::{Emission, Failure, Stop, To};
use crate::record::Row;

/// Bytes that a batch of a single record takes besides its key, value and headers, at most.
const OVERHEAD_BYTES: usize = 128;

impl Task {
    /// Sets emissions aside that their topics do not take: their input records become dead letters.
    pub(super) fn set_oversize_aside(
        &mut self,
        emissions: &mut Vec<Emission>,
        chosen: &[usize],
        topics: &mut dyn Topics,
    ) -> Result<(), Stop> {
        // What a topic takes is known once its place is: until then all of them are looked up.
        let known = self.sinks.iter().all(SinkTopic::is_placed);
        let taken = if known { self.outbox.limit_min() } else { 0 };
        if emissions.iter().all(|emission| size(&emission.row) <= taken) {
            return Ok(());
        }
        let mut kept = Vec::with_capacity(emissions.len());
        for emission in std::mem::take(emissions) {
            let size = size(&emission.row);
            let place = match emission.to {
                To::Chosen(number) => chosen.get(number as usize).copied(),
                To::Sink(number) => match self.sinks.get_mut(number as usize) {
                    Some(sink) => Some(sink.place(&mut self.outbox, topics)?),
                    None => None,
                },
                To::DeadLetters => None,
            };
            let over = place.and_then(|place| over(&self.outbox, place, size));
            match (over, self.dead_letter_topic.is_some()) {
                (None, _) => kept.push(emission),
                (Some(reason), true) => self.effects.dead.push(failure(emission.row, reason)),
                (Some(reason), false) => return Err(self.refused(emission.row, reason)),
            }
        }
        *emissions = kept;
        Ok(())
    }

    /// Refuses dead letters that are too large themselves: there is nowhere else to put them.
    pub(super) fn check_letter(&mut self, row: &Row, place: usize) -> Result<(), Stop> {
        let size = size(row);
        match over(&self.outbox, place, size) {
            Some(reason) => Err(self.refused(*row, reason)),
            None => Ok(()),
        }
    }

    fn refused(&self, row: Row, reason: String) -> Stop {
        let input = self.origins.place(row.origin);
        Stop::Record { node: "to".into(), origin: row.origin, input, reason }
    }
}

fn size(row: &Row) -> usize {
    row.key.len() + row.value.len() + row.headers.len() + OVERHEAD_BYTES
}

/// Why a record of so many bytes is not for the topic at `place`, if so.
fn over(outbox: &Outbox, place: usize, size: usize) -> Option<String> {
    let (topic, limit) = outbox.limit(place)?;
    (size > limit)
        .then(|| format!("a record of {size} bytes is more than topic {topic} takes: max.message.bytes={limit}"))
}

fn failure(row: Row, reason: String) -> Failure {
    Failure {
        row,
        node: "to".into(),
        plugin: (String::new(), String::new()),
        operator: String::new(),
        class: std::borrow::Cow::Borrowed("org.apache.kafka.common.errors.RecordTooLargeException"),
        reason,
        backtrace: String::new(),
    }
}
