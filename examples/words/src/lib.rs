//! Word count: lines become words, words become keys; the host counts.

use millstream::{Failed, Out, Record, Typed};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Split {
    #[serde(default)]
    lower_case: bool,
}

fn split(params: &Split, line: Record<'_>, out: &mut Out) -> Result<(), Failed> {
    for word in line.value.text()?.split_whitespace() {
        if params.lower_case {
            out.value(word.to_lowercase());
        } else {
            out.value(word);
        }
    }
    Ok(())
}

fn word_as_key(word: Record<'_>) -> Option<&[u8]> {
    word.value
}

millstream::plugin! {
    /// Splits a line at white space.
    flat_map_values "split" (Split) = split;
    /// The word becomes the key.
    select_key "word-as-key" = word_as_key;
}

#[cfg(test)]
mod tests {
    use super::Operators;
    use millstream::testing::{Operator, Sent};

    #[test]
    fn splits_at_white_space() {
        let lines = [Sent::new("", "Hello Kafka  Streams", 0), Sent::new("", "", 0)];
        let mut split = Operator::open::<Operators>("split", "{}").expect("it opens");
        assert_eq!(split.process(&lines).values(), ["Hello", "Kafka", "Streams"]);
        let mut lower = Operator::open::<Operators>("split", r#"{"lower-case": true}"#).expect("it opens");
        assert_eq!(lower.process(&lines).values(), ["hello", "kafka", "streams"]);
    }
}
