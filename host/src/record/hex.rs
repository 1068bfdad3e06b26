//! Bytes as hexadecimal digits, two a byte.

/// The digits of bytes.
///
/// ```
/// use millstream::record::hex;
/// assert_eq!(hex::encode(&[0, 0xab]), "00ab");
/// assert_eq!(hex::decode("00AB"), Some(vec![0, 0xab]));
/// assert_eq!((hex::decode("0"), hex::decode("+1")), (None, None));
/// ```
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of digits; none if they are no digits, or an odd number.
pub fn decode(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let sound = digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit);
    sound.then(|| digits.chunks(2).map(byte).collect()).flatten()
}
