//! Everything that a guest could lie about in its answers, checked before a byte of them is used.

use super::port::{EVERY_OUTPUT, Each, Failure, Folded, Outcome, Reply, SAME, SAME_TIMESTAMP};
use crate::record::headers;

impl Outcome {
    /// Checks everything that the guest could lie about: `rows` input rows and `outputs` outputs.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self, rows: usize, outputs: usize) -> Result<(), String> {
        let count = self.sources.len();
        if self.sources.windows(2).any(|pair| matches!(pair, [a, b] if a > b)) {
            return Err("the sources of its output rows decrease".into());
        }
        if let Some(last) = self.sources.last().filter(|last| **last as usize >= rows) {
            return Err(format!("an output row comes from row {last} of a batch of {rows}"));
        }
        for (name, length) in [
            ("routes", self.routes.len()),
            ("timestamps", self.timestamps.len()),
            ("key lengths", self.key_lengths.len()),
            ("value lengths", self.value_lengths.len()),
            ("header lengths", self.header_lengths.len()),
        ] {
            if length != 0 && length != count {
                return Err(format!("{length} {name} for {count} output rows"));
            }
        }
        let known = |route: u16| route == EVERY_OUTPUT || usize::from(route) < outputs;
        if let Some(route) = self.routes.iter().find(|route| !known(**route)) {
            return Err(format!("a row goes to output {route}, but there are {outputs}"));
        }
        let early = |timestamp: &&i64| **timestamp < 0 && **timestamp != SAME_TIMESTAMP;
        if let Some(timestamp) = self.timestamps.iter().find(early) {
            return Err(format!("an output row has the invalid timestamp {timestamp}"));
        }
        let lengths = self.key_lengths.iter().chain(&self.value_lengths).chain(&self.header_lengths);
        check_bytes(lengths, self.bytes.len())?;
        self.check_headers()?;
        check_failures(&self.failures, rows)?;
        let failed = |source: &&u32| self.failures.binary_search_by_key(*source, |failure| failure.row).is_ok();
        if !self.failures.is_empty()
            && let Some(row) = self.sources.iter().find(failed)
        {
            return Err(format!("row {row} both failed and has an output row"));
        }
        Ok(())
    }
}

impl Outcome {
    /// Checks that there are as many rows for every input row as the operator's kind promises; the rest was found sound.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check_each(&self, rows: usize, each: Each) -> Result<(), String> {
        if each == Each::Any {
            return Ok(());
        }
        if let Some([row, _]) = self.sources.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(format!("row {row} has several output rows, and its kind allows one"));
        }
        if each == Each::AtMostOne && !self.leaves_rows_alone() {
            return Err("an output row differs from its input row, and its kind hands rows on unchanged".into());
        }
        // A row has one output row at most, and a failed row has none.
        let answered = self.sources.len() + self.failures.len();
        if each == Each::One && answered != rows {
            return Err(format!("{} of {rows} rows have no output row, and its kind asks for one", rows - answered));
        }
        Ok(())
    }

    fn leaves_rows_alone(&self) -> bool {
        let mut lengths = self.key_lengths.iter().chain(&self.value_lengths).chain(&self.header_lengths);
        lengths.all(|length| *length == SAME) && self.timestamps.iter().all(|time| *time == SAME_TIMESTAMP)
    }

    /// Checks that every header block is one; the lengths were found to fit the bytes.
    fn check_headers(&self) -> Result<(), String> {
        let length = |lengths: &[u32], place: usize| match lengths.get(place) {
            Some(length) if *length < SAME => *length as usize,
            _ => 0,
        };
        let mut at = 0;
        for place in 0..self.header_lengths.len() {
            at += length(&self.key_lengths, place) + length(&self.value_lengths, place);
            let end = at + length(&self.header_lengths, place);
            if !headers::is_block(self.bytes.get(at..end).unwrap_or_default()) {
                return Err(format!("the header block of output row {place} is damaged"));
            }
            at = end;
        }
        Ok(())
    }
}

impl Folded {
    /// Checks the answer to a fold of `steps` steps over `slots` slots.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn check(&self, slots: usize, steps: usize, reply: Reply) -> Result<(), String> {
        let expected = match reply {
            Reply::Last => slots,
            Reply::Every => steps,
        };
        if self.states.lengths.len() != expected {
            return Err(format!("{} states where {expected} were asked for", self.states.lengths.len()));
        }
        check_bytes(self.states.lengths.iter(), self.states.bytes.len())?;
        check_failures(&self.failures, steps)
    }
}

