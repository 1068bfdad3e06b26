//! Secrets stand in files and in the environment, never in the configuration itself.

use super::Around;
use crate::topology::{Field, Problem};
use crate::transport::Secret;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file of a secret, bytes: a chain of certificates has some thousand.
const BYTES_MAX: u64 = 1 << 20;

/// Where a secret lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Env(String),
}

/// Where the secret of a field lies: `{ file = "..." }` or `{ env = "..." }`. Anything else is said to be wrong, unseen.
pub(super) fn place(field: &Field<'_>, around: &Around<'_>, problems: &mut Vec<Problem>) -> Option<Place> {
    let found = among(field, around);
    if found.is_none() {
        let Field { name, line, .. } = *field;
        let variable = name.to_uppercase().replace(['-', '.'], "_");
        problems.push(Problem::new(
            "MS-H003",
            line,
            format!("{name:?} is a secret and must not stand in the configuration"),
            format!(
                "put it into a file or a variable, and write {name} = {{ file = \"/run/secrets/{name}\" }} or {name} = {{ env = \"{variable}\" }}"
            ),
        ));
    }
    found
}

/// As [`place`], where something else may stand there too.
pub(super) fn among(field: &Field<'_>, around: &Around<'_>) -> Option<Place> {
    let mut entries = field.fields();
    let (entry, more) = (entries.next()?, entries.next());
    let text = entry.text().filter(|text| !text.is_empty() && more.is_none())?;
    match entry.name {
        "file" => Some(Place::File(around.directory.join(text))),
        "env" => Some(Place::Env(text.into())),
        _ => None,
    }
}

/// The secret of a field.
pub(super) fn read(field: &Field<'_>, around: &Around<'_>, problems: &mut Vec<Problem>) -> Option<Secret> {
    let place = place(field, around, problems)?;
    take(&place, field, around, problems)
}

/// What lies at a place; says if nothing does.
pub(super) fn take(
    place: &Place,
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Secret> {
    let unfit = |what: String, remedy: &str| Problem::new("MS-H004", field.line, what, remedy);
    let name = field.name;
    let text = match place {
        Place::File(path) => bounded(path).map_err(|why| {
            unfit(
                format!("the file {path:?} of {name:?} cannot be read: {why}"),
                "name a file that is there and may be read",
            )
        }),
        Place::Env(variable) => (around.env)(variable).ok_or_else(|| {
            unfit(format!("the variable {variable:?} of {name:?} is not set"), "set it before millstream starts")
        }),
    };
    // Editors and echo end a file with a new line, which belongs to no secret.
    let text = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let filled = text.and_then(|text| {
        let nothing = || unfit(format!("there is nothing in the secret of {name:?}"), "write the secret there");
        if text.is_empty() { Err(nothing()) } else { Ok(Secret::new(text)) }
    });
    filled.map_err(|problem| problems.push(problem)).ok()
}

/// A file's text, up to a bound.
fn bounded(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(format!("it has more than {BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is no text".into())
}

/// A file that must be there and be readable, named by a plain path.
pub(super) fn file(field: &Field<'_>, around: &Around<'_>, problems: &mut Vec<Problem>) -> Option<String> {
    let Some(text) = field.text().filter(|text| !text.is_empty()) else {
        problems.push(field.wrong("the path of a file, such as \"ca.pem\""));
        return None;
    };
    let path = around.directory.join(text);
    if let Err(error) = std::fs::File::open(&path) {
        let what = format!("the file {path:?} of {:?} cannot be read: {error}", field.name);
        problems.push(Problem::new("MS-H004", field.line, what, "name a file that is there and may be read"));
    }
    Some(path.display().to_string())
}
