//! The plugins of a manifest.

use super::admission;
use crate::plugin::port::Plugin;
use crate::topology::{Manifest, Problem};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The plugins that may run, by the manifest's names, and what is wrong with the others.
pub(super) fn admitted(manifest: &Manifest, directory: &Path) -> (BTreeMap<String, Arc<dyn Plugin>>, Vec<Problem>) {
    let admission = admission();
    let (mut plugins, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, spec) in &manifest.plugins {
        let read = std::fs::read(directory.join(&spec.component));
        let admitted = read.map_err(|error| missing(&spec.component, &error)).and_then(|bytes| {
            admission.admit(name, &bytes, spec.limits).map_err(|error| refused(name, &error.to_string()))
        });
        match admitted {
            Ok(plugin) => drop(plugins.insert(name.clone(), plugin)),
            Err(problem) => problems.push(Problem { line: spec.line, ..problem }),
        }
    }
    (plugins, problems)
}

fn missing(component: &str, error: &std::io::Error) -> Problem {
    let what = format!("component {component:?} cannot be read: {error}");
    Problem::new("MS-R007", 0, what, "build it with millstream build, or name another file")
}

/// An admission's error, taken apart into code, cause and remedy.
fn refused(name: &str, error: &str) -> Problem {
    let (code, text) = error.split_once(": ").unwrap_or(("MS-P008", error));
    let (what, remedy) = text.rsplit_once("; ").unwrap_or((text, "mend the plugin"));
    Problem::new(code.to_owned(), 0, format!("plugin {name:?}: {what}"), remedy)
}
