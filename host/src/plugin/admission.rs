//! From bytes to a plugin that may run.

use super::cache::{Cache, digest};
use super::compile::{Compiler, Failed};
use super::engine::{Profile, Ticking, compatibility};
use super::instance::{Admitted, Handle};
use super::limits::Limits;
use super::load::load;
use super::port::{CallError, Description, Operator, Plugin};
use super::survey::{COMPONENT_BYTES_MAX, Refusal};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::Component;

/// Kinds of operators that this host knows, and the interface that each is called through.
const KINDS: [(&str, &str); 11] = [
    ("filter", "transform"),
    ("map-values", "transform"),
    ("map", "transform"),
    ("flat-map-values", "transform"),
    ("flat-map", "transform"),
    ("select-key", "transform"),
    ("peek", "transform"),
    ("extract-topic", "transform"),
    ("extract-timestamp", "transform"),
    ("reduce", "fold"),
    ("aggregate", "fold"),
];

/// Why a component may not run.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// It is turned away before any of its code runs.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its imports do not fit.
    #[error("MS-P005: the component cannot be linked: {0}; build it with this version's SDK")]
    Link(String),
    /// It broke down when asked what it holds.
    #[error("MS-P006: the component cannot describe itself: {0}; try it with a larger memory or deadline, or mend it")]
    Describe(CallError),
    /// It holds an operator that this host does not know.
    #[error("MS-P007: operator {operator:?} is of kind {kind:?}, which this version does not run; it runs {}", KINDS.map(|(kind, _)| kind).join(", "))]
    Kind {
        /// The operator.
        operator: String,
        /// Its kind.
        kind: String,
    },
    /// The engine cannot be made.
    #[error("MS-P008: the WebAssembly engine does not start: {0}; this machine cannot run plugins")]
    Engine(String),
    /// The compiler broke down, or took too much.
    #[error("MS-P010: the component cannot be compiled: {0}; make it smaller or take it apart into several plugins")]
    Compiler(String),
    /// It offers an operator and not the interface by which it is called.
    #[error(
        "MS-P011: operator {operator:?} is of kind {kind:?}, but the component does not export the interface {interface:?}; write it with the millstream SDK"
    )]
    Interface {
        /// The operator.
        operator: String,
        /// Its kind.
        kind: String,
        /// The interface that is missing.
        interface: &'static str,
    },
}

impl From<Failed> for AdmissionError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(refusal) => Self::Refused(refusal),
            Failed::Compiler(what) => Self::Compiler(what),
        }
    }
}

/// Admits plugins: at most one engine of each profile, one compiler, one cache.
pub struct Plugins {
    compiler: Compiler,
    cache: Option<Cache>,
    interruptible: Mutex<Option<Arc<Ticking>>>,
    trusted: Mutex<Option<Arc<Ticking>>>,
}

impl Plugins {
    /// Compiles with this compiler and keeps the results in this directory; without one, or if it cannot be used,
    /// everything is compiled anew.
    pub fn new(compiler: Compiler, cache: Option<&Path>) -> Self {
        let opened = cache.and_then(|directory| {
            let opened = Cache::open(directory);
            let warn = |error: &std::io::Error| {
                tracing::warn!(directory = %directory.display(), "compiled plugins are not kept: {error}");
            };
            opened.inspect_err(warn).ok()
        });
        Self { compiler, cache: opened, interruptible: Mutex::default(), trusted: Mutex::default() }
    }

    /// Admits a component, or a core module that carries the contract, under these limits.
    ///
    /// # Errors
    /// See [`AdmissionError`].
    pub fn admit(&self, name: &str, bytes: &[u8], limits: Limits) -> Result<Arc<dyn Plugin>, AdmissionError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(Refusal::TooLarge.into());
        }
        let ticking = self.ticking(Profile::of(&limits))?;
        let digest = digest(bytes);
        let component = self.compiled(&digest, bytes, &ticking, Profile::of(&limits))?;
        let mut admitted = Admitted::new(name, digest, &component, limits, ticking)
            .map_err(|error| AdmissionError::Link(format!("{error:#}")))?;
        admitted.description = admitted.describe().map_err(AdmissionError::Describe)?;
        check_operators(&admitted)?;
        Ok(Arc::new(Handle(Arc::new(admitted))))
    }

    /// The engine of a profile, which is made when it is first needed.
    fn ticking(&self, profile: Profile) -> Result<Arc<Ticking>, AdmissionError> {
        let place = match profile {
            Profile::Interruptible => &self.interruptible,
            Profile::Trusted => &self.trusted,
        };
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ticking) = &*place {
            return Ok(Arc::clone(ticking));
        }
        let made = Ticking::new(profile).map_err(|error| AdmissionError::Engine(format!("{error:#}")))?;
        Ok(Arc::clone(place.insert(Arc::new(made))))
    }

    /// The component from the cache, or compiled and then kept.
    fn compiled(
        &self,
        digest: &str,
        bytes: &[u8],
        ticking: &Ticking,
        profile: Profile,
    ) -> Result<Component, AdmissionError> {
        let engine = &ticking.engine;
        let key = format!("{digest}-{:016x}", compatibility(engine));
        let found = self.cache.as_ref().and_then(|cache| cache.find(&key));
        if let Some(component) = found.and_then(|code| load(engine, &code).ok()) {
            return Ok(component);
        }
        let code = self.compiler.compile(bytes, profile)?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.keep(&key, &code)) {
            tracing::warn!("a compiled plugin could not be kept: {error}");
        }
        load(engine, &code).map_err(|error| AdmissionError::Compiler(format!("{error:#}")))
    }
}

/// Whether all operators are of kinds that this host runs, and can be called.
fn check_operators(admitted: &Admitted) -> Result<(), AdmissionError> {
    for Operator { name, kind, .. } in &admitted.description.operators {
        let Some((_, interface)) = KINDS.iter().find(|(known, _)| known == kind) else {
            return Err(AdmissionError::Kind { operator: name.clone(), kind: kind.clone() });
        };
        if !admitted.exports(interface) {
            return Err(AdmissionError::Interface { operator: name.clone(), kind: kind.clone(), interface });
        }
    }
    Ok(())
}

/// Checks parameters against an operator's JSON Schema.
///
/// # Errors
/// What does not fit, for people.
pub fn check_params(operator: &Operator, params: &Value) -> Result<(), String> {
    if operator.params_schema.is_empty() {
        return Ok(());
    }
    let schema: Value =
        serde_json::from_str(&operator.params_schema).map_err(|error| format!("its schema is no JSON: {error}"))?;
    jsonschema::validate(&schema, params).map_err(|error| error.to_string())
}

impl Description {
    /// Of a plugin that was not asked yet.
    pub(super) const fn unknown() -> Self {
        Self { name: String::new(), version: String::new(), sdk: String::new(), operators: Vec::new() }
    }
}
