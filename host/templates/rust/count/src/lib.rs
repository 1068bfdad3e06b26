//! {{name}}: lines become words, words become keys; the host counts.

use millstream::{Failed, Out, Record, Typed};

/// Any letters and digits are a word; all else stands between words.
fn split(line: Record<'_>, out: &mut Out) -> Result<(), Failed> {
    let words = line.value.text()?.split(|letter: char| !letter.is_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        out.value(word.to_lowercase());
    }
    Ok(())
}

fn word_as_key(word: Record<'_>) -> Option<&[u8]> {
    word.value
}

// The operators, by kind and name. The manifest calls them {{name}}.split and {{name}}.word-as-key.
millstream::plugin! {
    /// Splits a line into its words, lower-case.
    flat_map_values "split" = split;
    /// The word becomes the key.
    select_key "word-as-key" = word_as_key;
}

#[cfg(test)]
mod tests {
    use super::Operators;
    use millstream::testing::{Operator, Sent};

    #[test]
    fn lines_become_words() {
        let mut split = Operator::open::<Operators>("split", "{}").expect("it opens");
        assert_eq!(split.process(&[Sent::new("", "Hello, hello world!", 0)]).values(), ["hello", "hello", "world"]);
    }
}
