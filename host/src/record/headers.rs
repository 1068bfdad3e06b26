//! A record's headers: as they lie in a record batch (a varint count, then name and value with varint lengths), and as
//! the plugin contract packs them (`columns` in `wit/plugin.wit`).

use super::varint;

/// Length of a null value in a contract's block.
const NULL: u32 = u32::MAX;

/// One header.
pub type Header<'a> = (&'a [u8], Option<&'a [u8]>);

/// The headers of a section; an empty section has none. Ends early if the section is damaged, which
/// [`super::batch::Batches`] has ruled out for what was read.
pub fn iter(section: &[u8]) -> impl Iterator<Item = Header<'_>> {
    let mut at = 0;
    let count = varint::take(section, &mut at).unwrap_or(0);
    (0..count).map_while(move |_| next(section, &mut at))
}

fn next<'a>(section: &'a [u8], at: &mut usize) -> Option<Header<'a>> {
    let name = field(section, at)??;
    let value = field(section, at)?;
    Some((name, value))
}

fn field<'a>(section: &'a [u8], at: &mut usize) -> Option<Option<&'a [u8]>> {
    let Some(length) = varint::take_length(section, at)? else { return Some(None) };
    let field = section.get(*at..*at + length)?;
    *at += length;
    Some(Some(field))
}

/// The bytes of the section that begins at `at`, if it is sound.
pub fn measure(bytes: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    let count = varint::take(bytes, &mut end).filter(|count| *count >= 0)?;
    for _ in 0..count {
        next(bytes, &mut end)?;
    }
    Some(end - at)
}

/// Appends one header.
fn put((name, value): Header<'_>, section: &mut Vec<u8>) {
    varint::put(name.len().cast_signed() as i64, section);
    section.extend_from_slice(name);
    varint::put(value.map_or(-1, |value| value.len().cast_signed() as i64), section);
    section.extend_from_slice(value.unwrap_or_default());
}

/// A section with these headers; empty if there are none.
pub fn encode<'a>(headers: impl ExactSizeIterator<Item = Header<'a>>) -> Vec<u8> {
    let mut section = Vec::new();
    if headers.len() > 0 {
        varint::put(headers.len().cast_signed() as i64, &mut section);
        headers.for_each(|header| put(header, &mut section));
    }
    section
}

/// The section with more headers at its end.
///
/// ```
/// use millstream::record::headers;
/// let section = headers::extend(&[], &[("a", None), ("b", Some(b"1"))]);
/// let names: Vec<_> = headers::iter(&section).map(|(name, _)| name).collect();
/// assert_eq!(names, [b"a", b"b"]);
/// ```
pub fn extend(section: &[u8], more: &[(&str, Option<&[u8]>)]) -> Vec<u8> {
    let more = more.iter().map(|(name, value)| (name.as_bytes(), *value));
    let all: Vec<Header<'_>> = iter(section).chain(more).collect();
    encode(all.into_iter())
}

/// Appends the contract's block for a section.
pub fn to_block(section: &[u8], block: &mut Vec<u8>) {
    #[expect(clippy::cast_possible_truncation, reason = "a header is shorter than 4 GiB")]
    for (name, value) in iter(section) {
        block.extend_from_slice(&(name.len() as u32).to_le_bytes());
        block.extend_from_slice(name);
        block.extend_from_slice(&value.map_or(NULL, |value| value.len() as u32).to_le_bytes());
        block.extend_from_slice(value.unwrap_or_default());
    }
}

/// Whether these bytes are a contract's block.
pub fn is_block(block: &[u8]) -> bool {
    let mut rest = block;
    while !rest.is_empty() {
        let Some((name, value)) = block_field(rest).and_then(|(name, after)| Some((name, block_field(after)?))) else {
            return false;
        };
        if name.is_none_or(|name| std::str::from_utf8(name).is_err()) {
            return false;
        }
        rest = value.1;
    }
    true
}

/// The section for a contract's block, which comes from a guest; none if it is damaged.
pub fn from_block(block: &[u8]) -> Option<Vec<u8>> {
    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut rest = block;
    while !rest.is_empty() {
        let (name, after) = block_field(rest)?;
        let (value, after) = block_field(after)?;
        headers.push((name.filter(|name| std::str::from_utf8(name).is_ok())?, value));
        rest = after;
    }
    Some(encode(headers.into_iter()))
}

fn block_field(block: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = block.split_first_chunk::<4>()?;
    match u32::from_le_bytes(*length) {
        NULL => Some((None, rest)),
        length => rest.split_at_checked(length as usize).map(|(field, rest)| (Some(field), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn block_and_section_agree(headers in proptest::collection::vec((".{0,9}", proptest::option::of(".{0,9}")), 0..5)) {
            let list: Vec<_> = headers.iter().map(|(n, v)| (n.as_bytes(), v.as_ref().map(String::as_bytes))).collect();
            let section = encode(list.iter().copied());
            prop_assert_eq!(iter(&section).collect::<Vec<_>>(), list);
            let mut block = Vec::new();
            to_block(&section, &mut block);
            prop_assert_eq!(from_block(&block), Some(section));
        }

        #[test]
        fn hostile_blocks_are_refused_or_read(block: Vec<u8>) {
            prop_assert_eq!(is_block(&block), from_block(&block).is_some());
            let _ = iter(&block).count();
            let _ = measure(&block, 0);
        }
    }
}
