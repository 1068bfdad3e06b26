//! The whole contract, also what the host does not run yet: a plugin with operators of every kind is called through
//! `wit/` as it stands, and what a component exports and imports follows what it holds.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot be set up must fail")]

mod calls;
mod imports;
mod memory;

use std::path::{Path, PathBuf};

/// Bindings of the whole contract.
mod wit {
    wasmtime::component::bindgen!({ path: "../wit", world: "full-plugin" });
}

/// A guest as a component.
fn component(name: &str) -> Vec<u8> {
    let built = std::env::var_os("MILLSTREAM_GUESTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests/target"), PathBuf::from);
    let path = built.join("wasm32-unknown-unknown/release").join(name).with_extension("wasm");
    let module = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; make guests", path.display()));
    millstream::plugin::componentize(&module).expect("a core module that carries the contract")
}
