//! Word count: lines become words, words become keys; the host counts.

use millstream::{Out, Record};

millstream::parameters! {
    /// How to split.
    pub struct Split {
        "lower-case" lower_case: bool = false,
    }
}

fn split(params: &Split, line: Record<'_>, out: &mut Out) {
    for word in line.text().split_whitespace() {
        if params.lower_case {
            out.value(word.to_lowercase());
        } else {
            out.value(word);
        }
    }
}

fn word_as_key(word: Record<'_>) -> Option<Vec<u8>> {
    word.value.map(<[u8]>::to_vec)
}

millstream::plugin! {
    /// Splits a line at white space.
    flat_map_values "split" (Split) = split;
    /// The word becomes the key.
    select_key "word-as-key" = word_as_key;
}
