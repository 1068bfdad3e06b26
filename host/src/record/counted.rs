//! How many records a record of a repartition topic stands for, where they were counted before they were written: eight
//! bytes, big-endian, as Kafka's `LongSerializer`.

/// Records that one can stand for at most. The first byte of a number is always 0, so that most of what else might lie in
/// a topic, text above all, is no number.
const NUMBER_MAX: i64 = (1 << 56) - 1;

/// The number's bytes.
pub const fn bytes(number: i64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Reads a number; none if the bytes are not one.
///
/// ```
/// use millstream::record::counted;
/// assert_eq!(counted::number(&counted::bytes(7)), Some(7));
/// assert_eq!(counted::number(b"a number"), None);
/// ```
pub fn number(bytes: &[u8]) -> Option<i64> {
    let number = i64::from_be_bytes(bytes.try_into().ok()?);
    (1..=NUMBER_MAX).contains(&number).then_some(number)
}