fn check_bytes<'a>(lengths: impl Iterator<Item = &'a u32>, bytes: usize) -> Result<(), String> {
    let sum: u64 = lengths.filter(|length| **length < SAME).map(|length| u64::from(*length)).sum();
    if sum == bytes as u64 {
        return Ok(());
    }
    Err(format!("its lengths add up to {sum} bytes, but it returned {bytes}"))
}

fn check_failures(failures: &[Failure], rows: usize) -> Result<(), String> {
    if failures.windows(2).any(|pair| matches!(pair, [a, b] if a.row >= b.row)) {
        return Err("its failures are not in ascending order".into());
    }
    match failures.last() {
        Some(last) if last.row as usize >= rows => Err(format!("row {} of {rows} failed", last.row)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::port::NULL;

    fn outcome() -> Outcome {
        Outcome { sources: vec![0, 2], value_lengths: vec![1, SAME], bytes: b"x".to_vec(), ..Outcome::default() }
    }

    type Lie = fn(&mut Outcome);

    #[test]
    fn finds_every_lie() {
        assert_eq!(outcome().check(3, 1), Ok(()));
        let lies: [(Lie, &str); 10] = [
            (|o| o.timestamps = vec![SAME_TIMESTAMP, -1], "invalid timestamp -1"),
            (|o| o.header_lengths = vec![SAME, SAME - 1], "add up to"),
            (|o| o.sources = vec![2, 0], "decrease"),
            (|o| o.sources = vec![0, 3], "comes from row 3"),
            (|o| o.value_lengths = vec![1], "1 value lengths for 2"),
            (|o| o.value_lengths = vec![2, 0], "add up to 2"),
            (|o| o.value_lengths = vec![SAME - 1, SAME - 1], "add up to"),
            (|o| o.routes = vec![0, 1], "goes to output 1"),
            (|o| o.failures = vec![Failure { row: 3, ..Failure::default() }], "row 3 of 3 failed"),
            (|o| o.failures = vec![Failure { row: 2, ..Failure::default() }], "both failed"),
        ];
        for (lie, message) in lies {
            let mut outcome = outcome();
            lie(&mut outcome);
            let error = outcome.check(3, 1).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn counts_the_rows_of_each_row() {
        let outcome = |sources: &[u32], failed: &[u32]| Outcome {
            sources: sources.to_vec(),
            failures: failed
                .iter()
                .map(|row| Failure { row: *row, class: String::new(), reason: String::new() })
                .collect(),
            ..Outcome::default()
        };
        assert_eq!(outcome(&[0, 0, 2], &[]).check_each(3, Each::Any), Ok(()));
        assert_eq!(outcome(&[0, 2], &[]).check_each(3, Each::AtMostOne), Ok(()));
        assert_eq!(outcome(&[0, 2], &[1]).check_each(3, Each::One), Ok(()));
        for each in [Each::AtMostOne, Each::One] {
            assert!(outcome(&[0, 1, 1], &[]).check_each(3, each).expect_err("twice").contains("row 1"));
        }
        let changed = Outcome { key_lengths: vec![SAME, NULL], ..outcome(&[0, 2], &[]) };
        assert!(changed.check_each(3, Each::AtMostOne).expect_err("changed").contains("unchanged"));
        assert_eq!(changed.check_each(2, Each::One), Ok(()));
        assert!(outcome(&[0, 1], &[]).check_each(3, Each::One).expect_err("left out").contains("1 of 3"));
    }

    #[test]
    fn reads_header_blocks_where_they_lie() {
        let mut outcome = Outcome {
            sources: vec![0, 1],
            key_lengths: vec![NULL, 1],
            header_lengths: vec![SAME, 9],
            bytes: b"k\x01\0\0\0n\xff\xff\xff\xff".to_vec(),
            ..Outcome::default()
        };
        assert_eq!(outcome.check(2, 1), Ok(()));
        if let Some(byte) = outcome.bytes.get_mut(1) {
            *byte = 2;
        }
        assert!(outcome.check(2, 1).expect_err("a lie").contains("output row 1"));
    }

    #[test]
    fn counts_folded_states() {
        let mut folded = Folded::default();
        folded.states.push(None);
        assert_eq!(folded.check(1, 5, Reply::Last), Ok(()));
        assert!(folded.check(1, 5, Reply::Every).is_err());
    }
}
