//! Reads JSON in the one way that its description allows.
//!
//! serde takes more than what derived types look like: an array in the place of an object, field by field; an
//! object in the place of a word of a list; and of a key that stands twice in a map, the last. Two readers of such
//! a body may see two requests. Here an object is an object, a word is a string, and a key stands once, at every
//! depth of a body.
//!
//! Not here: what fields there are. `deny_unknown_fields` is the types' own.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IntoDeserializer as _, MapAccess,
    SeqAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

/// Reads one JSON text, and nothing after it.
///
/// # Errors
///
/// With line and column. It may quote what it found there.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let read = T::deserialize(Strict(&mut reader))?;
    reader.end()?;
    Ok(read)
}

/// A deserializer, visitor, seed or access, and what it hands on is strict again.
struct Strict<I>(I);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Strict(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Strict(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Strict(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Strict(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Object(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let word = String::deserialize(self.0)?.into_deserializer();
        word.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct identifier ignored_any
    }
}

/// What reads an object into a struct, and nothing else.
struct Object<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        Strict(self.0).visit_map(entries)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        self.0.visit_bool(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        self.0.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        self.0.visit_u64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        self.0.visit_f64(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.0.visit_str(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.0.visit_borrowed_str(value)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(some))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Entries {
            entries,
            seen: BTreeSet::new(),
        })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// The entries of an object, and the keys of those that were read.
struct Entries<A> {
    entries: A,
    seen: BTreeSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.entries.next_key::<String>()? else {
            return Ok(None);
        };
        if !self.seen.insert(key.clone()) {
            let why = format_args!("the key `{}` stands there twice", key.escape_debug());
            return Err(A::Error::custom(why));
        }
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.entries.next_value_seed(Strict(seed))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::LeaseRequest;

    fn refusal(json: &str) -> String {
        match from_slice::<LeaseRequest>(json.as_bytes()) {
            Ok(read) => panic!("{json} was read as {read:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_described_is_read_as_without() {
        let json = r#" {"purpose":"label-sync","repositories":["acme/site"],"organization":null,
            "permissions":{"issues":"write","contents":"read"},"ttl":900,"until":"caller_exit"} "#;
        let plain: LeaseRequest = serde_json::from_str(json).unwrap();
        assert_eq!(from_slice::<LeaseRequest>(json.as_bytes()).unwrap(), plain);
        let json =
            r#"{"a":[1,-2,0.5,null,true,"A\u0041",{"b":{}}],"\u0061b":18446744073709551615}"#;
        let plain: Value = serde_json::from_str(json).unwrap();
        assert_eq!(from_slice::<Value>(json.as_bytes()).unwrap(), plain);
    }

    #[test]
    fn an_array_is_no_object_and_an_object_is_no_word() {
        let array = refusal(r#"["label-sync",null,null,null,900,null,null]"#);
        let expected = "invalid type: sequence, expected a JSON object at line 1";
        assert!(array.starts_with(expected), "{array}");
        for body in [
            r#"{"purpose":"a","until":{"caller_exit":null}}"#,
            r#"{"purpose":"a","permissions":{"issues":{"read":null}}}"#,
            r#"{"purpose":"a","permissions":["issues","read"]}"#,
        ] {
            assert!(refusal(body).starts_with("invalid type"), "{body}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named_with_its_place_at_every_depth() {
        for (body, key, column) in [
            (r#"{"purpose":"a","purpose":"b"}"#, "purpose", 24),
            (
                r#"{"purpose":"a","permissions":{"issues":"read","issues":"write"}}"#,
                "issues",
                54,
            ),
            // Two spellings of one key.
            (
                r#"{"purpose":"a","permissions":{"issues":"read","\u0069ssues":"write"}}"#,
                "issues",
                59,
            ),
        ] {
            let place = format!("the key `{key}` stands there twice at line 1 column {column}");
            assert_eq!(refusal(body), place);
        }
        let deep = br#"[{"a":[{"b":{"c":1,"c":2}}]}]"#;
        assert!(from_slice::<Value>(deep).is_err());
    }

    #[test]
    fn nothing_may_follow_and_depth_has_its_limit() {
        assert!(refusal(r#"{"purpose":"a"} {}"#).starts_with("trailing characters"));
        let deep = [vec![b'['; 4096], vec![b']'; 4096]].concat();
        assert!(from_slice::<Value>(&deep).is_err());
    }
}
