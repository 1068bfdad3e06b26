//! The plugin of the benchmarks.

mod functions;

use millstream::{Out, Record};

fn keep(record: Record<'_>) -> bool {
    record.value.is_some_and(functions::keep)
}

fn convert(record: Record<'_>, out: &mut Out) -> Result<(), String> {
    let mut converted = Vec::with_capacity(256);
    if functions::convert(record.value.unwrap_or_default(), &mut converted).map_err(|error| error.to_string())? {
        out.value(converted);
    }
    Ok(())
}

fn split(line: Record<'_>, out: &mut Out) {
    functions::words(line.value.unwrap_or_default()).for_each(|word| out.value(word));
}

fn word_as_key(word: Record<'_>) -> Option<&[u8]> {
    word.value
}

millstream::plugin! {
    /// Keeps records by their first byte.
    filter "keep" = keep;
    /// Filters and rewrites bids.
    flat_map_values "convert" = convert;
    /// Splits a line at spaces.
    flat_map_values "split" = split;
    /// The word becomes the key.
    select_key "word-as-key" = word_as_key;
}
