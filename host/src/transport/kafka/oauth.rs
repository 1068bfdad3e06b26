//! Tokens of OAUTHBEARER: read from where a platform keeps them fresh, whenever librdkafka asks for another.

use rdkafka::client::OAuthToken;
use serde_json::Value;
use std::path::PathBuf;

/// Where a token lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In a file that somebody keeps up to date.
    File(PathBuf),
    /// In a variable of the environment, as it was when the process began.
    Env(String),
}

impl TokenSource {
    /// The token as it is now. No error tells any of it.
    pub(super) fn read(&self) -> Result<OAuthToken, String> {
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
        claims(text.trim()).map_err(|why| format!("the token in {place} is no JWT: {why}"))
    }
}

/// Takes a JWT apart: until when it is good, and for whom.
fn claims(token: &str) -> Result<OAuthToken, &'static str> {
    let mut parts = token.split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err("it has not three parts between dots");
    };
    let payload = decode(payload).ok_or("its second part is no base64url")?;
    let payload: Value = serde_json::from_slice(&payload).map_err(|_| "its second part is no JSON")?;
    let expires = payload.get("exp").and_then(Value::as_f64).ok_or("it does not say by exp when it expires")?;
    let subject = payload.get("sub").and_then(Value::as_str).ok_or("it does not say by sub who it is for")?;
    #[expect(clippy::cast_possible_truncation, reason = "a time beyond the range becomes its end")]
    let lifetime_ms = (expires * 1000.0) as i64;
    Ok(OAuthToken { token: token.into(), principal_name: subject.into(), lifetime_ms })
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

    #[test]
    fn a_file_is_read_anew_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let source = TokenSource::File(path.clone());
        assert!(source.read().err().unwrap().contains("cannot be read"));
        std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
        let token = source.read().unwrap();
        assert_eq!((token.token.as_str(), token.principal_name.as_str()), (TOKEN, "orders"));
        assert_eq!(token.lifetime_ms, 1_893_456_000_000);
        std::fs::write(&path, "secret").unwrap();
        let error = source.read().err().unwrap();
        assert!(error.contains("no JWT") && !error.contains("secret"), "{error}");
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
        ] {
            assert!(claims(token).err().unwrap().contains(why), "{token}");
        }
    }
}
