//! An app that counts keys in a store with a changelog, behind a repartition topic, and needs no plugin.

/// Its manifest.
pub(crate) fn counting(app: &str, input: &str) -> String {
    format!(
        r#"manifest = 1
app = "{app}"
[node.lines]
op = "stream"
topic = "{input}"
[node.spread]
op = "repartition"
from = "lines"
partitions = 2
[node.grouped]
op = "group-by-key"
from = "spread"
[node.counts]
op = "count"
from = "grouped"
store = "counts"
changelog = true
format = "text"
[guarantee]
repartition-purge-interval = "1h"
"#
    )
}
