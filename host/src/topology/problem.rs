//! What is wrong with a manifest, in words that help.

use std::borrow::Cow;
use std::fmt::Write;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable code, `MS-T001` and so on.
    pub code: Cow<'static, str>,
    /// Line in the manifest, counted from 1; 0: the manifest as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    pub(crate) fn new(
        code: impl Into<Cow<'static, str>>,
        line: usize,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { code: code.into(), line, what: what.into(), remedy: remedy.into() }
    }
}

/// Problems as text for people: place, line, what to do.
pub fn render(problems: &[Problem], manifest: &str, path: &str, colours: bool) -> String {
    let (red, blue, bold, reset) =
        if colours { ("\x1b[31m", "\x1b[34m", "\x1b[1m", "\x1b[0m") } else { ("", "", "", "") };
    let mut text = String::new();
    for problem in problems {
        let Problem { code, line, what, remedy } = problem;
        // Writing into a string does not fail.
        let _ = writeln!(text, "{red}error[{code}]{reset}{bold}: {what}{reset}");
        if let Some(source) = line.checked_sub(1).and_then(|line| manifest.lines().nth(line)) {
            let _ = writeln!(text, "  {blue}-->{reset} {path}:{line}\n{blue}{line:>4} |{reset} {source}");
        } else {
            let _ = writeln!(text, "  {blue}-->{reset} {path}");
        }
        let _ = writeln!(text, "     {blue}={reset} help: {remedy}\n");
    }
    text
}

/// The name among `known` that is nearest to `name`, as a question; empty if none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let near = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known)).min();
    match near {
        Some((distance, known)) if distance <= 2.max(name.len() / 3) => format!("did you mean {known:?}?"),
        _ => String::new(),
    }
}
