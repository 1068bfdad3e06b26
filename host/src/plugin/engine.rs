//! The engine that all plugins of a process share, and the clock that interrupts them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wasmtime::{Config, Engine, OptLevel};

/// How often running plugins look whether their time is up: deadlines are multiples of it.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// Stack of a guest, bytes; workers' threads have more (see the worker's stack).
const GUEST_STACK_BYTES: usize = 1 << 20;

/// An engine whose epoch moves on every [`TICK`] until it is dropped.
pub(super) struct Ticking {
    pub(super) engine: Engine,
    stop: Arc<AtomicBool>,
}

impl Ticking {
    /// An engine as `reference`d in ARCHITECTURE.md: Cranelift, no threads, no concurrency in components.
    pub(super) fn new() -> Result<Self, wasmtime::Error> {
        let mut config = Config::new();
        config.cranelift_opt_level(OptLevel::Speed);
        config.concurrency_support(false);
        config.epoch_interruption(true);
        config.max_wasm_stack(GUEST_STACK_BYTES);
        config.memory_may_move(false);
        config.wasm_memory64(false);
        config.wasm_relaxed_simd(false);
        let engine = Engine::new(&config)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (weak, stopped) = (engine.weak(), Arc::clone(&stop));
        std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                let Some(engine) = weak.upgrade() else { break };
                engine.increment_epoch();
            }
        });
        Ok(Self { engine, stop })
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
