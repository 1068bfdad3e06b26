//! `test`: cases beside the manifest, run on the compiled components.

use super::Manifest;
use super::out::{Error, Paint, print};
use crate::driver::{Case, Difference, Report, Trial, updated};
use crate::run::App;
use clap::Args;
use std::path::{Path, PathBuf};

/// Lines of a difference that are shown; the rest is counted.
const LINES_MAX: usize = 40;

/// Run an app's test cases: records in, records and rows out.
///
/// Each case runs on the compiled components and on real stores in a directory of its own, offline and without a clock,
/// with 1, 2, 7 and all records a turn, and with a commit at the end and after each record. All must come to the same.
#[derive(Debug, Args)]
#[command(after_help = r#"A case is a file tests/NAME.toml (or .json):

  about = "words are lower-case"
  start = "2026-01-31T12:00:00Z"   # of records without a timestamp; default 0
  advance = 1000                   # milliseconds by which they are apart; default 0

  [[input]]
  node = "lines"                   # or topic = "..."
  key = "k"                        # left out: null
  value = "Hello"                  # or { json = {...} }, { i64 = 1 }, { hex = "00ff" }

  [[expect.output]]
  topic = "words"
  value = "hello"                  # timestamp and headers are compared if they are given

  [[expect.store.CountStore]]      # all rows of a store; left out: not compared
  key = "hello"
  value = { i64 = 1 }

  [expect]
  dropped = 0                      # left out: 0
  dead-letters = 0                 # left out: 0

Examples:
  millstream test
  millstream test --filter lower --update   write what is found into the files as what is expected"#)]
pub(super) struct Test {
    #[command(flatten)]
    manifest: Manifest,
    /// Case files or directories of them; default: tests/ beside the manifest.
    paths: Vec<PathBuf>,
    /// Only cases whose name holds this.
    #[arg(long)]
    filter: Option<String>,
    /// Write what is found into the case files as what is expected.
    #[arg(long)]
    update: bool,
}

/// How a case ended.
enum Ended {
    Passed,
    Failed(String),
    Updated,
}

impl Test {
    pub(super) fn run(&self) -> Result<(), Error> {
        let files = self.files()?;
        let app = self.app()?;
        let trial = Trial::new(&app.blueprint);
        let paint = Paint::stdout();
        let (mut passed, mut failed, mut written) = (0, 0, 0);
        for (name, file) in &files {
            match self.case(&trial, file, paint)? {
                Ended::Passed => {
                    passed += 1;
                    print(&format!("test {name} ... {}\n", paint.green("ok")));
                }
                Ended::Updated => {
                    written += 1;
                    print(&format!("test {name} ... written\n"));
                }
                Ended::Failed(why) => {
                    failed += 1;
                    print(&format!("test {name} ... {}\n{why}\n", paint.red("FAILED")));
                }
            }
        }
        let written = if written > 0 { format!(", {written} written") } else { String::new() };
        print(&format!("\n{passed} passed, {failed} failed{written}\n"));
        if failed > 0 { Err(Error::Said(1)) } else { Ok(()) }
    }

    fn app(&self) -> Result<App, Error> {
        self.manifest.load()
    }

    /// The cases by name.
    fn files(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        let beside = self.manifest.path.parent().unwrap_or(Path::new("")).join("tests");
        let given = if self.paths.is_empty() { std::slice::from_ref(&beside) } else { self.paths.as_slice() };
        let mut files = Vec::new();
        for path in given {
            if path.is_dir() {
                let entries = std::fs::read_dir(path).map_err(|error| Error::file(path, &error))?;
                for entry in entries {
                    files.push(entry.map_err(|error| Error::file(path, &error))?.path());
                }
            } else if path.is_file() {
                files.push(path.clone());
            } else if path != &beside {
                return Err(Error::usage(
                    "MS-C014",
                    format!("there is no file {}", path.display()),
                    "name a case file or a directory",
                ));
            }
        }
        files.retain(|file| file.extension().is_some_and(|end| end == "toml" || end == "json"));
        files.sort();
        let name = |file: PathBuf| (file.file_stem().unwrap_or_default().to_string_lossy().into_owned(), file);
        let mut named: Vec<_> = files.into_iter().map(name).collect();
        if named.is_empty() {
            let what = format!("there are no cases in {}", given.first().unwrap_or(&beside).display());
            return Err(Error::usage("MS-C014", what, "write one, tests/NAME.toml; millstream test --help shows how"));
        }
        if let Some(filter) = &self.filter {
            named.retain(|(name, _)| name.contains(filter.as_str()));
            if named.is_empty() {
                return Err(Error::usage(
                    "MS-C014",
                    format!("no case's name holds {filter:?}"),
                    "name another part of a name",
                ));
            }
        }
        Ok(named)
    }

    fn case(&self, trial: &Trial<'_>, file: &Path, paint: Paint) -> Result<Ended, Error> {
        let text = std::fs::read_to_string(file).map_err(|error| Error::file(file, &error))?;
        let json = file.extension().is_some_and(|end| end == "json");
        let wrong = |error: crate::driver::CaseError| {
            let what = format!("{}: {error}", file.display());
            Error::usage("MS-C014", what, "millstream test --help shows how a case is written")
        };
        let case = Case::parse(&text, json).map_err(wrong)?;
        let directory = tempfile::tempdir().map_err(|error| Error::file(&std::env::temp_dir(), &error))?;
        let report = trial.run(&case, directory.path()).map_err(wrong)?;
        if let Some(why) = unequal(&report, paint) {
            return Ok(Ended::Failed(why));
        }
        if case.expect.is_some() && report.differences.is_empty() {
            return Ok(Ended::Passed);
        }
        if !self.update {
            return Ok(Ended::Failed(if case.expect.is_none() {
                "  it expects nothing; millstream test --update writes what is found".into()
            } else {
                report.differences.iter().map(|difference| shown(difference, paint)).collect()
            }));
        }
        if json {
            let what = format!("{}: expectations are written into TOML files only", file.display());
            return Err(Error::usage("MS-C014", what, "edit it by hand, or write the case in TOML"));
        }
        let text = updated(&text, &case, &report.outcome).map_err(wrong)?;
        std::fs::write(file, text).map_err(|error| Error::file(file, &error))?;
        Ok(Ended::Updated)
    }
}

/// Says that a case came to different results.
fn unequal(report: &Report, paint: Paint) -> Option<String> {
    let (left, right, differences) = report.unequal.as_ref()?;
    let why: String = differences.iter().map(|difference| shown(difference, paint)).collect();
    Some(format!(
        "  the results depend on how many records are processed at once, which a plugin that keeps something between records does;\n  - {left}\n  + {right}\n{why}"
    ))
}

fn shown(difference: &Difference, paint: Paint) -> String {
    let mut text = format!("  {}\n", paint.bold(&difference.what));
    for (mark, line) in difference.lines.iter().take(LINES_MAX) {
        let line = format!("  {mark} {line}");
        text.push_str(&match mark {
            '-' => paint.red(&line),
            '+' => paint.green(&line),
            _ => line,
        });
        text.push('\n');
    }
    let rest = difference.lines.len().saturating_sub(LINES_MAX);
    if rest > 0 {
        text.push_str(&format!("    ... and {rest} more lines\n"));
    }
    text
}
