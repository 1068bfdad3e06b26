//! Properties of a transport's clients, of which some are secrets.

use std::fmt;

/// A password or key. It is shown nowhere: neither `Debug` nor `Display` tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What stands in a secret's place.
const REDACTED: &str = "[redacted]";

impl Secret {
    /// Keeps a text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one who must have it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// What a property is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What may be shown.
    Plain(String),
    /// What may not.
    Secret(Secret),
}

impl Setting {
    /// The text, for the client that is set up.
    pub fn reveal(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

/// A property of a transport's clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// What it is set to.
    pub value: Setting,
    /// Which clients have it.
    pub of: Client,
}

/// Which clients have a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// All of them.
    Any,
    /// Those that read.
    Consumer,
    /// Those that write.
    Producer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere() {
        let setting = Setting::Secret(Secret::new("hunter2"));
        let pairs = vec![("sasl.password".to_owned(), setting.clone())];
        for shown in [format!("{setting}"), format!("{setting:?}"), format!("{pairs:#?}")] {
            assert!(shown.contains(REDACTED) && !shown.contains("hunter2"), "{shown}");
        }
        assert_eq!(setting.reveal(), "hunter2");
        assert_eq!(Setting::Plain("5".into()).to_string(), "5");
    }
}
