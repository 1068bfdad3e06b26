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

    /// Counts of partitions in the fixture.
    const COUNTS: [i32; 4] = [1, 3, 12, 100];

    #[derive(serde::Deserialize)]
    struct Asked {
        key: String,
        murmur2: i32,
        partitions: [i32; 4],
    }

    /// What Kafka's own classes answered: `tests/fixtures/partitioner`.
    #[test]
    fn agrees_with_java() {
        let text = include_str!("../../../tests/fixtures/partitioner/keys.jsonl");
        let asked = text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON"));
        let asked: Vec<Asked> = asked.collect();
        assert!(asked.len() >= 190, "{} keys", asked.len());
        for Asked { key, murmur2: hash, partitions } in asked {
            let bytes = crate::record::hex::decode(&key).expect("hexadecimal digits");
            assert_eq!(murmur2(&bytes), hash, "{key}");
            let ours = COUNTS.map(|count| partition_for(Some(&bytes), Partition::new(5), count).get());
            assert_eq!(ours, partitions, "{key}");
        }
    }

    #[test]
    fn null_key_stays_in_its_partition() {
        assert_eq!(partition_for(None, Partition::new(5), 4), Partition::new(1));
    }
}
