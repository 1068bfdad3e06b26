//! The plugin of the benchmarks.

mod functions;

use millstream::{Json, Out, Record};

fn keep(record: Record<'_>) -> bool {
    record.value.is_some_and(functions::keep)
}

fn convert(record: Record<'_>, out: &mut Out) -> Result<(), serde_json::Error> {
    if let Some(bid) = functions::convert(record.value.unwrap_or_default())? {
        out.value(Json(bid));
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
