//! `[transport.kafka.tls]` and `[transport.kafka.sasl]`: the properties that they stand for.

use super::Around;
use super::kafka::{Found, Token};
use super::secret::{self, Place};
use crate::topology::{Field, Problem};
use crate::transport::{Client, Property, Setting};

pub(super) const TLS_KEYS: [&str; 4] = ["ca", "certificate", "key", "key-password"];
pub(super) const SASL_KEYS: [&str; 4] = ["mechanism", "username", "password", "token"];
/// Mechanisms that this build has.
const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER];
const OAUTHBEARER: &str = "OAUTHBEARER";

/// Reads both sections; the properties that they stand for come into `properties`.
pub(super) fn read(
    tls: Option<&Field<'_>>,
    sasl: Option<&Field<'_>>,
    around: &Around<'_>,
    properties: &mut Vec<Found>,
    problems: &mut Vec<Problem>,
) -> Option<Token> {
    let mut gathering = Gathering { around, properties, problems };
    if let Some(section) = tls.or(sasl) {
        let protocol = match (tls, sasl) {
            (Some(_), None) => "ssl",
            (Some(_), Some(_)) => "sasl_ssl",
            (None, _) => "sasl_plaintext",
        };
        gathering.add("security.protocol", Setting::Plain(protocol.into()), section.line);
    }
    if let Some(section) = tls {
        gathering.tls(section);
    }
    sasl.and_then(|section| gathering.sasl(section))
}

struct Gathering<'a> {
    around: &'a Around<'a>,
    properties: &'a mut Vec<Found>,
    problems: &'a mut Vec<Problem>,
}

impl Gathering<'_> {
    fn add(&mut self, name: &str, value: Setting, line: usize) {
        self.properties.push((Property { name: name.into(), value, of: Client::Any }, line));
    }

    fn tls(&mut self, section: &Field<'_>) {
        let mut has = Vec::new();
        for field in section.fields() {
            match field.name {
                "ca" | "certificate" | "key" => self.pem(&field),
                "key-password" => self.secret("ssl.key.password", &field),
                _ => self.problems.push(field.unknown(&TLS_KEYS)),
            }
            has.push(field.name);
        }
        for (one, other) in [("certificate", "key"), ("key", "certificate"), ("key-password", "key")] {
            if has.contains(&one) && !has.contains(&other) {
                self.lacks(
                    section,
                    &format!("{one:?} needs {other:?}"),
                    &format!("add {other} to [transport.kafka.tls]"),
                );
            }
        }
    }

    /// A certificate or key: the path of a file, or a variable that holds it.
    fn pem(&mut self, field: &Field<'_>) {
        let part = format!("ssl.{}", field.name);
        let Some(place) = secret::among(field, self.around) else {
            if let Some(path) = secret::file(field, self.around, self.problems) {
                self.add(&format!("{part}.location"), Setting::Plain(path), field.line);
            }
            return;
        };
        let text = secret::take(&place, field, self.around, self.problems);
        match (place, text) {
            (Place::Env(_), Some(text)) => self.add(&format!("{part}.pem"), Setting::Secret(text), field.line),
            (Place::File(path), Some(_)) => {
                self.add(&format!("{part}.location"), Setting::Plain(path.display().to_string()), field.line);
            }
            (_, None) => {}
        }
    }

    fn secret(&mut self, property: &str, field: &Field<'_>) {
        if let Some(secret) = secret::read(field, self.around, self.problems) {
            self.add(property, Setting::Secret(secret), field.line);
        }
    }

    fn sasl(&mut self, section: &Field<'_>) -> Option<Token> {
        let (mut mechanism, mut token) = (None, None);
        let mut has = Vec::new();
        for field in section.fields() {
            match field.name {
                "mechanism" => mechanism = self.mechanism(&field),
                "username" => match field.text().filter(|name| !name.is_empty()) {
                    Some(name) => self.add("sasl.username", Setting::Plain(name.into()), field.line),
                    None => self.problems.push(field.wrong("a name, such as \"orders\"")),
                },
                "password" => self.secret("sasl.password", &field),
                "token" => token = self.token(&field),
                _ => self.problems.push(field.unknown(&SASL_KEYS)),
            }
            has.push(field.name);
        }
        if !has.contains(&"mechanism") {
            self.lacks(
                section,
                "[transport.kafka.sasl] names no mechanism",
                "add a line like mechanism = \"SCRAM-SHA-512\"",
            );
        }
        let wanted = if mechanism.as_deref() == Some(OAUTHBEARER) { &["token"][..] } else { &["username", "password"] };
        for key in wanted.iter().filter(|key| mechanism.is_some() && !has.contains(key)) {
            let what = format!("{} needs {key:?}", mechanism.as_deref().unwrap_or_default());
            self.lacks(section, &what, &format!("add {key} to [transport.kafka.sasl]"));
        }
        token
    }

    fn mechanism(&mut self, field: &Field<'_>) -> Option<String> {
        let Some(known) = field.text().filter(|name| MECHANISMS.contains(name)) else {
            let wanted = format!("one of those that this build has: {}", MECHANISMS.join(", "));
            self.problems.push(field.wrong(&wanted));
            return None;
        };
        self.add("sasl.mechanisms", Setting::Plain(known.into()), field.line);
        Some(known.into())
    }

    /// Where the token comes from. It must be there now, so that a wrong path is not found out by a broker.
    fn token(&mut self, field: &Field<'_>) -> Option<Token> {
        let place = secret::place(field, self.around, self.problems)?;
        secret::take(&place, field, self.around, self.problems)?;
        Some(match place {
            Place::File(path) => Token::File(path),
            Place::Env(variable) => Token::Env(variable),
        })
    }

    fn lacks(&mut self, section: &Field<'_>, what: &str, remedy: &str) {
        self.problems.push(Problem::new("MS-T004", section.line, what, remedy));
    }
}

/// Whether a mechanism may be named among the properties: the others need what only the section can say.
pub(super) fn is_by_properties(mechanism: &str) -> bool {
    mechanism != OAUTHBEARER && MECHANISMS.contains(&mechanism)
}
