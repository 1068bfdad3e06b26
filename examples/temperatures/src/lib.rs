//! Readings of thermometers, `station degrees`: the range of each station, its highest reading, and frost by station.

use millstream::{Aggregate, Failed, Json, Record, Schema, Typed};
use serde::{Deserialize, Serialize};

/// A line taken apart: the station becomes the key.
fn reading(line: Record<'_>) -> Result<(&str, &str), Failed> {
    let (station, degrees) = line.value.text()?.split_once(' ').ok_or("no station and degrees")?;
    degrees.parse::<f64>()?;
    Ok((station, degrees))
}

fn degrees(value: Option<&[u8]>) -> Result<f64, Failed> {
    Ok(value.text()?.parse()?)
}

/// What is known of a station.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Range {
    lowest: f64,
    highest: f64,
    readings: u32,
}

struct Ranges;

impl Aggregate for Ranges {
    type State = Option<Json<Range>>;
    const SCHEMA: Option<Schema> = Some(Schema::new("range", 1));

    fn initial(&self) -> Self::State {
        None
    }

    fn add(&self, state: &mut Self::State, record: Record<'_>) -> Result<(), Failed> {
        let degrees = degrees(record.value)?;
        let Json(range) = state.get_or_insert(Json(Range { lowest: degrees, highest: degrees, readings: 0 }));
        range.lowest = range.lowest.min(degrees);
        range.highest = range.highest.max(degrees);
        range.readings += 1;
        Ok(())
    }
}

/// The higher of two readings; it stays as it was written.
fn higher<'a>(so_far: &'a [u8], next: Option<&'a [u8]>) -> Result<Option<&'a [u8]>, Failed> {
    Ok(if degrees(next)? > degrees(Some(so_far))? { next } else { Some(so_far) })
}

fn frost(record: Record<'_>) -> Result<bool, Failed> {
    Ok(degrees(record.value)? < 0.0)
}

fn topic(record: Record<'_>) -> Result<String, Failed> {
    Ok(format!("frost-{}", record.key.text()?))
}

millstream::plugin! {
    /// `station degrees` becomes a record with the station as its key.
    map "reading" = reading;
    /// Lowest and highest reading, and how many there were.
    aggregate "range" = Ranges;
    /// The highest reading.
    reduce "highest" = higher;
    /// Readings below zero.
    filter "frost" = frost;
    /// A topic for each station.
    extract_topic "topic" = topic;
}

#[cfg(test)]
mod tests {
    use super::Operators;
    use millstream::testing::{Operator, Sent};

    #[test]
    fn a_range_grows_and_a_bad_reading_leaves_it() {
        let mut range = Operator::open::<Operators>("range", "{}").expect("it opens");
        let answer = range.fold(&["1.5", "cold", "-2"].map(|degrees| Sent::new("oslo", degrees, 0)));
        assert_eq!(
            answer.values(),
            [r#"{"lowest":1.5,"highest":1.5,"readings":1}"#, r#"{"lowest":-2.0,"highest":1.5,"readings":2}"#]
        );
        assert_eq!(answer.failures, [(1, "invalid float literal".into())]);
    }

    #[test]
    fn the_highest_reading_is_kept() {
        let mut highest = Operator::open::<Operators>("highest", "{}").expect("it opens");
        let answer = highest.fold(&["3", "12.0", "4"].map(|degrees| Sent::new("oslo", degrees, 0)));
        assert_eq!(answer.values(), ["3", "12.0", "12.0"]);
    }
}
