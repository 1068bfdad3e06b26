//! Named places at which a crash test can kill the process. Without the feature `kill-points` all of this is nothing.
//!
//! The environment says what happens: `MILLSTREAM_KILL_AT=<name>:<n>` kills the process with SIGKILL at the `n`-th
//! passage of the place, `<name>:<n>:<us>` that many microseconds later, while what follows is under way;
//! `<name>:<n>:stop` stops the process until it is told to go on, `<name>:<n>:hang` halts the thread there for ever,
//! `<name>:<n>:panic` has it panic, and `<name>:<n>:go-on` does nothing. Several have commas between.
//! `MILLSTREAM_KILL_LOG` names a file or pipe that is told of it first, so that a test knows that this place was reached.
//! `MILLSTREAM_TURN_ROWS` makes turns small, so that a short run passes many places, and `MILLSTREAM_REFRESH_MS` the time
//! short after which offsets that did not change are committed again.

/// Passes the place `name`.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub const fn pass(_name: &str) {}

/// Records a turn takes at most, if a test says so.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub const fn turn_rows() -> Option<usize> {
    None
}

/// Time between two commits of offsets that did not change, if a test says so.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub const fn refresh() -> Option<std::time::Duration> {
    None
}

/// After how long a worker that does not come back is stuck at the earliest, if a test says so.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub const fn stuck() -> Option<std::time::Duration> {
    None
}

#[cfg(feature = "kill-points")]
pub use armed::{pass, refresh, stuck, turn_rows};

#[cfg(feature = "kill-points")]
mod armed {
    use rustix::process::{Signal, getpid, kill_process};
    use std::io::Write;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Duration;

    struct Target {
        name: String,
        /// Passages until it strikes.
        left: AtomicI64,
        strike: Strike,
    }

    enum Strike {
        Kill(Duration),
        Stop,
        Hang,
        Panic,
        GoOn,
    }

    /// Passes the place `name`.
    pub fn pass(name: &str) {
        static TARGETS: OnceLock<Vec<Target>> = OnceLock::new();
        let targets = TARGETS.get_or_init(|| {
            let setting = std::env::var("MILLSTREAM_KILL_AT").unwrap_or_default();
            setting.split(',').filter_map(target).collect()
        });
        for target in targets {
            if target.name == name && target.left.fetch_sub(1, Ordering::SeqCst) == 1 {
                announce(&target.name);
                strike(&target.strike);
            }
        }
    }

    /// Records a turn takes at most, if a test says so.
    pub fn turn_rows() -> Option<usize> {
        std::env::var("MILLSTREAM_TURN_ROWS").ok()?.parse().ok()
    }

    /// Time between two commits of offsets that did not change, if a test says so.
    pub fn refresh() -> Option<Duration> {
        std::env::var("MILLSTREAM_REFRESH_MS").ok()?.parse().ok().map(Duration::from_millis)
    }

    /// After how long a worker that does not come back is stuck at the earliest, if a test says so.
    pub fn stuck() -> Option<Duration> {
        std::env::var("MILLSTREAM_STUCK_MS").ok()?.parse().ok().map(Duration::from_millis)
    }

    fn target(setting: &str) -> Option<Target> {
        let mut parts = setting.split(':');
        let name = parts.next()?.to_owned();
        let left = AtomicI64::new(parts.next()?.parse().ok()?);
        let strike = match parts.next() {
            Some("stop") => Strike::Stop,
            Some("hang") => Strike::Hang,
            Some("panic") => Strike::Panic,
            Some("go-on") => Strike::GoOn,
            delay => Strike::Kill(Duration::from_micros(delay.unwrap_or("0").parse().ok()?)),
        };
        Some(Target { name, left, strike })
    }

    /// A test without this line takes the place for one that was not reached.
    fn announce(name: &str) {
        let Some(path) = std::env::var_os("MILLSTREAM_KILL_LOG") else { return };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{name}").and_then(|()| file.sync_all()));
    }

    fn strike(strike: &Strike) {
        match strike {
            Strike::GoOn => {}
            Strike::Hang => loop {
                std::thread::park();
            },
            Strike::Stop => send(Signal::STOP),
            Strike::Kill(Duration::ZERO) => send(Signal::KILL),
            Strike::Panic => panic!("on purpose"),
            Strike::Kill(delay) => {
                let delay = *delay;
                std::thread::spawn(move || {
                    std::thread::sleep(delay);
                    send(Signal::KILL);
                });
            }
        }
    }

    fn send(signal: Signal) {
        let _ = kill_process(getpid(), signal);
    }
}
