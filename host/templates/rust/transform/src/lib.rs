//! {{name}}: keeps the lines that are long enough, and writes them in capitals.

use millstream::{Failed, Record, Typed};
use serde::Deserialize;

/// What the manifest may set.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rules {
    min_length: usize,
}

fn long_enough(rules: &Rules, line: Record<'_>) -> Result<bool, Failed> {
    Ok(line.value.text()?.chars().count() >= rules.min_length)
}

fn shout(line: Record<'_>) -> Result<String, Failed> {
    Ok(line.value.text()?.to_uppercase())
}

// The operators, by kind and name. The manifest calls them {{name}}.long-enough and {{name}}.shout.
millstream::plugin! {
    /// Keeps lines of at least `min-length` characters.
    filter "long-enough" (Rules) = long_enough;
    /// The line in capitals.
    map_values "shout" = shout;
}

#[cfg(test)]
mod tests {
    use super::Operators;
    use millstream::testing::{Operator, Sent};

    #[test]
    fn short_lines_are_left_out() {
        let mut filter = Operator::open::<Operators>("long-enough", r#"{"min-length": 3}"#).expect("it opens");
        let lines = [Sent::new("a", "abc", 0), Sent::new("b", "ab", 1)];
        assert_eq!(filter.process(&lines).values(), ["abc"]);
    }

    #[test]
    fn lines_become_capitals() {
        let mut shout = Operator::open::<Operators>("shout", "{}").expect("it opens");
        assert_eq!(shout.process(&[Sent::new("a", "Hello", 0)]).values(), ["HELLO"]);
    }
}
