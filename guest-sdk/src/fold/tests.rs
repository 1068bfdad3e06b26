//! Folds, step by step, with both replies.

use super::*;
use crate::Json;
use crate::function::Plain;
use crate::node::{Call, Node, kind};
use crate::{Opening, Typed};
use serde::{Deserialize, Serialize};

/// A batch of rows with keys and values.
fn batch(rows: &[(&str, Option<&str>)]) -> Columns {
    let sent: Vec<crate::testing::Sent> = rows
        .iter()
        .map(|(key, value)| {
            let sent = crate::testing::Sent::new(key, value.unwrap_or_default(), 0);
            if value.is_none() { sent.without_value() } else { sent }
        })
        .collect();
    crate::testing::columns(&sent)
}

fn cells(states: &[Option<&str>]) -> Cells {
    Cells {
        lengths: states.iter().map(|state| state.map_or(crate::field::NULL, |state| state.len() as u32)).collect(),
        bytes: states.iter().flat_map(|state| state.unwrap_or_default().bytes()).collect(),
    }
}

/// The states of an answer as text: `null`, and `same` where nothing changed.
fn text(cells: &Cells) -> Vec<String> {
    let mut at = 0;
    let one = |length: &u32| match *length {
        crate::field::NULL => "null".into(),
        crate::field::SAME => "same".into(),
        length => {
            let start = at;
            at += length as usize;
            String::from_utf8_lossy(&cells.bytes[start..at]).into_owned()
        }
    };
    let text = cells.lengths.iter().map(one).collect();
    assert_eq!(at, cells.bytes.len(), "lengths and bytes differ");
    text
}

fn steps(taken: &[(u8, u32, u32)]) -> Steps {
    Steps {
        actions: taken.iter().map(|(action, ..)| *action).collect(),
        slots: taken.iter().map(|(_, slot, _)| *slot).collect(),
        arguments: taken.iter().map(|(.., argument)| *argument).collect(),
    }
}

/// Runs the steps with both replies: the states after each step, those of the slots at the end, and what failed.
fn both(
    node: &mut dyn Node,
    batch: &Columns,
    states: &Cells,
    steps: &Steps,
) -> (Vec<String>, Vec<String>, Vec<(u32, String)>) {
    let every = node.fold(batch, states, steps, Reply::Every);
    let last = node.fold(batch, states, steps, Reply::Last);
    let failed = |folded: &Folded| -> Vec<(u32, String)> {
        folded.failures.iter().map(|failure| (failure.row, failure.reason.clone())).collect()
    };
    assert_eq!(failed(&every), failed(&last));
    (text(&every.states), text(&last.states), failed(&every))
}

const NO_KEY: &str = "";

/// A sum that keeps what it has seen, fails on `bad` after having changed its state, and is null at zero.
struct Sum;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Summed {
    sum: i64,
    of: u32,
}

impl Sum {
    fn by(state: &mut Option<Json<Summed>>, record: Record<'_>, sign: i64) -> Result<(), Failed> {
        let Json(summed) = state.get_or_insert_default();
        summed.of += 1;
        summed.sum += sign * record.value.text()?.parse::<i64>()?;
        if summed.sum == 0 {
            *state = None;
        }
        Ok(())
    }
}

impl Aggregate for Sum {
    type State = Option<Json<Summed>>;

    fn initial(&self) -> Self::State {
        Some(Json(Summed { sum: 100, of: 0 }))
    }

    fn add(&self, state: &mut Self::State, record: Record<'_>) -> Result<(), Failed> {
        Self::by(state, record, 1)
    }

    fn subtract(&self, state: &mut Self::State, record: Record<'_>) -> Result<(), Failed> {
        Self::by(state, record, -1)
    }

    fn merge(&self, key: Option<&[u8]>, state: &mut Self::State, later: Self::State) -> Result<(), Failed> {
        if key == Some(b"unmergeable") {
            return Err("it cannot be merged".into());
        }
        let (Some(Json(state)), Some(Json(later))) = (state, later) else { return Ok(()) };
        state.sum += later.sum;
        state.of += later.of;
        Ok(())
    }
}

