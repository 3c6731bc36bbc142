//! JSON whose objects keep the order of their fields.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    pub(crate) fn map<const N: usize>(fields: [(&str, Self); N]) -> Self {
        let fields = fields.into_iter();
        Self::Map(fields.map(|(key, node)| (key.to_owned(), node)).collect())
    }

    pub(crate) fn reference(kind: &str, name: &str) -> Self {
        let pointer = format!("#/components/{kind}/{name}");
        Self::map([("$ref", Self::Text(pointer))])
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let fields = self.fields().iter();
        let mut found = fields.filter(|(name, _)| name == key);
        found.next().map(|(_, node)| node)
    }

    pub(crate) fn at(&self, key: &str) -> &Self {
        self.get(key)
            .unwrap_or_else(|| panic!("frame.json has no `{key}`"))
    }

    pub(crate) fn fields(&self) -> &[(String, Self)] {
        match self {
            Self::Map(fields) => fields,
            other => panic!("not an object: {other:?}"),
        }
    }

    /// The field, made `null` where there is none.
    pub(crate) fn entry(&mut self, key: &str) -> &mut Self {
        let Self::Map(fields) = self else {
            panic!("not an object: {self:?}")
        };
        let at = fields.iter().position(|(name, _)| name == key);
        let at = at.unwrap_or_else(|| {
            fields.push((key.to_owned(), Self::Null));
            fields.len() - 1
        });
        &mut fields[at].1
    }

    pub(crate) fn set(&mut self, key: &str, node: impl Into<Self>) {
        *self.entry(key) = node.into();
    }

    /// Adds what `more` says, object by object.
    pub(crate) fn merge(&mut self, more: &Self) {
        for (key, node) in more.fields() {
            let own = self.entry(key);
            match (&mut *own, node) {
                (Self::Map(_), Self::Map(_)) => own.merge(node),
                _ => *own = node.clone(),
            }
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Node {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<i64> for Node {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Node {
    fn from(list: Vec<T>) -> Self {
        Self::List(list.into_iter().map(Into::into).collect())
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Number(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Map(fields) => serializer.collect_map(fields.iter().map(|(k, v)| (k, v))),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without fractions")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Node, E> {
        number.try_into().map(Node::Number).map_err(E::custom)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = seq.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = map.next_entry()? {
            fields.push(field);
        }
        Ok(Node::Map(fields))
    }
}
