//! The host's own configuration, which is not part of an app: how to reach Kafka. The file's values are never shown in an
//! error, because any of them may be a secret that stands in the wrong place.

mod kafka;
mod mask;
mod properties;
mod refused;
mod secret;
mod security;

pub use kafka::{Kafka, Token, is_bootstrap};

use crate::topology::{Document, Field, Problem, render};
use std::path::{Path, PathBuf};

/// What the host is told besides the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// `[transport.kafka]`; none: the embedded log.
    pub kafka: Option<Kafka>,
}

/// Why a configuration cannot be used, as text for people.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("MS-H001: the configuration {path:?} cannot be read: {error}; name another with --config")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It does not make sense.
    #[error("{0}")]
    Problems(String),
}

/// What a configuration refers to outside of itself.
struct Around<'a> {
    /// Where relative paths begin.
    directory: &'a Path,
    /// A variable of the environment.
    env: &'a dyn Fn(&str) -> Option<String>,
}

/// Says what the client has against a property's value, if anything; it must not repeat the value.
pub type Check<'a> = &'a dyn Fn(&str, &str) -> Option<String>;

impl Config {
    /// Reads a file, and what it refers to: secrets, certificates. Values of Kafka's properties are held against `check`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path, check: Check<'_>, colours: bool) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File { path: path.into(), error })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let around = Around { directory, env: &|name| std::env::var(name).ok() };
        Self::parse(&text, &around, check).map_err(|problems| {
            let shown = mask::masked(&text);
            ConfigError::Problems(render(&problems, &shown, &path.display().to_string(), colours))
        })
    }

    fn parse(text: &str, around: &Around<'_>, check: Check<'_>) -> Result<Self, Vec<Problem>> {
        let document = Document::parse(text).map_err(|problem| vec![problem])?;
        let mut config = Self::default();
        let mut problems = Vec::new();
        for field in document.fields() {
            match field.name {
                "transport" => field.entries(&mut problems, |transport, problems| {
                    if transport.name == "kafka" {
                        config.kafka = Some(Kafka::read(transport, around, check, problems));
                    } else {
                        problems.push(transport.unknown(&["kafka"]));
                    }
                }),
                _ => problems.push(field.unknown(&["transport"])),
            }
        }
        problems.sort_by_key(|problem| problem.line);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }
}

/// Puts a value into its place, or says what would do.
fn put<T>(place: &mut T, value: Option<T>, field: &Field<'_>, wanted: &str, problems: &mut Vec<Problem>) {
    match value {
        Some(value) => *place = value,
        None => problems.push(field.wrong(wanted)),
    }
}

/// Properties of Kafka's clients that a user may set.
#[cfg(test)]
pub(crate) fn allowed() -> impl Iterator<Item = &'static str> {
    properties::ALLOWED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;
