//! What Connect's answers hold, as far as it is used; the field that a reference names.
//!
//! Values stay where they arrived, in a body that is wiped: only the one that is asked for is taken out.

use broker_protocol::source::{FieldReference, is_id};
use broker_protocol::value_form::BadValue;
use broker_secret_memory::token::AccessToken;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::one_password::{OnePasswordError, Part};

/// An id as Connect makes them: fit to be a piece of a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Id(String);

impl Id {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that a part of a reference is, if it is one.
    pub(super) fn of(part: &str) -> Option<Self> {
        is_id(part).then(|| Self(part.to_owned()))
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match is_id(&text) {
            true => Ok(Self(text)),
            false => Err("not an id"),
        }
    }
}

/// A vault in a list.
#[derive(Deserialize)]
pub(super) struct Vault {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) name: String,
}

/// Of an item, what a list of them says as well.
#[derive(Deserialize)]
pub(super) struct Summary {
    pub(super) id: Id,
    #[serde(default)]
    pub(super) title: String,
    pub(super) vault: InVault,
    #[serde(default)]
    state: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct InVault {
    pub(super) id: Id,
}

impl Summary {
    /// Whether it is where people find it: neither archived nor deleted.
    pub(super) fn is_there(&self) -> bool {
        self.state.as_deref().is_none_or(str::is_empty)
    }
}

/// An item with its fields.
#[derive(Deserialize)]
pub(super) struct Item<'a> {
    #[serde(default)]
    pub(super) version: Option<u64>,
    #[serde(default)]
    sections: Vec<Section>,
    #[serde(default, borrow)]
    fields: Vec<Field<'a>>,
}

#[derive(Deserialize)]
struct Section {
    id: String,
    #[serde(default)]
    label: Option<String>,
}

/// A field of an item.
#[derive(Deserialize)]
pub(super) struct Field<'a> {
    pub(super) id: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    section: Option<SectionId>,
    #[serde(default, borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct SectionId {
    #[serde(default)]
    id: String,
}

impl<'a> Item<'a> {
    /// The field a reference names: by id before label, in its section where it names one. Upper and
    /// lower case are the same, as in 1Password.
    pub(super) fn field(&self, reference: &FieldReference) -> Result<&Field<'a>, OnePasswordError> {
        let sections = match &reference.section {
            Some(name) => Some(self.sections_called(name)?),
            None => None,
        };
        let within = |field: &Field<'_>| match &sections {
            None => true,
            Some(ids) => {
                let own = field.section.as_ref();
                own.is_some_and(|own| ids.contains(&own.id.as_str()))
            }
        };
        let name = &*reference.field;
        let by_id = |field: &&Field<'_>| field.id.eq_ignore_ascii_case(name);
        let by_label = |field: &&Field<'_>| {
            let label = field.label.as_deref();
            label.is_some_and(|label| label.eq_ignore_ascii_case(name))
        };
        let there = || self.fields.iter().filter(|field| within(field));
        match only(there().filter(by_id)).or_else(|| only(there().filter(by_label))) {
            None => Err(OnePasswordError::NoSuch(Part::Field)),
            Some(found) => found.ok_or(OnePasswordError::Several(Part::Field)),
        }
    }

    /// The ids of the sections of this name or id: 1Password lets several have one name.
    fn sections_called(&self, name: &str) -> Result<Vec<&str>, OnePasswordError> {
        let called = self.sections.iter().filter(|section| {
            let label = section.label.as_deref().unwrap_or_default();
            [label, &section.id]
                .iter()
                .any(|it| it.eq_ignore_ascii_case(name))
        });
        let ids: Vec<&str> = called.map(|section| section.id.as_str()).collect();
        match ids.is_empty() {
            true => Err(OnePasswordError::NoSuch(Part::Section)),
            false => Ok(ids),
        }
    }

    /// The id of the one section of this name or id.
    pub(super) fn section(&self, name: &str) -> Result<&str, OnePasswordError> {
        match self.sections_called(name)?[..] {
            [one] => Ok(one),
            _ => Err(OnePasswordError::Several(Part::Section)),
        }
    }
}

/// `None` for none, `Some(None)` for several.
fn only<T>(mut found: impl Iterator<Item = T>) -> Option<Option<T>> {
    let first = found.next()?;
    Some(found.next().is_none().then_some(first))
}

