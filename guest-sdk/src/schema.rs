//! JSON Schema of a type, found out by asking its `Deserialize`: every field is offered something, and what it asks for
//! is noted. It takes no derive but serde's own, and a fraction of its code.

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use std::fmt;

/// What a type reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Anything, or something that cannot be found out.
    #[default]
    Any,
    /// A simple type, by its name in JSON Schema.
    Simple(&'static str),
    /// An integer that is not negative.
    Unsigned,
    /// One of some words.
    Words(&'static [&'static str]),
    /// A list.
    List(Box<Shape>),
    /// A table with names of the author's choice.
    Table(Box<Shape>),
    /// A struct.
    Struct(Vec<Member>),
}

/// A member of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it reads.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
}

impl Shape {
    /// Its JSON Schema.
    pub fn to_schema(&self) -> String {
        let mut schema = String::new();
        self.write(&mut schema);
        schema
    }

    /// Written as text: building it as a value would double the size of a small plugin.
    fn write(&self, to: &mut String) {
        match self {
            Self::Any => to.push_str("{}"),
            Self::Simple(name) => to.extend([r#"{"type":""#, name, r#""}"#]),
            Self::Unsigned => to.push_str(r#"{"type":"integer","minimum":0}"#),
            Self::Words(words) => {
                // A variant after the first may hold something, which is not to be seen from outside.
                to.push_str(r#"{"anyOf":[{"enum":["#);
                joined(to, words.iter(), |to, word| quoted(to, word));
                to.push_str(r#"]},{"type":"object"}]}"#);
            }
            Self::List(items) => {
                to.push_str(r#"{"type":"array","items":"#);
                items.write(to);
                to.push('}');
            }
            Self::Table(values) => {
                to.push_str(r#"{"type":"object","additionalProperties":"#);
                values.write(to);
                to.push('}');
            }
            Self::Struct(members) => {
                to.push_str(r#"{"type":"object","properties":{"#);
                joined(to, members.iter(), |to, member| {
                    quoted(to, member.name);
                    to.push(':');
                    member.shape.write(to);
                });
                to.push_str(r#"},"required":["#);
                joined(to, members.iter().filter(|member| member.required), |to, member| quoted(to, member.name));
                to.push_str(r#"],"additionalProperties":false}"#);
            }
        }
    }
}

fn joined<T>(to: &mut String, items: impl Iterator<Item = T>, write: impl Fn(&mut String, T)) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            to.push(',');
        }
        write(to, item);
    }
}

/// A name from the author's source; whatever would end the text is escaped.
fn quoted(to: &mut String, name: &str) {
    to.push('"');
    for letter in name.chars() {
        if matches!(letter, '"' | '\\') {
            to.push('\\');
        }
        to.push(letter);
    }
    to.push('"');
}

/// What a type reads. Which members of a struct are needed is found out for the struct itself, not for structs in it.
pub fn shape_of<T: DeserializeOwned>() -> Shape {
    let mut shape = Shape::Any;
    let _ = T::deserialize(Probe { found: &mut shape, offer: Offer::All, depth: 0 });
    let Shape::Struct(members) = &mut shape else { return shape };
    for member in members.iter_mut() {
        // Alone, so that a member that takes nothing of what is offered does not hide those after it.
        let mut alone = Shape::Any;
        let _ = T::deserialize(Probe { found: &mut alone, offer: Offer::Only(&[member.name]), depth: 0 });
        if let Shape::Struct(found) = alone {
            member.shape =
                found.into_iter().find(|found| found.name == member.name).unwrap_or_else(|| member.clone()).shape;
        }
    }
    let mut needed = Vec::new();
    let missing = |given: &[&'static str]| {
        let probe = Probe { found: &mut Shape::Any, offer: Offer::Only(given), depth: 0 };
        T::deserialize(probe).err()
    };
    while let Some(Refusal::Missing(name)) = missing(&needed) {
        if needed.contains(&name) {
            break;
        }
        needed.push(name);
    }
    members.iter_mut().for_each(|member| member.required = needed.contains(&member.name));
    shape
}

/// How deep types are looked into: a type that holds itself has no end.
const DEPTH_MAX: u8 = 6;

/// Which members of a struct are offered.
#[derive(Clone, Copy)]
enum Offer<'a> {
    All,
    Only(&'a [&'static str]),
}

/// Why a type did not take what was offered.
#[derive(Debug)]
enum Refusal {
    Missing(&'static str),
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// Offers a type something, and notes what it asked for.
struct Probe<'f, 'o> {
    found: &'f mut Shape,
    offer: Offer<'o>,
    depth: u8,
}

impl<'f> Probe<'f, 'static> {
    /// Offers something inside of what was asked for.
    fn inside<'de, S: DeserializeSeed<'de>>(seed: S, found: &'f mut Shape, depth: u8) -> Result<S::Value, Refusal> {
        if depth == DEPTH_MAX {
            return Err(Refusal::Other);
        }
        seed.deserialize(Probe { found, offer: Offer::All, depth: depth + 1 })
    }
}

macro_rules! simple {
    ($($method:ident => $shape:expr, $visit:ident($($value:expr)?);)+) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            *self.found = $shape;
            visitor.$visit($($value)?)
        }
    )+ };
}

impl<'de> Deserializer<'de> for Probe<'_, '_> {
    type Error = Refusal;

    simple! {
        deserialize_bool => Shape::Simple("boolean"), visit_bool(false);
        deserialize_i8 => Shape::Simple("integer"), visit_i8(0);
        deserialize_i16 => Shape::Simple("integer"), visit_i16(0);
        deserialize_i32 => Shape::Simple("integer"), visit_i32(0);
        deserialize_i64 => Shape::Simple("integer"), visit_i64(0);
        deserialize_u8 => Shape::Unsigned, visit_u8(1);
        deserialize_u16 => Shape::Unsigned, visit_u16(1);
        deserialize_u32 => Shape::Unsigned, visit_u32(1);
        deserialize_u64 => Shape::Unsigned, visit_u64(1);
        deserialize_f32 => Shape::Simple("number"), visit_f32(0.0);
        deserialize_f64 => Shape::Simple("number"), visit_f64(0.0);
        deserialize_char => Shape::Simple("string"), visit_char(' ');
        deserialize_str => Shape::Simple("string"), visit_borrowed_str("");
        deserialize_string => Shape::Simple("string"), visit_borrowed_str("");
        deserialize_identifier => Shape::Simple("string"), visit_borrowed_str("");
        deserialize_unit => Shape::Simple("null"), visit_unit();
        deserialize_any => Shape::Any, visit_unit();
        deserialize_ignored_any => Shape::Any, visit_unit();
        deserialize_bytes => Shape::Any, visit_borrowed_bytes(&[]);
        deserialize_byte_buf => Shape::Any, visit_borrowed_bytes(&[]);
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let mut items = Shape::Any;
        let visited = visitor.visit_seq(Once(Some(&mut items), self.depth));
        *self.found = Shape::List(Box::new(items));
        visited
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, Refusal> {
        *self.found = Shape::Simple("array");
        Err(Refusal::Other)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let mut values = Shape::Any;
        let visited = visitor.visit_map(Once(Some(&mut values), self.depth));
        *self.found = Shape::Table(Box::new(values));
        visited
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let member = |name: &&'static str| Member { name, shape: Shape::Any, required: false };
        let mut members: Vec<Member> = fields.iter().map(member).collect();
        let offered = match self.offer {
            Offer::All => None,
            Offer::Only(names) => Some(names),
        };
        let visited = visitor.visit_map(Members { members: &mut members, offered, next: 0, depth: self.depth });
        *self.found = Shape::Struct(members);
        visited
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        *self.found = Shape::Words(variants);
        let mut plain = true;
        let visited = visitor.visit_enum(Variant { first: variants.first().copied(), plain: &mut plain });
        if !plain {
            *self.found = Shape::Any;
        }
        visited
    }
}

/// A list or a table with one entry.
struct Once<'f>(Option<&'f mut Shape>, u8);

impl<'de> SeqAccess<'de> for Once<'_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        self.0.take().map(|found| Probe::inside(seed, found, self.1)).transpose()
    }
}

impl<'de> MapAccess<'de> for Once<'_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        if self.0.is_none() {
            return Ok(None);
        }
        Probe::inside(seed, &mut Shape::Any, self.1).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        Probe::inside(seed, self.0.take().ok_or(Refusal::Other)?, self.1)
    }
}

