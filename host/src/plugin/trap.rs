//! Names a failed call for what becomes of its rows.

use super::limits::Limits;
use super::port::CallError;
use super::state::State;
use wasmtime::{Trap, WasmBacktrace};

/// Guest frames that a backtrace shows.
const FRAMES_MAX: usize = 16;

/// What a call over so many rows failed of.
pub(super) fn classify(error: &wasmtime::Error, state: &mut State, limits: &Limits, rows: usize) -> CallError {
    let last_words = state.take_last_words();
    if state.account.take_refused() {
        return CallError::Memory { limit: limits.memory_bytes };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::Timeout { after: limits.deadline_of(rows) },
        Some(trap) => {
            let (row, message) = last_words.unwrap_or_else(|| (None, trap.to_string()));
            CallError::Trap { row, message, backtrace: backtrace(error) }
        }
        None => CallError::Invalid { reason: format!("{:#}", error.root_cause()) },
    }
}

/// Guest frames, innermost first, one a line.
fn backtrace(error: &wasmtime::Error) -> String {
    let frames = error.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::frames);
    let named = frames.unwrap_or_default().iter().take(FRAMES_MAX).map(|frame| {
        let index = || format!("function {}", frame.func_index());
        let name = frame.func_name().map_or_else(index, |name| format!("{:#}", rustc_demangle::demangle(name)));
        format!("at {name}\n")
    });
    named.collect()
}
