//! What can be said of a component before it is compiled: its size, its parts, what it imports and exports.

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

/// Largest component, bytes: an embedded Python is about 20 MB.
pub(super) const COMPONENT_BYTES_MAX: usize = 64 << 20;
/// Functions of all core modules together: an embedded Python has some 40,000, and each costs time to compile.
const FUNCTIONS_MAX: u32 = 200_000;
/// Core modules and components within: a component with WASI has three or four, a composed one a few dozen.
const MODULES_MAX: u32 = 100;
/// Tables of all core modules together; compilers make one a module.
const TABLES_MAX: u32 = 200;
/// Memories of all core modules together; compilers make one in all.
const MEMORIES_MAX: u32 = 100;

/// The interface that every plugin exports.
pub(super) const PLUGIN: &str = "millstream:plugin/plugin@0.1.0";

/// Interfaces that the host serves without a grant, by name and major (0: minor) version: the contract, and of WASI what
/// a standard library wants even if its program uses none of it.
const SERVED: [&str; 16] = [
    "millstream:plugin/types@0.1",
    "millstream:plugin/log@0.1",
    "wasi:cli/environment@0.2",
    "wasi:cli/exit@0.2",
    "wasi:cli/stderr@0.2",
    "wasi:cli/stdin@0.2",
    "wasi:cli/stdout@0.2",
    "wasi:cli/terminal-input@0.2",
    "wasi:cli/terminal-output@0.2",
    "wasi:cli/terminal-stderr@0.2",
    "wasi:cli/terminal-stdin@0.2",
    "wasi:cli/terminal-stdout@0.2",
    "wasi:io/error@0.2",
    "wasi:io/poll@0.2",
    "wasi:io/streams@0.2",
    "wasi:random/insecure-seed@0.2",
];

/// Why a component is turned away before any of its code runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// It is too large.
    #[error("MS-P001: the component has more than {COMPONENT_BYTES_MAX} bytes; build it with opt-level and strip")]
    TooLarge,
    /// It is no component.
    #[error("MS-P002: this is no WebAssembly component: {0}; build it with millstream build")]
    NoComponent(String),
    /// It is a component of another world.
    #[error("MS-P003: the component does not export {PLUGIN}; write it with the millstream SDK")]
    NoPlugin,
    /// It wants what it may not have.
    #[error("MS-P004: the component imports {}", imports(.0))]
    Imports(Vec<String>),
    /// It has too many of something.
    #[error("MS-P009: the component has {found} {what}, and {max} are allowed; take it apart into several plugins")]
    TooMany {
        /// What.
        what: String,
        /// How many.
        found: u32,
        /// How many may be.
        max: u32,
    },
}

/// Where the contract's own interfaces come from.
const OWN: &str = "millstream:plugin/";

/// Interfaces of this contract that a later version of the host serves.
const LATER: [&str; 9] = [
    "metrics",
    "context",
    "random",
    "state",
    "timers",
    "key-value-store",
    "window-store",
    "session-store",
    "versioned-store",
];

/// What the imports are, why they cannot be had and what to do.
fn imports(all: &[String]) -> String {
    let (own, foreign): (Vec<String>, Vec<String>) = all.iter().cloned().partition(|import| import.starts_with(OWN));
    let (mut what, mut remedies) = (Vec::new(), Vec::new());
    if !foreign.is_empty() {
        let are = if foreign.len() == 1 { "is" } else { "are" };
        what.push(format!("{}, which {are} not granted", foreign.join(", ")));
        remedies.push(remedy(&foreign));
    }
    if !own.is_empty() {
        what.push(format!("{}, which this version of the host does not serve yet", own.join(", ")));
        remedies.push(own_remedy(&own));
    }
    format!("{}; {}", what.join(", and "), remedies.join(", and "))
}

/// What an author can do without interfaces of the contract.
fn own_remedy(imports: &[String]) -> &'static str {
    let later = |import: &String| {
        let name = import.strip_prefix(OWN).and_then(|name| name.strip_suffix("@0.1.0"));
        name.is_some_and(|name| LATER.contains(&name))
    };
    if imports.iter().all(later) {
        "leave out what needs it: metrics, record context, randomness, stores and timers of processors come later"
    } else {
        "build the plugin with the SDK of this version"
    }
}

/// What an author can do without the imports.
fn remedy(imports: &[String]) -> &'static str {
    let wants = |package: &str| imports.iter().any(|import| import.starts_with(package));
    if wants("wasi:sockets/") || wants("wasi:http/") {
        "plugins have no network: bring what they need in by a topic"
    } else if wants("wasi:filesystem/") {
        "plugins have no files: pass what they need as params, or bring it in by a topic"
    } else if wants("wasi:clocks/") {
        "plugins have no clock: a record's timestamp is its time"
    } else if wants("wasi:random/") {
        "plugins have no randomness, so that a replay gives the same records: derive it from the record"
    } else if wants("wasi:") {
        "leave out what needs it, or build the plugin for wasm32-unknown-unknown"
    } else {
        // A component for that target imports nothing of WASI: it is built for it already.
        "leave out what needs it"
    }
}

