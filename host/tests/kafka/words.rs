//! An app that splits lines into words and counts them.

use crate::guests;

/// Its manifest; `counts` ends the table of the node that counts.
pub(crate) fn counting(app: &str, lower_case: bool, counts: &str) -> String {
    format!(
        r#"manifest = 1
app = "{app}"
[plugin.words]
component = "words.wasm"
params = {{ lower-case = {lower_case} }}
[node.lines]
op = "stream"
topic = "{app}.in"
[node.by-word]
op = "group-by"
from = "lines"
call = "words.word-as-key"
[node.counts]
op = "count"
from = "by-word"
{counts}"#
    )
}

/// A directory with a manifest, and the plugin that it may call.
pub(crate) fn at(manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::copy(guests::built("words"), directory.path().join("words.wasm")).expect("the plugin is copied");
    std::fs::write(directory.path().join("millstream.toml"), manifest).expect("a manifest can be written");
    directory
}
