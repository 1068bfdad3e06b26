//! What components export and import.

use super::component;
use std::collections::BTreeSet;
use wasmparser::{Parser, Payload};

/// Names of the interfaces that a component exports and imports, without package and version.
fn interfaces(component: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut exports, mut imports) = (BTreeSet::new(), BTreeSet::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a sound component") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) if depth > 0 => depth -= 1,
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(section.into_iter().map(|export| short(export.expect("an export").name.name)));
            }
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(section.into_iter().map(|import| short(import.expect("an import").name.name)));
            }
            _ => {}
        }
    }
    (exports, imports)
}

fn short(name: &str) -> String {
    let short = name.strip_prefix("millstream:plugin/").and_then(|name| name.strip_suffix("@0.1.0"));
    short.unwrap_or(name).to_owned()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_filter_brings_nothing_but_a_transform() {
    let (exports, imports) = interfaces(&component("small"));
    assert_eq!(exports, set(&["plugin", "transform"]));
    assert_eq!(imports, set(&["types", "log"]));
}

#[test]
fn folds_bring_a_fold() {
    let (exports, imports) = interfaces(&component("conformance"));
    assert_eq!(exports, set(&["plugin", "transform", "fold"]));
    assert_eq!(imports, set(&["types", "log"]));
}

#[test]
fn every_kind_brings_its_interface() {
    let (exports, imports) = interfaces(&component("every"));
    assert_eq!(exports, set(&["plugin", "transform", "fold", "join", "processor", "lifecycle"]));
    let stores = ["state", "key-value-store", "window-store", "session-store", "versioned-store"];
    let facts = ["types", "timers", "context", "random", "log", "metrics"];
    assert_eq!(imports, set(&[&stores[..], &facts[..]].concat()));
}
