//! Plugins that `make guests` has compiled.

use std::path::PathBuf;

/// A core module of this name.
pub(crate) fn built(name: &str) -> PathBuf {
    let home = std::env::var("HOME").unwrap_or_default();
    let built = std::env::var("MILLSTREAM_GUESTS").unwrap_or_else(|_| format!("{home}/.cache/millstream/guests"));
    let path = PathBuf::from(built).join(format!("wasm32-unknown-unknown/release/{name}.wasm"));
    assert!(path.exists(), "{} is not there; run make guests", path.display());
    path
}