/// The members of a struct that are offered.
struct Members<'f, 'o> {
    members: &'f mut [Member],
    offered: Option<&'o [&'static str]>,
    next: usize,
    depth: u8,
}

impl<'de> MapAccess<'de> for Members<'_, '_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        while let Some(member) = self.members.get(self.next) {
            if self.offered.is_none_or(|offered| offered.contains(&member.name)) {
                return seed.deserialize(de::value::BorrowedStrDeserializer::new(member.name)).map(Some);
            }
            self.next += 1;
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let member = self.members.get_mut(self.next).ok_or(Refusal::Other)?;
        self.next += 1;
        Probe::inside(seed, &mut member.shape, self.depth)
    }
}

/// The first variant of an enum, which may turn out to hold something.
struct Variant<'f> {
    first: Option<&'static str>,
    plain: &'f mut bool,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Refusal> {
        let name = self.first.ok_or(Refusal::Other)?;
        Ok((seed.deserialize(de::value::BorrowedStrDeserializer::new(name))?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, Refusal> {
        *self.plain = false;
        Err(Refusal::Other)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, _visitor: V) -> Result<V::Value, Refusal> {
        *self.plain = false;
        Err(Refusal::Other)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Refusal> {
        *self.plain = false;
        Err(Refusal::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    fn schema_of<T: DeserializeOwned>() -> Value {
        serde_json::from_str(&shape_of::<T>().to_schema()).expect("JSON")
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    #[expect(dead_code, reason = "only its shape is asked for")]
    struct Everything {
        lower_case: bool,
        #[serde(default)]
        count: u8,
        shift: i64,
        ratio: f64,
        name: Option<String>,
        tags: Vec<String>,
        limits: BTreeMap<String, f32>,
        level: Level,
        inner: Inner,
        anything: serde_json::Value,
        address: std::net::Ipv4Addr,
        last: bool,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Level {
        Low,
        High,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its shape is asked for")]
    struct Inner {
        deep: bool,
        again: Option<Box<Inner>>,
        many: Vec<Inner>,
    }

    #[test]
    fn finds_out_what_a_type_reads() {
        let schema = schema_of::<Everything>();
        let of = |name: &str| schema["properties"][name].clone();
        assert_eq!(of("lower-case"), json!({ "type": "boolean" }));
        assert_eq!(of("count"), json!({ "type": "integer", "minimum": 0 }));
        assert_eq!(of("shift"), json!({ "type": "integer" }));
        assert_eq!(of("ratio"), json!({ "type": "number" }));
        assert_eq!(of("name"), json!({ "type": "string" }));
        assert_eq!(of("tags"), json!({ "type": "array", "items": { "type": "string" } }));
        assert_eq!(of("limits"), json!({ "type": "object", "additionalProperties": { "type": "number" } }));
        assert_eq!(of("level")["anyOf"][0], json!({ "enum": ["low", "high"] }));
        assert_eq!(of("inner")["properties"]["deep"], json!({ "type": "boolean" }));
        assert_eq!(of("inner")["additionalProperties"], json!(false));
        assert_eq!(of("anything"), json!({}));
        // It takes no empty text, and what comes after it is found out all the same.
        assert_eq!(of("address"), json!({ "type": "string" }));
        assert_eq!(of("last"), json!({ "type": "boolean" }));
        assert_eq!(schema["additionalProperties"], json!(false));
    }

    #[test]
    fn finds_out_what_must_be_there() {
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape is asked for")]
        struct Some {
            needed: String,
            #[serde(default)]
            absent: String,
            optional: Option<i64>,
            #[serde(rename = "quoted\"name")]
            quoted: bool,
            needed_too: Vec<u8>,
        }
        let schema = schema_of::<Some>();
        assert_eq!(schema["required"], json!(["needed", "quoted\"name", "needed_too"]));
    }
}
