//! Parameters: from the manifest's table to a struct.

use serde_json::Value;

/// What a node's parameters are read into. [`crate::parameters!`] writes this for a struct.
pub trait Parameters: Sized {
    /// Reads them.
    ///
    /// # Errors
    /// What does not fit.
    fn read(params: &Value) -> Result<Self, String>;

    /// Their JSON Schema.
    fn schema() -> String;
}

impl Parameters for () {
    fn read(_params: &Value) -> Result<Self, String> {
        Ok(())
    }

    fn schema() -> String {
        String::new()
    }
}

/// A type that one parameter can have.
pub trait ParameterValue: Sized {
    /// Its name in JSON Schema.
    const TYPE: &'static str;

    /// Reads it.
    fn from_json(value: &Value) -> Option<Self>;
}

impl ParameterValue for String {
    const TYPE: &'static str = "string";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl ParameterValue for bool {
    const TYPE: &'static str = "boolean";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl ParameterValue for i64 {
    const TYPE: &'static str = "integer";

    fn from_json(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

/// Any JSON.
impl ParameterValue for Value {
    const TYPE: &'static str = "object";

    fn from_json(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

/// Reads one member, or takes what stands for it when it is absent.
///
/// # Errors
/// If it is of another type, or absent and needed.
pub fn member<T: ParameterValue>(params: &Value, name: &str, absent: Option<T>) -> Result<T, String> {
    match params.get(name) {
        None => absent.ok_or_else(|| format!("parameter {name:?} is missing")),
        Some(value) => {
            T::from_json(value).ok_or_else(|| format!("parameter {name:?} cannot be {value}: it is a {}", T::TYPE))
        }
    }
}
