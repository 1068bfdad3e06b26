//! Tokens of OAUTHBEARER: read from where a platform keeps them fresh, whenever the clients need another.

use crate::record::Timestamp;
use serde_json::Value;
use std::ffi::CString;
use std::path::PathBuf;

/// Where a token lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In a file that somebody keeps up to date.
    File(PathBuf),
    /// In a variable of the environment, as it was when the process began.
    Env(String),
}

/// A token. Not to be shown.
pub(super) struct Token {
    pub(super) text: CString,
    /// For whom it is.
    pub(super) principal: CString,
    /// Until when it is good, milliseconds since the epoch.
    pub(super) expires: Timestamp,
}

impl Token {
    /// When the next one is to be looked for: after three quarters of the time that is left, and so before librdkafka asks
    /// for it, which it does after four fifths.
    pub(super) const fn renew_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.expires.saturating_sub(now) / 4 * 3)
    }
}

impl TokenSource {
    /// The token as it is now, if it is still good. No error tells any of it.
    pub(super) fn read(&self, now: Timestamp) -> Result<Token, String> {
        let (text, place) = match self {
            Self::File(path) => {
                let place = format!("the file {path:?}");
                (std::fs::read_to_string(path).map_err(|error| format!("{place} cannot be read: {error}"))?, place)
            }
            Self::Env(name) => {
                let place = format!("the variable {name:?}");
                (std::env::var(name).map_err(|_| format!("{place} holds no text"))?, place)
            }
        };
        let token = claims(text.trim()).map_err(|why| format!("the token in {place} is no JWT: {why}"))?;
        if token.expires <= now {
            let (was, is) = (token.expires / 1000, now / 1000);
            return Err(format!(
                "the token in {place} expired {} s ago (exp is {was}, and it is {is})",
                is.saturating_sub(was)
            ));
        }
        Ok(token)
    }
}

/// Takes a JWT apart: until when it is good, and for whom.
fn claims(token: &str) -> Result<Token, &'static str> {
    let mut parts = token.split('.');
    let (Some(head), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err("it has not three parts between dots");
    };
    let payload = decode(payload).ok_or("its second part is no base64url")?;
    // What else may stand in a header of a request, librdkafka would refuse by showing it.
    decode(head).zip(decode(signature)).ok_or("one of its parts is no base64url")?;
    let payload: Value = serde_json::from_slice(&payload).map_err(|_| "its second part is no JSON")?;
    let expires = payload.get("exp").and_then(Value::as_f64).ok_or("it does not say by exp when it expires")?;
    let subject = payload.get("sub").and_then(Value::as_str).ok_or("it does not say by sub who it is for")?;
    #[expect(clippy::cast_possible_truncation, reason = "a time beyond the range becomes its end")]
    let expires = (expires * 1000.0) as i64;
    let text = |text: &str| CString::new(text).map_err(|_| "it holds a zero byte");
    Ok(Token { text: text(token)?, principal: text(subject)?, expires })
}

/// Base64 with the alphabet of URLs, with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut held, mut bits) = (0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"none"}`, `{"sub":"orders","exp":1893456000}`.
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcmRlcnMiLCJleHAiOjE4OTM0NTYwMDB9.";
    const EXPIRES: Timestamp = 1_893_456_000_000;

    #[test]
    fn a_file_is_read_anew_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let source = TokenSource::File(path.clone());
        let refused = |now| source.read(now).err().unwrap();
        assert!(refused(0).contains("cannot be read"));
        std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
        let token = source.read(EXPIRES - 1).unwrap();
        assert_eq!((token.text.to_str(), token.principal.to_str()), (Ok(TOKEN), Ok("orders")));
        assert_eq!(token.expires, EXPIRES);
        let error = refused(EXPIRES + 7_500);
        assert!(error.contains("expired 7 s ago") && !error.contains("eyJ"), "{error}");
        std::fs::write(&path, "secret").unwrap();
        let error = refused(0);
        assert!(error.contains("no JWT") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_next_one_is_looked_for_before_librdkafka_asks() {
        let token = claims(TOKEN).unwrap();
        assert_eq!(token.renew_at(EXPIRES - 1000), EXPIRES - 250);
        assert_eq!(token.renew_at(EXPIRES), EXPIRES);
    }

    #[test]
    fn base64_of_any_length() {
        for (text, bytes) in [("", &b""[..]), ("Zg", b"f"), ("Zm8=", b"fo"), ("Zm9v", b"foo"), ("-_8", &[0xfb, 0xff])] {
            assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(decode("a+b/"), None);
    }

    #[test]
    fn what_is_no_token_is_told_apart() {
        for (token, why) in [
            ("a.b", "three parts"),
            ("a.!.c", "base64url"),
            ("a.Zm9v.c", "JSON"),
            // {"sub":"a"} and {"exp":1}
            ("a.eyJzdWIiOiJhIn0.c", "exp"),
            ("a.eyJleHAiOjF9.c", "sub"),
            ("a.eyJzdWIiOiJhIiwiZXhwIjoxfQ.\u{1}", "one of its parts"),
            ("a b.eyJzdWIiOiJhIiwiZXhwIjoxfQ.c", "one of its parts"),
        ] {
            assert!(claims(token).err().unwrap().contains(why), "{token}");
        }
    }
}
