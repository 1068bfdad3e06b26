//! A plugin for wasm32-wasip2 that reads the clock.

use millstream::Record;
use std::time::Instant;

fn late(_record: Record<'_>) -> String {
    let before = Instant::now();
    format!("{:?}", before.elapsed())
}

millstream::plugin! {
    /// Says how long nothing takes.
    map_values "late" = late;
}
