//! The one place where machine code from elsewhere becomes part of this process.

use super::compile::Code;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Makes a component of compiled code.
///
/// # Errors
/// If the code was compiled for another engine, which its header says.
#[expect(unsafe_code, reason = "loading compiled code; the argument stands at the call")]
pub(super) fn load(engine: &Engine, code: &Code) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` asks that the bytes were produced by `precompile_component` and not changed since.
    // - A `Code` is made in two places. One takes the answer of the compiler's process over a pipe: that process is this
    //   program (or the binary that a test names), it was started by this one, and it writes nothing that a component
    //   chose but what Cranelift made of it. The other reads a file of the cache whose SHA-256 is the one in the file's
    //   name, which was computed over such an answer: damage by a disk or a crash is found.
    // - Nobody but this user can write to the cache's directory (it is theirs, mode 0700, checked on opening). Who acts
    //   as this user can change this process in simpler ways; against them nothing is claimed.
    // - The bytes checked are the bytes loaded: they lie in this process's memory, and `deserialize` copies them.
    // - Code for another version, configuration or processor is refused by its header.
    unsafe { Component::deserialize(engine, code.bytes()) }
}
