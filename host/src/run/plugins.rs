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
            admission.admit(name, &bytes, spec.limits).map_err(|error| ("MS-R005", format!("plugin {name:?}: {error}")))
        });
        match admitted {
            Ok(plugin) => drop(plugins.insert(name.clone(), plugin)),
            Err((code, text)) => {
                let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, "mend the plugin"));
                problems.push(Problem::new(code, spec.line, what, remedy));
            }
        }
    }
    (plugins, problems)
}

fn missing(component: &str, error: &std::io::Error) -> (&'static str, String) {
    (
        "MS-R006",
        format!(
            "component {component:?} cannot be read: {error}; build it with millstream build, or name another file"
        ),
    )
}
