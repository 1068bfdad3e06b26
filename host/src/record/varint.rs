//! Kafka's variable-length integers: zigzag, then seven bits a byte, lowest first.

/// Appends a number.
///
/// ```
/// let mut bytes = Vec::new();
/// millstream::record::varint::put(-65, &mut bytes);
/// assert_eq!(bytes, [0x81, 0x01]);
/// ```
#[inline]
pub fn put(number: i64, bytes: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    bytes.push(rest as u8);
}

/// Bytes that [`put`] appends.
#[inline]
pub const fn size(number: i64) -> usize {
    let zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned() | 1;
    (64 - zigzag.leading_zeros() as usize).div_ceil(7)
}

/// Reads a number at `at` and moves `at` behind it; none if it is cut off or longer than a number can be.
#[inline]
pub fn take(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(i64::from(first >> 1) ^ -i64::from(first & 1));
    }
    take_long(bytes, at)
}

/// As [`take`], for numbers of any length: most fit into one byte.
fn take_long(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut zigzag = 0u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        zigzag |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some((zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed()));
        }
    }
    None
}

/// Reads a length: -1 is null, anything lower or beyond the bytes left is damage.
#[inline]
pub fn take_length(bytes: &[u8], at: &mut usize) -> Option<Option<usize>> {
    let length = take(bytes, at)?;
    if length == -1 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    (length <= bytes.len() - *at).then_some(Some(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn comes_back(number: i64) {
            let mut bytes = Vec::new();
            put(number, &mut bytes);
            prop_assert_eq!(bytes.len(), size(number));
            let mut at = 0;
            prop_assert_eq!(take(&bytes, &mut at), Some(number));
            prop_assert_eq!(at, bytes.len());
            bytes.pop();
            prop_assert_eq!(take(&bytes, &mut 0), None);
        }
    }
}
