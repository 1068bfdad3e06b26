//! The engines that all plugins of a process share, and the clock that interrupts them.

use super::limits::Limits;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wasmtime::{Config, Engine, OptLevel};

/// How often running plugins look whether their time is up: deadlines are multiples of it.
const TICK: Duration = Duration::from_millis(5);
/// Stack of a guest, bytes; threads that call plugins have more (see the worker's stack).
const GUEST_STACK_BYTES: usize = 1 << 20;

/// How code is compiled. Engines of different profiles share no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Loops and functions look whether their time is up.
    Interruptible,
    /// They do not.
    Trusted,
}

impl Profile {
    /// The profile that the limits ask for.
    pub(super) const fn of(limits: &Limits) -> Self {
        if limits.trusted { Self::Trusted } else { Self::Interruptible }
    }

    /// An engine of this profile: Cranelift, no threads, no concurrency in components. Memories do not move, so that
    /// their base need not be read anew after every call; they are reserved whole and copied on write.
    pub(super) fn engine(self) -> wasmtime::Result<Engine> {
        let mut config = Config::new();
        config.cranelift_opt_level(OptLevel::Speed);
        config.concurrency_support(false);
        config.epoch_interruption(self == Self::Interruptible);
        config.max_wasm_stack(GUEST_STACK_BYTES);
        config.memory_may_move(false);
        config.memory_init_cow(true);
        config.wasm_memory64(false);
        config.wasm_relaxed_simd(false);
        Engine::new(&config)
    }
}

/// An engine and, if its code can be interrupted, the clock that does it: the epoch moves on every [`TICK`] until this
/// is dropped.
pub(super) struct Ticking {
    pub(super) engine: Engine,
    stop: Arc<AtomicBool>,
}

impl Ticking {
    pub(super) fn new(profile: Profile) -> wasmtime::Result<Self> {
        let engine = profile.engine()?;
        let stop = Arc::new(AtomicBool::new(false));
        if profile == Profile::Interruptible {
            let (weak, stopped) = (engine.weak(), Arc::clone(&stop));
            let clock = std::thread::Builder::new().name("plugin-clock".into());
            clock.spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    let Some(engine) = weak.upgrade() else { break };
                    engine.increment_epoch();
                }
            })?;
        }
        Ok(Self { engine, stop })
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A number that two engines share only if each can run what was compiled for the other.
pub(super) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// So many ticks that at least the time passes.
pub(super) fn ticks(time: Duration) -> u64 {
    // One more, because the tick at hand is nearly over.
    u64::try_from(time.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX - 1).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_share_no_code() {
        let number = |profile: Profile| compatibility(&profile.engine().unwrap());
        assert_eq!(number(Profile::Trusted), number(Profile::Trusted));
        assert_ne!(number(Profile::Trusted), number(Profile::Interruptible));
    }
}
