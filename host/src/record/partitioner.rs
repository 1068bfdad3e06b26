//! Kafka's default partitioner.

use super::Partition;

/// Kafka's murmur2 (`org.apache.kafka.common.utils.Utils#murmur2`), bit for bit.
///
/// ```
/// assert_eq!(millstream::record::murmur2(b"21"), -973_932_308);
/// ```
pub fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    #[expect(clippy::cast_possible_truncation, reason = "a key is shorter than 2^31 bytes")]
    let mut hash = SEED ^ bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let mut k = word.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash ^= rest.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ (hash >> 15)).cast_signed()
}

/// The partition of a key among `partitions`, as Kafka's producer chooses it. A null key has no place of its own: it
/// stays in the partition that its input record came from, so that its order is kept and a replay does the same.
pub fn partition_for(key: Option<&[u8]>, input: Partition, partitions: i32) -> Partition {
    debug_assert!(partitions > 0);
    let number = key.map_or(input.get(), |key| murmur2(key) & i32::MAX);
    Partition::new(number % partitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of Java's `Utils.murmur2`, from Kafka's own unit test.
    #[test]
    fn agrees_with_java() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()), hash, "{key}");
        }
    }

    #[test]
    fn null_key_stays_in_its_partition() {
        assert_eq!(partition_for(None, Partition::new(5), 4), Partition::new(1));
    }
}
