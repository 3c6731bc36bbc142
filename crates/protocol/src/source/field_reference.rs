//! `op://VAULT/ITEM[/SECTION]/FIELD`: where a value is in 1Password.
//!
//! Rules: 1Password documentation, “Secret reference syntax”: a part is a name or an id; letters,
//! digits, `-`, `_`, `.` and blanks may stand in it, upper and lower case are the same, and what is
//! called otherwise has to be named by its id.

use std::fmt;

/// A field of an item of a vault, each by its name or its id. Displays as `op://…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldReference {
    /// The vault.
    pub vault: Box<str>,
    /// The item.
    pub item: Box<str>,
    /// The item's section; `None` for a field that is in none, or whose name is clear without.
    pub section: Option<Box<str>>,
    /// The field.
    pub field: Box<str>,
}

impl FieldReference {
    /// Parses what stands after `op://`.
    ///
    /// # Errors
    ///
    /// [`BadReference`].
    pub fn parse(parts: &str) -> Result<Self, BadReference> {
        if parts.contains('?') {
            return Err(BadReference::Query);
        }
        let good = |c: char| c.is_ascii_alphanumeric() || "-_. /".contains(c);
        if parts.len() > LONGEST || !parts.chars().all(good) {
            return Err(BadReference::Character);
        }
        let parts: Vec<&str> = parts.split('/').collect();
        // A blank at either end is lost on the way to a person's eye, and `-` at the start would be
        // taken for an option.
        let empty = |part: &&str| part.trim().len() != part.len() || part.is_empty();
        if parts
            .iter()
            .any(|part| empty(part) || part.starts_with('-'))
        {
            return Err(BadReference::Parts);
        }
        let (vault, item, section, field) = match parts[..] {
            [vault, item, field] => (vault, item, None, field),
            [vault, item, section, field] => (vault, item, Some(section.into()), field),
            _ => return Err(BadReference::Parts),
        };
        Ok(Self {
            vault: vault.into(),
            item: item.into(),
            section,
            field: field.into(),
        })
    }

    /// Whether both may name one field: by name and by id, in other letters, or with and without its section.
    #[must_use]
    pub fn may_be(&self, other: &Self) -> bool {
        let same = |one: &str, other: &str| {
            one.eq_ignore_ascii_case(other) || looks_like_id(one) || looks_like_id(other)
        };
        let sections = self.section.as_deref().zip(other.section.as_deref());
        same(&self.vault, &other.vault)
            && same(&self.item, &other.item)
            && sections.is_none_or(|(one, other)| same(one, other))
            && same(&self.field, &other.field)
    }

    /// Whether vault and item are ids, so that nothing has to be looked up.
    #[must_use]
    pub fn is_by_id(&self) -> bool {
        is_id(&self.vault) && is_id(&self.item)
    }
}

/// An id of a vault or an item. Source: 1Password Connect's description of its API, version 1.7.1.
#[must_use]
pub fn is_id(part: &str) -> bool {
    part.len() == 26
        && part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// What may be an id: those of fields and sections are not all of the same shape, and some are words.
fn looks_like_id(part: &str) -> bool {
    part.len() == 26 && part.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl fmt::Display for FieldReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op://{}/{}/", self.vault, self.item)?;
        if let Some(section) = &self.section {
            write!(f, "{section}/")?;
        }
        f.write_str(&self.field)
    }
}

/// Why a text is no reference. The text itself is not in it: someone may have put a value there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadReference {
    /// Fewer or more parts than there can be.
    #[error("a 1Password reference is `op://VAULT/ITEM/FIELD` or `op://VAULT/ITEM/SECTION/FIELD`")]
    Parts,
    /// `?attribute=otp` and the like.
    #[error("a 1Password reference with `?` asks for something else than the field's value")]
    Query,
    /// A character that no reference may have.
    #[error(
        "letters, digits, `-`, `_`, `.` and blanks may stand in a 1Password reference; name what is \
         called otherwise by its id"
    )]
    Character,
}

/// Far more than any name has.
const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_three_parts_or_four_and_displays_as_it_was_written() {
        for text in [
            "op://Github-Tokens/org-label-sync-token/credential",
            "op://Github Tokens/label.sync/ci section/value_1",
        ] {
            let reference = FieldReference::parse(text.strip_prefix("op://").unwrap()).unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(reference.section.is_some(), text.contains("section"));
        }
    }

    #[test]
    fn two_references_may_be_one_field_by_letters_ids_and_sections() {
        let parsed = |text: &str| FieldReference::parse(text).unwrap();
        let one = parsed("GitHub/Bot/credential");
        for other in [
            "GitHub/Bot/credential",
            "github/bot/CREDENTIAL",
            "GitHub/Bot/tokens/credential",
            "abcdefghijklmnopqrstuvwxyz/Bot/credential",
            "GitHub/abcdefghijklmnopqrstuvwxyz/abcdefghijklmnopqrstuvwxyz",
        ] {
            assert!(one.may_be(&parsed(other)), "{other}");
            assert!(parsed(other).may_be(&one), "{other}");
        }
        for other in ["GitHub/Bot/password", "GitHub/Robot/credential"] {
            assert!(!one.may_be(&parsed(other)), "{other}");
        }
    }

    #[test]
    fn what_is_no_reference_is_told_by_what_is_wrong_with_it() {
        for (text, why) in [
            ("ghp_value", BadReference::Parts),
            ("vault/item", BadReference::Parts),
            ("vault//field", BadReference::Parts),
            ("vault/item/", BadReference::Parts),
            ("v/i/s/f/x", BadReference::Parts),
            ("vault/-item/field", BadReference::Parts),
            ("vault/ item/field", BadReference::Parts),
            ("vault/item/otp?attribute=otp", BadReference::Query),
            ("vault/a:b/field", BadReference::Character),
            ("vault/a\nb/field", BadReference::Character),
        ] {
            assert_eq!(FieldReference::parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn only_twenty_six_small_letters_and_digits_are_an_id() {
        let by_id = "aaaaaaaaaaaaaaaaaaaaaaaaa1/bbbbbbbbbbbbbbbbbbbbbbbbb2/credential";
        assert!(FieldReference::parse(by_id).unwrap().is_by_id());
        let by_name = "aaaaaaaaaaaaaaaaaaaaaaaaa1/item/credential";
        assert!(!FieldReference::parse(by_name).unwrap().is_by_id());
    }
}
