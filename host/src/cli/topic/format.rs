//! kcat's format strings.

use super::notation::Notations;
use crate::record::headers;

/// A record as formats see it.
pub(in crate::cli) struct Shown<'a> {
    pub(in crate::cli) topic: &'a str,
    pub(in crate::cli) partition: i32,
    pub(in crate::cli) offset: i64,
    pub(in crate::cli) timestamp: i64,
    pub(in crate::cli) key: Option<&'a [u8]>,
    pub(in crate::cli) value: Option<&'a [u8]>,
    /// Its headers as they lie in a batch.
    pub(in crate::cli) headers: &'a [u8],
}

/// A format string, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Format(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Mark(char),
}

/// Letters that stand for a part of the record.
const MARKS: &str = "ksStTKpoh";

impl Format {
    /// Takes a format string apart.
    pub(in crate::cli) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = Vec::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '%' => match letters.next() {
                    Some('%') => literal.push(b'%'),
                    Some(mark) if MARKS.contains(mark) => {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                        pieces.push(Piece::Mark(mark));
                    }
                    other => {
                        let mark = other.map(String::from).unwrap_or_default();
                        return Err(format!(
                            "MS-C005: there is no mark %{mark}; write %k key, %s value, %t topic, %p partition, %o offset, %T timestamp, %h headers, %K and %S their lengths, %% a percent sign"
                        ));
                    }
                },
                '\\' => literal.push(escape(&mut letters)?),
                other => literal.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        pieces.push(Piece::Literal(literal));
        pieces.retain(|piece| *piece != Piece::Literal(Vec::new()));
        Ok(Self(pieces))
    }

    /// Appends a record. Null is shown as `null`.
    ///
    /// # Errors
    /// If a key or value does not fit its notation.
    pub(in crate::cli) fn write(
        &self,
        record: &Shown<'_>,
        notations: Notations,
        null: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let length = |cell: Option<&[u8]>| cell.map_or("-1".to_owned(), |bytes| bytes.len().to_string());
        for piece in &self.0 {
            let text = match piece {
                Piece::Literal(bytes) => {
                    out.extend_from_slice(bytes);
                    continue;
                }
                Piece::Mark('k') => {
                    field(record.key, notations.key, null, out).map_err(|what| format!("key: {what}"))?;
                    continue;
                }
                Piece::Mark('s') => {
                    field(record.value, notations.value, null, out).map_err(|what| format!("value: {what}"))?;
                    continue;
                }
                Piece::Mark('K') => length(record.key),
                Piece::Mark('S') => length(record.value),
                Piece::Mark('t') => record.topic.to_owned(),
                Piece::Mark('p') => record.partition.to_string(),
                Piece::Mark('o') => record.offset.to_string(),
                Piece::Mark('T') => record.timestamp.to_string(),
                Piece::Mark(_) => {
                    write_headers(record.headers, out);
                    continue;
                }
            };
            out.extend_from_slice(text.as_bytes());
        }
        Ok(())
    }
}

fn field(
    cell: Option<&[u8]>,
    notation: super::notation::Notation,
    null: &str,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    match cell {
        Some(bytes) => notation.write(bytes, out),
        None => {
            out.extend_from_slice(null.as_bytes());
            Ok(())
        }
    }
}

fn write_headers(section: &[u8], out: &mut Vec<u8>) {
    for (number, (name, value)) in headers::iter(section).enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value.unwrap_or(b"NULL"));
    }
}

/// The byte that follows a backslash.
fn escape(letters: &mut std::str::Chars<'_>) -> Result<u8, String> {
    let letter = letters.next();
    Ok(match letter {
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('0') => 0,
        Some('\\') => b'\\',
        Some('x') => {
            let digits: String = letters.by_ref().take(2).collect();
            let sound = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = sound.then(|| u8::from_str_radix(&digits, 16).ok()).flatten();
            byte.ok_or_else(|| format!("MS-C005: \\x{digits} is no byte; write two hexadecimal digits, as in \\x1f"))?
        }
        other => {
            let letter = other.map(String::from).unwrap_or_default();
            return Err(format!("MS-C005: there is no escape \\{letter}; write \\n, \\t, \\r, \\0, \\\\ or \\xNN"));
        }
    })
}

/// A delimiter: text with the same escapes.
pub(in crate::cli) fn delimiter(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => bytes.push(escape(&mut letters)?),
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if bytes.is_empty() {
        Err("MS-C009: a delimiter has at least one character; write one, such as : or \\t".into())
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Shown<'static> {
        Shown { topic: "t%k", partition: 3, offset: 42, timestamp: 7, key: None, value: Some(b"v\xff"), headers: &[] }
    }

    fn shown(format: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let format = Format::parse(format).expect("a format");
        format.write(&record(), Notations::default(), "NULL", &mut out).expect("it fits");
        out
    }

    #[test]
    fn marks_and_escapes() {
        assert_eq!(shown(r"%t-%p@%o %T %k=%s (%K, %S)\n"), b"t%k-3@42 7 NULL=v\xff (-1, 2)\n");
        assert_eq!(shown(r"100%%\t\x41\0\\"), b"100%\tA\0\\");
    }

    #[test]
    fn headers_are_listed() {
        let section = headers::encode([(&b"a"[..], Some(&b"1"[..])), (b"b", None)].into_iter());
        let mut out = Vec::new();
        let format = Format::parse("%h").expect("a format");
        let record = Shown { headers: &section, ..record() };
        format.write(&record, Notations::default(), "", &mut out).expect("it fits");
        assert_eq!(out, b"a=1,b=NULL");
    }

    #[test]
    fn wrong_formats_are_refused() {
        for wrong in ["%", "%q", r"\", r"\x1", r"\xzz", r"\x+1", r"\é"] {
            let error = Format::parse(wrong).expect_err(wrong);
            assert!(error.starts_with("MS-C005: ") && error.contains("; "), "{error}");
        }
        assert!(delimiter("").is_err());
        assert_eq!(delimiter(r"\t"), Ok(vec![b'\t']));
    }
}
