//! Tables and aggregates of the model.

use super::Model;
use super::parts::{Node, Origin, Record, apply};
use crate::functions::Text;

impl Model {
    /// Puts a row into a node's table; gives what stood there.
    fn put(&mut self, node: usize, origin: &Origin, key: &str, timestamp: i64, value: Text) -> Text {
        let rows = self.states.entry((node, origin.partition)).or_default();
        let before = match value {
            Some(value) => rows.insert(key.to_owned(), (timestamp, value)),
            None => rows.remove(key),
        };
        before.map(|(_, value)| value)
    }

    fn state(&self, node: usize, origin: &Origin, key: &str) -> Option<(i64, String)> {
        self.states.get(&(node, origin.partition))?.get(key).cloned()
    }

    pub(super) fn keep_row(&mut self, node: usize, record: &Record, origin: &Origin) {
        let Some(key) = record.key.clone() else {
            self.dropped += 1;
            return;
        };
        let old = self.put(node, origin, &key, record.timestamp, record.value.clone());
        self.hand_on(&self.nodes[node].name.clone(), &Record { old, ..record.clone() }, origin);
    }

    /// `filter`, `filter-not` and `map-values` over a table with a store.
    pub(super) fn over_table(&mut self, node: usize, record: &Record, origin: &Origin) {
        let Node { name, op, functions, .. } = &self.nodes[node];
        let (name, op, function) = (name.clone(), op.clone(), functions[0].clone());
        let value = if op == "map-values" {
            let mapped = record.value.clone().map(|value| function.value(&record.key, Some(value))).transpose();
            match self.sound(mapped, origin, &name) {
                Some(value) => value.flatten(),
                None => return,
            }
        } else {
            let mut kept = Vec::new();
            let mut failed = false;
            for side in [&record.old, &record.value] {
                let says = side.as_ref().map_or(Ok(None), |_| function.says(&record.key, side).map(Some));
                let says = self.sound(says, origin, &name);
                failed |= says.is_none();
                kept.push(side.clone().filter(|_| says == Some(Some(op == "filter"))));
            }
            if failed || kept == [None, None] {
                return;
            }
            kept.pop().flatten()
        };
        let Some(key) = record.key.clone() else { return };
        let old = self.put(node, origin, &key, record.timestamp, value.clone());
        self.hand_on(&name, &Record { value, old, ..record.clone() }, origin);
    }

    /// `group-by` over a table: the old row leaves its group before the new one enters, unless it is the same group.
    pub(super) fn regroup(&mut self, node: usize, record: &Record, origin: &Origin) {
        let functions = self.nodes[node].functions.clone();
        let name = format!("{}-select", self.nodes[node].name);
        let mut sides: Vec<Option<(String, String)>> = Vec::new();
        let mut failed = false;
        for side in [&record.old, &record.value] {
            let row = Record { value: side.clone(), ..record.clone() };
            let mapped = if side.is_some() { apply("map", &functions, &row).map(Some) } else { Ok(None) };
            let mapped = self.sound(mapped, origin, &name);
            failed |= mapped.is_none();
            let pair = mapped.flatten().and_then(|mut rows| rows.pop());
            sides.push(pair.and_then(|row| Some((row.key?, row.value?))));
        }
        if failed {
            return;
        }
        let change = |key: String, value, old| Record { key: Some(key), value, old, ..record.clone() };
        match (sides.remove(0), sides.remove(0)) {
            (Some((before, old)), Some((group, new))) if before == group => {
                self.send(node, change(group, Some(new), Some(old)));
            }
            (old, new) => {
                old.into_iter().for_each(|(group, old)| self.send(node, change(group, None, Some(old))));
                new.into_iter().for_each(|(group, new)| self.send(node, change(group, Some(new), None)));
            }
        }
    }

    /// Whether an aggregate takes the record: over a stream those with key and value, over a table all changes.
    fn taken(&mut self, node: usize, record: &Record) -> Option<(String, bool)> {
        let from = self.nodes[node].from[0].clone();
        let retract = self.parent(&from).is_some_and(|group| group.over_table);
        let key = record.key.clone().filter(|_| retract || record.value.is_some());
        self.dropped += u64::from(key.is_none());
        Some((key?, retract))
    }

    pub(super) fn count(&mut self, node: usize, record: &Record, origin: &Origin) {
        let Some((key, retract)) = self.taken(node, record) else { return };
        let before = self.state(node, origin, &key);
        let goes = i64::from(retract && record.old.is_some() && before.is_some());
        let step = i64::from(!retract || record.value.is_some()) - goes;
        let name = self.nodes[node].name.clone();
        let number = before.as_ref().map_or(0, |(_, number)| number.parse::<i64>().expect("a count is a number"));
        let timestamp = before.as_ref().map_or(record.timestamp, |(time, _)| record.timestamp.max(*time));
        if before.is_none() && step <= 0 {
            return self.hand_on(&name, &Record { value: None, old: None, ..record.clone() }, origin);
        }
        let value = Some((number + step).to_string());
        self.put(node, origin, &key, timestamp, value.clone());
        self.hand_on(&name, &Record { timestamp, value, old: Some(number.to_string()), ..record.clone() }, origin);
    }

    pub(super) fn fold(&mut self, node: usize, record: &Record, origin: &Origin) {
        let Some((key, retract)) = self.taken(node, record) else { return };
        let Node { name, op, functions, .. } = &self.nodes[node];
        let (name, op, function) = (name.clone(), op.clone(), functions[0].clone());
        let before = self.state(node, origin, &key);
        let old = before.as_ref().map(|(_, value)| value.clone());
        let step = |state: Text, value: &Text, add: bool| match (op.as_str(), &state) {
            ("reduce", None) => Ok(value.clone()),
            ("reduce", Some(aggregate)) => function.reduce(aggregate, value, add),
            _ => function.aggregate(&state, &(record.key.clone(), value.clone()), add),
        };
        let mut result = Ok(old.clone());
        if retract && record.old.is_some() {
            result = result.and_then(|state| step(state, &record.old, false));
        }
        if !retract || record.value.is_some() {
            result = result.and_then(|state| step(state, &record.value, true));
        }
        let Some(value) = self.sound(result, origin, &name) else { return };
        let timestamp = before.map_or(record.timestamp, |(time, _)| record.timestamp.max(time));
        self.put(node, origin, &key, timestamp, value.clone());
        self.hand_on(&name, &Record { timestamp, value, old, ..record.clone() }, origin);
    }
}
