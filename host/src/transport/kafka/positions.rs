//! What a member tells the group's leader when it joins: the process that it belongs to, and how far the state of tasks has
//! come there. It goes as user data of the consumer protocol's subscription, which Kafka's brokers keep and do not read.

use super::assignor::Positions;
use crate::record::varint;

/// The first byte: the version of what follows. User data of librdkafka's own assignor begins with a zero.
const VERSION: u8 = 1;
/// Tasks that a member tells of, at most: with some 6 bytes each, 100 members of a group fit into a record of a megabyte,
/// which is what a broker takes of all that a group's members tell.
const TASKS_MAX: usize = 1_000;

/// As it is told: version, length and bytes of the process's name, and for each task how much its number is above the last
/// one's, and its position; numbers are varints.
pub(super) fn encode(instance: &str, positions: &Positions) -> Vec<u8> {
    let mut told = vec![VERSION];
    varint::put(instance.len().cast_signed() as i64, &mut told);
    told.extend_from_slice(instance.as_bytes());
    let mut last = 0;
    for (task, position) in positions.iter().take(TASKS_MAX) {
        varint::put((task - last).cast_signed() as i64, &mut told);
        varint::put(position.cast_signed(), &mut told);
        last = *task;
    }
    told
}

/// What a member told; none if it is of another kind.
pub(super) fn decode(told: &[u8]) -> Option<(String, Positions)> {
    let (VERSION, rest) = told.split_first().map(|(version, rest)| (*version, rest))? else { return None };
    let mut at = 0;
    let length = usize::try_from(varint::take(rest, &mut at)?).ok()?;
    let instance = rest.get(at..at.checked_add(length)?)?;
    at += length;
    let (mut positions, mut last) = (Positions::new(), 0_usize);
    while at < rest.len() {
        last = last.checked_add(usize::try_from(varint::take(rest, &mut at)?).ok()?)?;
        positions.insert(last, varint::take(rest, &mut at)?.cast_unsigned());
    }
    Some((String::from_utf8(instance.to_vec()).ok()?, positions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        for positions in [vec![], vec![(0, 0)], vec![(3, u64::MAX), (4, 1 << 40), (900, 7)]] {
            let positions: Positions = positions.into_iter().collect();
            assert_eq!(decode(&encode("host-1", &positions)), Some(("host-1".into(), positions)));
        }
        let many: Positions = (0..2 * TASKS_MAX).map(|task| (task, 1)).collect();
        assert_eq!(decode(&encode("a", &many)).unwrap().1.len(), TASKS_MAX);
    }

    #[test]
    fn what_others_tell_is_left_alone() {
        let told = encode("host-1", &[(3, 5), (70, 300)].into());
        for cut in 1..told.len() {
            let _ = decode(&told[..cut]);
        }
        for other in [&b""[..], b"\0\0\0\x01", b"\x02\x02a", b"\x01\xff", b"\x01\x09ab", b"\x01\x02a\x01\x02"] {
            assert_eq!(decode(other), None, "{other:?}");
        }
    }
}
