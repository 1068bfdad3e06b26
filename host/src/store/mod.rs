//! State: the shapes, the layers, RocksDB.

/// What a transaction changes in the stores, to be applied at once.
#[derive(Debug, Default)]
pub struct Writes;
