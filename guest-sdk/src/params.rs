//! Parameters: from the manifest's table to the author's struct.

use crate::Failed;
use crate::schema::{Shape, shape_of};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Reads parameters, a JSON object. A member that the struct does not have is refused, whatever the struct says of that.
///
/// # Errors
/// What does not fit.
pub fn read<P: DeserializeOwned>(params: &str) -> Result<P, Failed> {
    let params = if params.is_empty() { "{}" } else { params };
    let mut json = serde_json::Deserializer::from_str(params);
    if let Shape::Struct(fields) = shape_of::<P>() {
        let members = json.deserialize_map(Members)?;
        if let Some(unknown) = members.iter().find(|member| fields.iter().all(|field| field.name != member.as_str())) {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            return Err(format!("there is no parameter {unknown:?}, but {}", known.join(", ")).into());
        }
    }
    serde_json::from_str(params).map_err(|error| error.to_string().into())
}

/// The JSON Schema of parameters.
pub fn schema<P: DeserializeOwned>() -> String {
    shape_of::<P>().to_schema()
}

/// Names of an object's members.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some((name, IgnoredAny)) = map.next_entry()? {
            names.push(name);
        }
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "kebab-case")]
    struct Split {
        lower_case: bool,
        #[serde(default)]
        max_words: u32,
    }

    fn refused(params: &str) -> String {
        read::<Split>(params).expect_err("refused").reason().to_owned()
    }

    #[test]
    fn reads_a_struct_and_nothing_else() {
        let split = read::<Split>(r#"{"lower-case": true}"#).expect("they fit");
        assert_eq!(split, Split { lower_case: true, max_words: 0 });
        assert_eq!(refused("{}"), "missing field `lower-case` at line 1 column 2");
        assert_eq!(
            refused(r#"{"lower-case": 1}"#),
            "invalid type: integer `1`, expected a boolean at line 1 column 16"
        );
        let typo = refused(r#"{"lower-case": true, "max-word": 3}"#);
        assert_eq!(typo, r#"there is no parameter "max-word", but lower-case, max-words"#);
    }
}