#[test]
fn an_aggregate_that_fails_leaves_its_state() {
    let batch = batch(&[(NO_KEY, Some("5")), (NO_KEY, Some("bad")), (NO_KEY, None), (NO_KEY, Some("7"))]);
    let states = cells(&[None, Some(r#"{"sum":1,"of":1}"#)]);
    let taken = steps(&[(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 0, 3), (0, 0, 2), (0, 1, 3)]);
    let (every, last, failed) = both(&mut AggregateNode(Sum), &batch, &states, &taken);
    let (five, twelve) = (r#"{"sum":105,"of":1}"#, r#"{"sum":112,"of":2}"#);
    assert_eq!(every, [five, "same", "same", twelve, "same", r#"{"sum":8,"of":2}"#]);
    assert_eq!(last, [twelve, r#"{"sum":8,"of":2}"#]);
    let rows: Vec<u32> = failed.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, [1, 2, 4]);
    assert_eq!(failed[0].1, "invalid digit found in string");
}

#[test]
fn an_aggregate_subtracts_merges_copies_and_begins() {
    let batch = batch(&[("k", Some("5")), ("k", Some("6")), ("unmergeable", Some("1"))]);
    let one = r#"{"sum":1,"of":1}"#;
    let states = cells(&[Some(one), Some(r#"{"sum":10,"of":2}"#), None, None, Some(one)]);
    let taken = steps(&[
        (1, 3, 0), // nothing is taken off of nothing
        (3, 3, 0), // a copy of the first slot
        (1, 3, 1),
        (2, 0, 1), // the second is merged into the first, which is added to
        (0, 0, 0),
        (4, 2, 0),
        (0, 2, 1),
        (2, 4, 2), // fails, for its key is that of the add after it
        (0, 4, 2),
        (1, 4, 2),
        (1, 4, 2),
    ]);
    let (every, last, failed) = both(&mut AggregateNode(Sum), &batch, &states, &taken);
    let initial = r#"{"sum":100,"of":0}"#;
    assert_eq!(
        every,
        [
            "null",
            one,
            r#"{"sum":-5,"of":2}"#,
            r#"{"sum":11,"of":3}"#,
            r#"{"sum":16,"of":4}"#,
            initial,
            r#"{"sum":106,"of":1}"#,
            "same",
            r#"{"sum":2,"of":2}"#,
            r#"{"sum":1,"of":3}"#,
            "null",
        ]
    );
    assert_eq!(last, [r#"{"sum":16,"of":4}"#, "null", r#"{"sum":106,"of":1}"#, r#"{"sum":-5,"of":2}"#, "null"]);
    assert_eq!(failed, [(7, "it cannot be merged".into())]);
}

#[test]
fn a_state_that_was_emptied_begins_anew() {
    let batch = batch(&[(NO_KEY, Some("-1")), (NO_KEY, Some("3"))]);
    let states = cells(&[Some(r#"{"sum":1,"of":1}"#)]);
    let (every, last, _) = both(&mut AggregateNode(Sum), &batch, &states, &steps(&[(0, 0, 0), (0, 0, 1)]));
    assert_eq!(every, ["null", r#"{"sum":103,"of":1}"#]);
    assert_eq!(last, [r#"{"sum":103,"of":1}"#]);
}

/// A state that cannot be written from 3 on.
#[derive(Clone, Debug)]
struct UpTo2(u8);

impl Stored for UpTo2 {
    fn load(bytes: &[u8]) -> Result<Self, Failed> {
        Ok(Self(bytes[0] - b'0'))
    }

    fn store(&self, bytes: &mut Vec<u8>) -> Result<(), Failed> {
        bytes.push(b'0' + self.0);
        if self.0 > 2 { Err("it has grown too large".into()) } else { Ok(()) }
    }
}

struct Count;

impl Aggregate for Count {
    type State = UpTo2;

    fn initial(&self) -> UpTo2 {
        UpTo2(0)
    }

    fn add(&self, state: &mut UpTo2, _record: Record<'_>) -> Result<(), Failed> {
        state.0 += 1;
        Ok(())
    }

    fn subtract(&self, state: &mut UpTo2, _record: Record<'_>) -> Result<(), Failed> {
        state.0 -= 1;
        Ok(())
    }
}

#[test]
fn a_state_that_cannot_be_written_fails_its_step() {
    let batch = batch(&[(NO_KEY, Some("")); 3]);
    let (states, taken) = (cells(&[Some("1"), Some("0")]), steps(&[(0, 0, 0), (0, 0, 1), (0, 1, 2)]));
    let every = AggregateNode(Count).fold(&batch, &states, &taken, Reply::Every);
    assert_eq!(text(&every.states), ["2", "same", "1"]);
    assert_eq!(every.failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [1]);
    // Where only the last state is written, the last step is at fault.
    let last = AggregateNode(Count).fold(&batch, &states, &taken, Reply::Last);
    assert_eq!(text(&last.states), ["same", "1"]);
    assert_eq!(last.failures.iter().map(|failure| failure.row).collect::<Vec<_>>(), [1]);
    // What comes after goes on from the state before.
    let taken = steps(&[(0, 0, 0), (0, 0, 1), (1, 0, 2)]);
    let every = AggregateNode(Count).fold(&batch, &states, &taken, Reply::Every);
    assert_eq!(text(&every.states), ["2", "same", "1"]);
}

fn concat(state: &[u8], value: Option<&[u8]>) -> Result<Option<Vec<u8>>, Failed> {
    match value {
        Some(b"bad") => Err("boom".into()),
        Some(b"null") => Ok(None),
        value => Ok(Some([state, value.unwrap_or(b"-")].concat())),
    }
}

fn larger<'a>(state: &'a [u8], value: Option<&'a [u8]>) -> &'a [u8] {
    state.max(value.unwrap_or_default())
}

fn shorter<'a>(state: &'a [u8], _value: Option<&'a [u8]>) -> &'a [u8] {
    &state[..state.len() - 1]
}

fn opening() -> Opening<'static> {
    Opening::new(0, "test", "{}", &[], &[])
}

#[test]
fn a_reducer_takes_the_first_value_as_it_is() {
    let batch = batch(&[(NO_KEY, Some("a")), (NO_KEY, Some("bad")), (NO_KEY, None), (NO_KEY, Some("null"))]);
    let mut node: Call<kind::Reduce, (), _> = Call::new((), (Plain(concat), NoSubtract), &opening());
    let states = cells(&[None, Some("x"), None]);
    let taken = steps(&[(0, 0, 0), (0, 1, 0), (0, 1, 1), (0, 1, 2), (1, 1, 0), (0, 0, 3), (0, 2, 2), (0, 2, 1)]);
    let (every, last, failed) = both(&mut node, &batch, &states, &taken);
    assert_eq!(every, ["a", "xa", "same", "xa-", "same", "null", "null", "bad"]);
    assert_eq!(last, ["null", "xa-", "bad"]);
    assert_eq!(failed, [(2, "boom".into()), (4, "this reducer cannot subtract".into())]);
}

#[test]
fn a_reducer_subtracts_merges_copies_and_begins() {
    let batch = batch(&[(NO_KEY, Some("m")), (NO_KEY, Some("z"))]);
    let mut node: Call<kind::Reduce, (), _> = Call::new((), (Plain(larger), Plain(shorter)), &opening());
    let states = cells(&[Some("bcd"), Some("aaa"), None, Some("q")]);
    let taken = steps(&[
        (1, 0, 0),
        (2, 0, 1),
        (0, 0, 0),
        (3, 1, 0),
        (0, 1, 1),
        (2, 2, 3), // nothing takes in what is later
        (4, 3, 0),
        (2, 0, 3), // nothing is taken in
    ]);
    let (every, last, failed) = both(&mut node, &batch, &states, &taken);
    assert_eq!(every, ["bc", "bc", "m", "m", "z", "q", "null", "m"]);
    assert_eq!(last, ["m", "z", "q", "null"]);
    assert_eq!(failed, []);
}

#[test]
fn untouched_slots_are_as_before() {
    let states = cells(&[Some("x"), None, Some("y")]);
    let batch = batch(&[(NO_KEY, Some("z"))]);
    let mut node: Call<kind::Reduce, (), _> = Call::new((), (Plain(larger), NoSubtract), &opening());
    let steps = Steps { actions: Vec::new(), slots: vec![2], arguments: Vec::new() };
    assert_eq!(text(&node.fold(&batch, &states, &steps, Reply::Last).states), ["same", "same", "z"]);
}
