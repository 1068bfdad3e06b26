//! Named places at which a crash test can kill the process.

/// Passes the place `name`. With the feature `kill-points` and `MILLSTREAM_KILL_AT=<name>:<n>` in the environment the
/// `n`-th passage kills the process with SIGKILL; without the feature this is nothing.
#[cfg(not(feature = "kill-points"))]
#[inline]
pub const fn pass(_name: &str) {}

/// See above.
#[cfg(feature = "kill-points")]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, Ordering};
    static TARGET: OnceLock<Option<(String, AtomicI64)>> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let setting = std::env::var("MILLSTREAM_KILL_AT").ok()?;
        let (name, count) = setting.rsplit_once(':')?;
        Some((name.to_owned(), AtomicI64::new(count.parse().ok()?)))
    });
    if let Some((target, left)) = target
        && target == name
        && left.fetch_sub(1, Ordering::SeqCst) == 1
    {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
