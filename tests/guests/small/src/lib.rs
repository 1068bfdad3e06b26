//! A plugin that filters, and does nothing else.

use millstream::Record;

fn long(record: Record<'_>) -> bool {
    record.value.is_some_and(|value| value.len() > 3)
}

millstream::plugin! {
    /// Keeps values of more than three bytes.
    filter "long" reads [value] = long;
}
