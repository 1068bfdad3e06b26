//! What a turn leaves: its outputs and dead letters, in the order of the records that they come from.

use super::failed::{self, Failures};
use super::{Task, Topics, Turned, dead_letter};
use crate::operator::{Emission, Stop, To};

impl Task {
    /// Puts the turn's emissions and dead letters into the outbox.
    pub(super) fn settle(&mut self, records: usize, bytes: usize, topics: &mut dyn Topics) -> Result<Turned, Stop> {
        let mut emissions = std::mem::take(&mut self.effects.emissions);
        if self.meets {
            let paths = &self.turn.paths;
            emissions
                .sort_by(|a, b| a.row.origin.cmp(&b.row.origin).then_with(|| paths.compare(a.row.path, b.row.path)));
        }
        let chosen = std::mem::take(&mut self.effects.chosen);
        let chosen: Vec<usize> =
            chosen.iter().map(|topic| self.outbox.topic(topic, topics)).collect::<Result<_, _>>()?;
        self.set_oversize_aside(&mut emissions, &chosen, topics)?;
        let (failures, dead_letters) = self.write_letters(&mut emissions);
        for Emission { to, row } in &emissions {
            let place = match to {
                To::Chosen(number) => chosen.get(*number as usize).copied(),
                To::Sink(number) => match self.sinks.get_mut(*number as usize) {
                    Some(sink) => Some(sink.place(&mut self.outbox, topics)?),
                    None => None,
                },
                To::DeadLetters => match self.dead_letter_topic.clone() {
                    Some(topic) => {
                        let place = self.outbox.topic(&topic, topics)?;
                        self.check_letter(row, place)?;
                        Some(place)
                    }
                    None => None,
                },
            };
            if let Some(place) = place {
                self.outbox.push(place, row, &self.turn.arena, self.id.partition);
            }
        }
        emissions.clear();
        self.effects.emissions = emissions;
        let dropped = std::mem::take(&mut self.effects.dropped);
        let late = !std::mem::take(&mut self.effects.late).is_zero();
        let (failed, failed_more) = failed::told(failures, &self.origins);
        Ok(Turned { records, bytes, dropped, dead_letters, failed, failed_more, late })
    }

    /// Writes the turn's dead letters among its emissions: their topic may be one that sinks write too. Gives the failures
    /// of the turn and says how many of them are dead letters.
    fn write_letters(&mut self, emissions: &mut Vec<Emission>) -> (Failures, usize) {
        let (mut dead, skipped) = (std::mem::take(&mut self.effects.dead), std::mem::take(&mut self.effects.skipped));
        if dead.is_empty() || self.dead_letter_topic.is_none() {
            return (Failures { dead, skipped }, 0);
        }
        let paths = &self.turn.paths;
        dead.sort_by(|a, b| a.row.origin.cmp(&b.row.origin).then_with(|| paths.compare(a.row.path, b.row.path)));
        for failure in &dead {
            let origin = self.origins.get(failure.row.origin);
            let row = dead_letter::letter(failure, origin.as_ref(), &mut self.turn);
            emissions.push(Emission { to: To::DeadLetters, row });
        }
        emissions.sort_by_key(|emission| emission.row.origin);
        let letters = dead.len();
        (Failures { dead, skipped }, letters)
    }
}
