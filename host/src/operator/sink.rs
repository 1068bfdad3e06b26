//! `to` and `repartition`: rows leave the task.

use super::{Caller, Context, Operator, Stop};
use crate::record::{Cell, Row, Topic, change};
use crate::topology::plan::Payload;

/// A row on its way to a topic.
#[derive(Clone, Copy, Debug)]
pub struct Emission {
    /// Which topic.
    pub to: To,
    /// The row.
    pub row: Row,
}

/// Which topic a row goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// One of the task's output topics.
    Sink(u32),
    /// One that the plugin named in this turn, by its place in [`super::Effects::chosen`].
    Chosen(u32),
    /// The task's dead-letter topic.
    DeadLetters,
}

/// Where a sink's rows go.
pub enum Sink {
    /// To one of the task's output topics.
    Topic(u32),
    /// To the topic that the plugin names.
    Chosen(Caller),
    /// To a repartition topic; rows without a key have no partition there and are left out, uncounted, as in Kafka
    /// Streams.
    Repartition(u32, Payload),
}

impl Operator for Sink {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, _outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        match self {
            Self::Topic(topic) => {
                let to = To::Sink(*topic);
                cx.effects.emissions.extend(rows.iter().map(|row| Emission { to, row: *row }));
            }
            Self::Chosen(caller) => choose(caller, rows, cx)?,
            Self::Repartition(topic, payload) => {
                for row in rows.iter().filter(|row| !row.key.is_null()) {
                    let mut row = *row;
                    if *payload == Payload::Change {
                        row.value = encoded(&row, cx);
                    }
                    cx.effects.emissions.push(Emission { to: To::Sink(*topic), row });
                }
            }
        }
        Ok(())
    }
}

/// A change as one value.
fn encoded(row: &Row, cx: &mut Context<'_>) -> Cell {
    let mut bytes = std::mem::take(&mut cx.effects.scratch);
    bytes.clear();
    change::encode(cx.turn.arena.get(row.value), cx.turn.arena.get(row.old), &mut bytes);
    let cell = cx.turn.arena.copy(Some(&bytes));
    cx.effects.scratch = bytes;
    cell
}

/// Asks the plugin for each row's topic; it comes back as the value.
fn choose(caller: &mut Caller, rows: &[Row], cx: &mut Context<'_>) -> Result<(), Stop> {
    let answer = caller.transform(rows, cx)?;
    for (source, named) in answer.sources.into_iter().zip(answer.rows) {
        let Some(row) = rows.get(source as usize) else { continue };
        let name = cx.turn.arena.get(named.value).and_then(|name| std::str::from_utf8(name).ok());
        match name.and_then(|name| number_of(name, &mut cx.effects.chosen)) {
            Some(number) => cx.effects.emissions.push(Emission { to: To::Chosen(number), row: *row }),
            None => {
                let reason = format!("the plugin chose {:?}, which is no legal topic name", name.unwrap_or("null"));
                caller.refuse(*row, String::new(), reason, cx)?;
            }
        }
    }
    Ok(())
}

/// The place of a topic among those chosen in this turn; none if the name is not legal.
fn number_of(name: &str, chosen: &mut Vec<Topic>) -> Option<u32> {
    let known = chosen.iter().position(|topic| topic.as_str() == name);
    if known.is_none() {
        chosen.push(Topic::is_legal(name).then(|| Topic::new(name))?);
    }
    Some(super::call::index(known.unwrap_or(chosen.len() - 1)))
}
