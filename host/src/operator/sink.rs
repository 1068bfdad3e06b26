//! `to` and `repartition`: rows leave the task.

use super::{Caller, Context, Operator, Stop};
use crate::record::{Cell, Row, Topic, change};
use crate::topology::plan::Payload;

/// A row on its way to a topic.
#[derive(Clone, Debug)]
pub struct Emission {
    /// Which of the task's output topics; for topics chosen by the plugin see [`Emission::chosen`].
    pub topic: usize,
    /// The topic that the plugin chose.
    pub chosen: Option<Topic>,
    /// The row.
    pub row: Row,
}

/// Where a sink's rows go.
pub enum Sink {
    /// To one of the task's output topics.
    Topic(usize),
    /// To the topic that the plugin names.
    Chosen(Caller),
    /// To a repartition topic; rows without a key have no partition there and are left out, uncounted, as in Kafka
    /// Streams.
    Repartition(usize, Payload),
}

impl Operator for Sink {
    fn run(&mut self, rows: &[Row], cx: &mut Context<'_>, _outputs: &mut [Vec<Row>]) -> Result<(), Stop> {
        match self {
            Self::Topic(topic) => {
                let topic = *topic;
                cx.effects.emissions.extend(rows.iter().map(|row| Emission { topic, chosen: None, row: *row }));
            }
            Self::Chosen(caller) => choose(caller, rows, cx)?,
            Self::Repartition(topic, payload) => {
                for row in rows.iter().filter(|row| !row.key.is_null()) {
                    let mut row = *row;
                    if *payload == Payload::Change {
                        row.value = encoded(&row, cx);
                    }
                    cx.effects.emissions.push(Emission { topic: *topic, chosen: None, row });
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
    for (source, named) in answer.rows {
        let Some(row) = rows.get(source as usize) else { continue };
        let name = cx.turn.arena.get(named.value).and_then(|name| std::str::from_utf8(name).ok());
        match name.filter(|name| Topic::is_legal(name)).map(Topic::new) {
            Some(topic) => cx.effects.emissions.push(Emission { topic: usize::MAX, chosen: Some(topic), row: *row }),
            None => {
                let reason = format!("the plugin chose {:?}, which is no legal topic name", name.unwrap_or("null"));
                caller.refuse(*row, reason, cx)?;
            }
        }
    }
    Ok(())
}