impl Field<'_> {
    /// The value, if it can be one.
    pub(super) fn value(&self) -> Result<AccessToken, OnePasswordError> {
        let Some(raw) = self.value else {
            return Err(OnePasswordError::NotAValue(BadValue::Empty));
        };
        let text = serde_json::from_str::<String>(raw.get());
        let text = text.map_err(|_quotes_it| OnePasswordError::NotAValue(BadValue::NotText))?;
        let bytes = Zeroizing::new(text.into_bytes());
        AccessToken::read_bytes(bytes).map_err(OnePasswordError::NotAValue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: &str = r#"{
        "id": "bbbbbbbbbbbbbbbbbbbbbbbbbb", "title": "label-sync", "version": 7,
        "vault": {"id": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}, "category": "API_CREDENTIAL",
        "sections": [{"id": "ci", "label": "For CI"}, {"id": "s2", "label": "Old"},
                     {"id": "s3", "label": "old"}, {"id": "add more"}],
        "fields": [
            {"id": "notesPlain", "type": "STRING", "purpose": "NOTES", "label": "notesPlain"},
            {"id": "credential", "type": "CONCEALED", "label": "Token", "value": "ghp_one"},
            {"id": "f3", "type": "CONCEALED", "label": "both", "section": {"id": "ci"}, "value": "ghp_ci"},
            {"id": "f4", "type": "CONCEALED", "label": "Both", "section": {"id": "s2"}, "value": "ghp_old"},
            {"id": "f5", "type": "CONCEALED", "label": "f3", "value": "ghp_label_of_an_id"},
            {"id": "key", "type": "CONCEALED", "label": "key",
             "value": "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n"},
            {"id": "lines", "type": "STRING", "label": "lines", "value": "one\ntwo"},
            {"id": "empty", "type": "STRING", "label": "empty", "value": ""}
        ]}"#;

    fn read(parts: &str) -> Result<String, OnePasswordError> {
        let item: Item<'_> = serde_json::from_str(ITEM).unwrap();
        let reference = FieldReference::parse(&format!("v/i/{parts}")).unwrap();
        let value = item.field(&reference)?.value()?;
        Ok(value.expose().to_owned())
    }

    #[test]
    fn a_field_is_found_by_id_before_label_whatever_the_case() {
        for (parts, value) in [
            ("credential", "ghp_one"),
            ("token", "ghp_one"),
            ("TOKEN", "ghp_one"),
            ("f3", "ghp_ci"),
            ("ci/both", "ghp_ci"),
            ("for ci/Both", "ghp_ci"),
            ("OLD/both", "ghp_old"),
        ] {
            assert_eq!(read(parts).unwrap(), value, "{parts}");
        }
        let key = read("key").unwrap();
        assert!(key.ends_with("-----END RSA PRIVATE KEY-----"), "{key}");
    }

    #[test]
    fn what_is_not_there_or_there_twice_is_said_by_its_part() {
        use OnePasswordError::{NoSuch, NotAValue, Several};
        for (parts, wanted) in [
            ("nothing", NoSuch(Part::Field)),
            ("For CI/credential", NoSuch(Part::Field)),
            ("nowhere/credential", NoSuch(Part::Section)),
            ("both", Several(Part::Field)),
            ("notesPlain", NotAValue(BadValue::Empty)),
            ("empty", NotAValue(BadValue::Empty)),
            ("lines", NotAValue(BadValue::SeveralLines)),
        ] {
            assert_eq!(read(parts), Err(wanted), "{parts}");
        }
    }

    #[test]
    fn a_new_field_needs_one_section_of_that_name() {
        let item: Item<'_> = serde_json::from_str(ITEM).unwrap();
        assert_eq!(item.section("for ci"), Ok("ci"));
        let several = Err(OnePasswordError::Several(Part::Section));
        assert_eq!(item.section("old"), several);
    }

    #[test]
    fn what_is_no_id_is_not_taken_for_one() {
        for id in ["", "../../health", "AAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let text = serde_json::json!({"id": id, "name": "x"}).to_string();
            assert!(serde_json::from_str::<Vault>(&text).is_err(), "{id}");
        }
    }
}
