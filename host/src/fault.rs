//! Mistakes on purpose, by which tests prove that they can fail. Without the feature `faults` there are none.

/// Whether the mistake `name` is to be made.
#[cfg(not(feature = "faults"))]
#[inline]
pub const fn is(_name: &str) -> bool {
    false
}

/// Whether the mistake `name` is to be made: the environment's `MILLSTREAM_FAULT` names one.
#[cfg(feature = "faults")]
pub fn is(name: &str) -> bool {
    use std::sync::OnceLock;
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("MILLSTREAM_FAULT").ok()).as_deref() == Some(name)
}
