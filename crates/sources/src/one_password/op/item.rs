//! An item as `op item get --format json` prints it: its ids are taken, its values passed over.

use broker_protocol::source::{FieldReference, is_id};
use serde::Deserialize;

use crate::one_password::OnePasswordError;

/// What an item says of a reference by name.
pub(super) struct Found {
    /// The reference by ids. `None` where the names do not tell one field from the others, or an id
    /// cannot stand in a reference.
    pub(super) ids: Option<FieldReference>,
    /// What 1Password counts the item's changes with.
    pub(super) version: Option<u64>,
}

/// Finds in this item what the reference names.
pub(super) fn find(json: &[u8], asked: &FieldReference) -> Result<Found, OnePasswordError> {
    // The parser's own words may quote a value.
    let item: Item = serde_json::from_slice(json)
        .map_err(|_cause| mismatch("`op item get` printed no item".to_owned()))?;
    let vault_name = item.vault.name.as_deref().unwrap_or_default();
    if !is_called(&asked.vault, &item.vault.id, vault_name) {
        return Err(mismatch("an item of another vault".to_owned()));
    }
    if !is_called(&asked.item, &item.id, &item.title) {
        return Err(mismatch("an item of another name".to_owned()));
    }
    if !is_id(&item.vault.id) || !is_id(&item.id) {
        return Err(mismatch("an id that is none".to_owned()));
    }
    Ok(Found {
        ids: item.reference(asked),
        version: item.version,
    })
}

fn mismatch(what: String) -> OnePasswordError {
    OnePasswordError::Mismatch(what.into())
}

/// Upper and lower case are the same in a reference.
fn is_called(part: &str, id: &str, name: &str) -> bool {
    part == id || part.eq_ignore_ascii_case(name)
}

#[derive(Deserialize)]
struct Item {
    id: String,
    title: String,
    version: Option<u64>,
    vault: Vault,
    #[serde(default)]
    fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Vault {
    id: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Field {
    id: String,
    #[serde(default)]
    label: String,
    section: Option<Section>,
}

#[derive(Deserialize)]
struct Section {
    id: String,
    #[serde(default)]
    label: String,
}

impl Item {
    fn reference(&self, asked: &FieldReference) -> Option<FieldReference> {
        let mut fields = self.fields.iter().filter(|field| field.is(asked));
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return None;
        };
        let reference = FieldReference {
            vault: self.vault.id.as_str().into(),
            item: self.id.as_str().into(),
            section: field
                .section
                .as_ref()
                .map(|section| section.id.as_str().into()),
            field: field.id.as_str().into(),
        };
        // Whether it still means the same when it has been written down.
        let written = reference.to_string();
        let read = FieldReference::parse(written.strip_prefix("op://")?);
        (read.as_ref() == Ok(&reference)).then_some(reference)
    }
}

impl Field {
    fn is(&self, asked: &FieldReference) -> bool {
        let in_section = match (&asked.section, &self.section) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(asked), Some(section)) => is_called(asked, &section.id, &section.label),
        };
        in_section && is_called(&asked.field, &self.id, &self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VAULT: &str = "vaaaaaaaaaaaaaaaaaaaaaaaa1";
    const ITEM: &str = "iaaaaaaaaaaaaaaaaaaaaaaaa1";

    fn json(vault: &str, title: &str) -> String {
        serde_json::json!({
            "id": ITEM, "title": title, "version": 7, "category": "API_CREDENTIAL",
            "vault": { "id": VAULT, "name": vault },
            "sections": [{ "id": "s1", "label": "CI" }, { "id": "a/b", "label": "Odd" }],
            "fields": [
                { "id": "notesPlain", "type": "STRING", "purpose": "NOTES", "label": "notesPlain" },
                { "id": "credential", "type": "CONCEALED", "label": "credential", "value": "a\\u0041" },
                { "id": "f1", "label": "Token", "section": { "id": "s1", "label": "CI" }, "value": "b" },
                { "id": "f2", "label": "twice", "value": "c" },
                { "id": "f3", "label": "twice", "section": { "id": "s1" }, "value": "d" },
                { "id": "f4", "label": "odd", "section": { "id": "a/b", "label": "Odd" } },
            ],
        })
        .to_string()
    }

    fn found(reference: &str) -> Option<String> {
        let found = find(
            json("Tokens", "label.sync").as_bytes(),
            &FieldReference::parse(reference.strip_prefix("op://").unwrap()).unwrap(),
        );
        let found = found.unwrap();
        assert_eq!(found.version, Some(7));
        found.ids.map(|ids| ids.to_string())
    }

    #[test]
    fn a_field_is_found_by_its_name_or_id_in_its_section() {
        let at = |rest: &str| Some(format!("op://{VAULT}/{ITEM}/{rest}"));
        for (asked, ids) in [
            ("op://tokens/LABEL.SYNC/Credential", at("credential")),
            ("op://Tokens/label.sync/token", at("s1/f1")),
            ("op://Tokens/label.sync/ci/token", at("s1/f1")),
            ("op://Tokens/label.sync/s1/f1", at("s1/f1")),
            ("op://Tokens/label.sync/s1/twice", at("s1/f3")),
        ] {
            assert_eq!(found(asked), ids, "{asked}");
        }
        let by_id = format!("op://{VAULT}/{ITEM}/token");
        assert_eq!(found(&by_id), at("s1/f1"));
    }

    #[test]
    fn a_field_that_the_names_do_not_tell_apart_keeps_its_name() {
        for asked in [
            "op://Tokens/label.sync/twice",
            "op://Tokens/label.sync/credential.pem",
            "op://Tokens/label.sync/other/token",
            "op://Tokens/label.sync/Odd/odd",
        ] {
            assert_eq!(found(asked), None, "{asked}");
        }
    }

    #[test]
    fn another_item_or_vault_and_what_is_no_item_are_refused() {
        let asked = FieldReference::parse("Tokens/label.sync/credential").unwrap();
        let bad_id = json("Tokens", "label.sync").replace(ITEM, "i1");
        for (json, want) in [
            (json("Tokens", "other"), "an item of another name"),
            (json("Other", "label.sync"), "an item of another vault"),
            (bad_id, "an id that is none"),
            ("[]".to_owned(), "`op item get` printed no item"),
            (
                r#"{"id": "s3cret"}"#.to_owned(),
                "`op item get` printed no item",
            ),
        ] {
            let error = find(json.as_bytes(), &asked).err().unwrap();
            assert_eq!(error, mismatch(want.to_owned()));
        }
    }
}
