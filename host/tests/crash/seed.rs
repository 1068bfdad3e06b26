//! Seeds, so that a failure can be told again.

/// The seed that `MILLSTREAM_SEED` asks for, or a new one.
pub(crate) fn seed() -> u64 {
    let asked = std::env::var("MILLSTREAM_SEED").ok().and_then(|seed| seed.parse().ok());
    asked.unwrap_or_else(|| {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        u64::from(time.subsec_nanos()) ^ (time.as_secs() << 20)
    })
}
