//! From bytes to a plugin that may run.

use super::engine::Ticking;
use super::instance::{Admitted, Handle, Limits, link};
use super::port::{CallError, Description, Operator, Plugin};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use wasmtime::component::Component;

/// Largest component, bytes: an embedded Python is about 20 MB.
pub(super) const COMPONENT_BYTES_MAX: usize = 64 << 20;
/// Kinds of operators that this host knows, and the interface that each needs.
const KINDS: [&str; 11] = [
    "filter",
    "map-values",
    "map",
    "flat-map-values",
    "flat-map",
    "select-key",
    "peek",
    "extract-topic",
    "extract-timestamp",
    "reduce",
    "aggregate",
];
/// Imports that the host serves.
const SERVED: [&str; 2] = ["millstream:plugin/types@0.1.0", "millstream:plugin/log@0.1.0"];
/// The interface that every plugin exports.
const PLUGIN: &str = "millstream:plugin/plugin@0.1.0";

/// Why a component may not run.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// It is too large.
    #[error(
        "MS-P001: the component has {found} bytes, and {COMPONENT_BYTES_MAX} are allowed; build it with opt-level and strip"
    )]
    TooLarge {
        /// Its bytes.
        found: usize,
    },
    /// It is no component.
    #[error("MS-P002: this is no WebAssembly component: {0}; build it with millstream build")]
    NoComponent(String),
    /// It is a component of another world.
    #[error("MS-P003: the component does not export {PLUGIN}; write it with the millstream SDK")]
    NoPlugin,
    /// It wants what it may not have.
    #[error(
        "MS-P004: the component imports {0}, which is not granted; build it for wasm32-unknown-unknown, or leave out what needs it"
    )]
    Import(String),
    /// Its imports do not fit.
    #[error("MS-P005: the component cannot be linked: {0}; build it with this version's SDK")]
    Link(String),
    /// It broke down when asked what it holds.
    #[error("MS-P006: the component cannot describe itself: {0}")]
    Describe(CallError),
    /// It holds an operator that this host does not know.
    #[error("MS-P007: operator {operator:?} is of kind {kind:?}, which this version does not run; it runs {}", KINDS.join(", "))]
    Kind {
        /// The operator.
        operator: String,
        /// Its kind.
        kind: String,
    },
    /// The engine cannot be made.
    #[error("MS-P008: {0}")]
    Engine(String),
}

/// Admits plugins into one engine.
pub struct Plugins {
    ticking: Arc<Ticking>,
    limits: Limits,
}

impl Plugins {
    /// An engine with these limits for every instance.
    ///
    /// # Errors
    /// If this machine cannot run the engine.
    pub fn new(limits: Limits) -> Result<Self, AdmissionError> {
        let ticking = Ticking::new().map_err(|error| AdmissionError::Engine(format!("{error:#}")))?;
        Ok(Self { ticking: Arc::new(ticking), limits })
    }

    /// Admits a component, or a core module that carries the contract.
    ///
    /// # Errors
    /// See [`AdmissionError`].
    pub fn admit(&self, name: &str, bytes: &[u8]) -> Result<Arc<dyn Plugin>, AdmissionError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(AdmissionError::TooLarge { found: bytes.len() });
        }
        let component_bytes = componentize(bytes)?;
        let digest = Sha256::digest(&component_bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let engine = &self.ticking.engine;
        let component = Component::new(engine, &component_bytes)
            .map_err(|error| AdmissionError::NoComponent(format!("{error:#}")))?;
        check_world(&component)?;
        let pre = link(&component).map_err(|error| AdmissionError::Link(format!("{error:#}")))?;
        let description =
            Description { name: String::new(), version: String::new(), sdk: String::new(), operators: Vec::new() };
        let mut admitted = Admitted {
            name: name.into(),
            digest,
            description,
            pre,
            limits: self.limits,
            _ticking: Arc::clone(&self.ticking),
        };
        admitted.description = admitted.describe().map_err(AdmissionError::Describe)?;
        check_kinds(&admitted.description)?;
        Ok(Arc::new(Handle(Arc::new(admitted))))
    }
}

fn check_world(component: &Component) -> Result<(), AdmissionError> {
    let (engine, ty) = (component.engine(), component.component_type());
    if !ty.exports(engine).any(|(name, _)| name == PLUGIN) {
        return Err(AdmissionError::NoPlugin);
    }
    match ty.imports(engine).find(|(name, _)| !SERVED.contains(name)) {
        Some((name, _)) => Err(AdmissionError::Import(name.into())),
        None => Ok(()),
    }
}

fn check_kinds(description: &Description) -> Result<(), AdmissionError> {
    match description.operators.iter().find(|operator| !KINDS.contains(&operator.kind.as_str())) {
        Some(Operator { name, kind, .. }) => Err(AdmissionError::Kind { operator: name.clone(), kind: kind.clone() }),
        None => Ok(()),
    }
}

/// A component as it is; a core module that carries the contract's types (what a compiler for wasm32-unknown-unknown
/// makes) wrapped into one.
///
/// # Errors
/// [`AdmissionError::NoComponent`] if the bytes are neither.
pub fn componentize(bytes: &[u8]) -> Result<Vec<u8>, AdmissionError> {
    if wasmparser::Parser::is_component(bytes) {
        return Ok(bytes.to_vec());
    }
    if !wasmparser::Parser::is_core_wasm(bytes) {
        return Err(AdmissionError::NoComponent("it does not begin like WebAssembly".into()));
    }
    let encoded = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(bytes)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| AdmissionError::NoComponent(format!("{error:#}")))
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
