//! What commands say: data to the standard output, all else to the standard error, in colours if wanted.

use crate::run::RunError;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Colour {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

static CHOSEN: OnceLock<Colour> = OnceLock::new();

/// Remembers what `--color` says; the first call counts.
pub(super) fn choose(colour: Colour) {
    let _ = CHOSEN.set(colour);
}

fn wanted(terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    match CHOSEN.get().copied().unwrap_or_default() {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// Whether the standard error shows colours.
pub fn colours() -> bool {
    wanted(std::io::stderr().is_terminal())
}

/// Escape codes of the standard output, or nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint(bool);

impl Paint {
    pub(super) fn stdout() -> Self {
        Self(wanted(std::io::stdout().is_terminal()))
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Prints to the standard output; a reader that went away ends the program quietly, as it does in a pipe.
pub(super) fn print(text: &str) {
    print_bytes(text.as_bytes());
}

/// As [`print`].
pub(super) fn print_bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

/// Rows under each other, columns two spaces apart; the last column is as wide as it likes.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let line: String = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  ")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Error {
    /// The host says so.
    Run(RunError),
    /// The command line says so.
    Refused {
        /// Stable code.
        code: &'static str,
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: String,
        /// Exit code: 2 if the command line or a file of the author is wrong, 1 otherwise.
        exit: u8,
    },
    /// All was said already; the exit code remains.
    Said(u8),
}

impl Error {
    /// The command line or a file of the author is wrong.
    pub(super) fn usage(code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused { code, what: what.into(), remedy: remedy.into(), exit: 2 }
    }

    /// What was asked for cannot be done.
    pub(super) fn failed(code: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Refused { code, what: what.into(), remedy: remedy.into(), exit: 1 }
    }

    /// A file cannot be read or written.
    pub(super) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::failed("MS-C013", format!("{}: {error}", path.display()), "name a file that is there and may be used")
    }

    /// The exit code.
    pub const fn exit(&self) -> u8 {
        match self {
            Self::Run(RunError::Manifest(_)) => 2,
            Self::Run(_) => 1,
            Self::Refused { exit, .. } | Self::Said(exit) => *exit,
        }
    }

    /// The error as text for people; nothing if all was said.
    pub fn render(&self, colours: bool) -> String {
        match self {
            Self::Run(RunError::Manifest(text) | RunError::Plugins(text)) => text.clone(),
            Self::Run(error) => {
                let text = error.to_string();
                let (code, what, remedy) = taken_apart(&text);
                rendered(code, &what, remedy, colours)
            }
            Self::Refused { code, what, remedy, .. } => rendered(Some(code), what, Some(remedy), colours),
            Self::Said(_) => String::new(),
        }
    }
}

impl<E: Into<RunError>> From<E> for Error {
    fn from(error: E) -> Self {
        Self::Run(error.into())
    }
}

fn rendered(code: Option<&str>, what: &str, remedy: Option<&str>, colours: bool) -> String {
    let (red, blue, bold, reset) =
        if colours { ("\x1b[31m", "\x1b[34m", "\x1b[1m", "\x1b[0m") } else { ("", "", "", "") };
    let code = code.map(|code| format!("[{code}]")).unwrap_or_default();
    let mut text = format!("{red}error{code}{reset}{bold}: {what}{reset}\n");
    if let Some(remedy) = remedy {
        // Writing into a string does not fail.
        let _ = writeln!(text, "  {blue}={reset} help: {remedy}");
    }
    text
}

/// A message of the form `[where: ]MS-X000: what; remedy` in its parts.
fn taken_apart(text: &str) -> (Option<&str>, String, Option<&str>) {
    const CODE: usize = "MS-X000".len();
    // What the topics' carrier names by a code of its own needs none that says no more than that it failed.
    let text = text.strip_prefix("MS-R002: ").filter(|rest| rest.starts_with("MS-")).unwrap_or(text);
    let at = text.find("MS-").filter(|at| text.get(at + CODE..).is_some_and(|rest| rest.starts_with(": ")));
    let (code, what) = match at {
        Some(at) => {
            let (before, rest) = text.split_at(at);
            let (code, rest) = rest.split_at(CODE);
            (Some(code), format!("{before}{}", rest.trim_start_matches(": ")))
        }
        None => (None, text.to_owned()),
    };
    match text.rsplit_once("; ") {
        Some((_, remedy)) => {
            let what = what.strip_suffix(remedy).and_then(|what| what.strip_suffix("; ")).unwrap_or(&what).to_owned();
            (code, what, Some(remedy))
        }
        None => (code, what, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_apart() {
        assert_eq!(taken_apart("MS-R001: no; try"), (Some("MS-R001"), "no".into(), Some("try")));
        assert_eq!(
            taken_apart("plugin \"é\": MS-P002: a; b; c"),
            (Some("MS-P002"), "plugin \"é\": a; b".into(), Some("c"))
        );
        assert_eq!(taken_apart("plain MS-"), (None, "plain MS-".into(), None));
        assert_eq!(taken_apart("MS-R002: MS-T024: a; b"), (Some("MS-T024"), "a".into(), Some("b")));
        assert_eq!(taken_apart("MS-R002: away"), (Some("MS-R002"), "away".into(), None));
    }

    #[test]
    fn columns_stand_under_each_other() {
        let rows = [vec!["a".into(), "bc".into()], vec!["déf".into(), String::new()]];
        assert_eq!(table(&rows), "a    bc\ndéf\n");
    }
}