/// Looks through a component without running or compiling anything.
///
/// # Errors
/// See [`Refusal`].
pub(super) fn survey(component: &[u8]) -> Result<(), Refusal> {
    let mut found = Found::default();
    for payload in Parser::new(0).parse_all(component) {
        found.note(payload.map_err(|error| no_component(&error))?)?;
    }
    let counts = [
        ("functions", found.functions, FUNCTIONS_MAX),
        ("modules", found.modules, MODULES_MAX),
        ("tables", found.tables, TABLES_MAX),
        ("memories", found.memories, MEMORIES_MAX),
    ];
    if let Some((what, found, max)) = counts.into_iter().find(|(_, found, max)| found > max) {
        return Err(Refusal::TooMany { what: what.into(), found, max });
    }
    if !found.refused.is_empty() {
        return Err(Refusal::Imports(found.refused));
    }
    if found.plugin { Ok(()) } else { Err(Refusal::NoPlugin) }
}

fn no_component(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal::NoComponent(error.to_string())
}

#[derive(Default)]
struct Found {
    /// How many components and modules the parser is within.
    depth: u32,
    modules: u32,
    functions: u32,
    tables: u32,
    memories: u32,
    plugin: bool,
    refused: Vec<String>,
}

impl Found {
    fn note(&mut self, payload: Payload<'_>) -> Result<(), Refusal> {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                self.depth += 1;
                self.modules = self.modules.saturating_add(1);
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::FunctionSection(section) => self.functions = self.functions.saturating_add(section.count()),
            Payload::TableSection(section) => self.tables = self.tables.saturating_add(section.count()),
            Payload::MemorySection(section) => self.memories = self.memories.saturating_add(section.count()),
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                for import in section {
                    let name = import.map_err(|error| no_component(&error))?.name.name;
                    if !is_served(name) {
                        self.refused.push(name.into());
                    }
                }
            }
            Payload::ComponentExportSection(section) if self.depth == 0 => {
                for export in section {
                    self.plugin |= export.map_err(|error| no_component(&error))?.name.name == PLUGIN;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether the host serves this version of the interface; releases that differ in the patch alone are one.
pub(super) fn is_served(import: &str) -> bool {
    SERVED.iter().any(|served| {
        import
            .strip_prefix(served)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|patch| patch.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    #[test]
    fn serves_by_name_and_version() {
        assert!(is_served("wasi:io/streams@0.2.0") && is_served("wasi:io/streams@0.2.12"));
        assert!(
            !is_served("wasi:io/streams@0.3.0") && !is_served("wasi:io/streams") && !is_served("wasi:io/streams@0.2.x")
        );
        assert!(!is_served("wasi:sockets/tcp@0.2.0") && !is_served("wasi:random/random@0.2.0"));
    }

    #[test]
    fn turns_away_what_is_no_plugin() {
        assert_eq!(survey(EMPTY), Err(Refusal::NoPlugin));
        assert!(matches!(survey(b"\0asm\x0d\0\x01\0\xff\xff"), Err(Refusal::NoComponent(_))));
        assert!(matches!(survey(b"hello"), Err(Refusal::NoComponent(_))));
    }

    #[test]
    fn counts_nested_parts() {
        // Component sections of kind 4 (component), each holding an empty component.
        let mut many = EMPTY.to_vec();
        for _ in 0..=MODULES_MAX {
            many.push(4);
            many.push(u8::try_from(EMPTY.len()).unwrap());
            many.extend_from_slice(EMPTY);
        }
        let refused = Refusal::TooMany { what: "modules".into(), found: MODULES_MAX + 1, max: MODULES_MAX };
        assert_eq!(survey(&many), Err(refused));
    }

    #[test]
    fn says_what_to_do_without() {
        let refusal = Refusal::Imports(vec!["wasi:io/x@0.2.0".into(), "wasi:sockets/tcp@0.2.6".into()]).to_string();
        assert!(
            refusal.contains("wasi:sockets/tcp@0.2.6, which are not granted; plugins have no network"),
            "{refusal}"
        );
    }

    #[test]
    fn tells_what_comes_later_from_what_never_does() {
        let said =
            |imports: &[&str]| Refusal::Imports(imports.iter().map(|import| (*import).into()).collect()).to_string();
        for name in LATER {
            let import = format!("{OWN}{name}@0.1.0");
            let expected =
                format!("imports {import}, which this version of the host does not serve yet; leave out what");
            let found = said(&[&import]);
            assert!(found.contains(&expected) && found.ends_with("come later"), "{found}");
        }
        let newer = said(&["millstream:plugin/log@0.2.0"]);
        assert!(newer.ends_with("does not serve yet; build the plugin with the SDK of this version"), "{newer}");
        let mixed = said(&["wasi:sockets/tcp@0.2.6", "millstream:plugin/metrics@0.1.0"]);
        assert!(mixed.contains("tcp@0.2.6, which is not granted, and millstream:plugin/metrics@0.1.0"), "{mixed}");
        assert!(mixed.contains("; plugins have no network: ") && mixed.ends_with("come later"), "{mixed}");
        assert!(said(&["wasi:io/poll@0.3.0"]).ends_with("or build the plugin for wasm32-unknown-unknown"));
        assert!(said(&["env:host/odd"]).ends_with("is not granted; leave out what needs it"));
    }
}
