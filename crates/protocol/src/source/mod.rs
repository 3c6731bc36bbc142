//! `source = "…"`: where the value of a secret comes from, as policies and operators write it.
//!
//! [`SOURCES`] is the one table of names: policies, `tokenctl` and its help, metrics and `doctor` read it.
//! How a value is read is the broker's part, in `crates/sources`.

mod field_reference;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::names::NameError;

pub use self::field_reference::{BadReference, FieldReference, is_id};

/// Every source but the vault, in the order in which help texts and errors list them.
pub static SOURCES: &[SourceForm] = &[
    SourceForm {
        scheme: "op",
        form: "op://VAULT/ITEM/FIELD",
        help: "a field of an item in 1Password",
        read: ReadWhen::Seldom,
        check: |name| {
            let reference = FieldReference::parse(name);
            reference.map(drop).map_err(|e| format!("`source`: {e}"))
        },
    },
    SourceForm {
        scheme: "keyring",
        form: "keyring:NAME",
        help: "an entry of the desktop session's keyring",
        read: ReadWhen::Seldom,
        check: |name| {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            let good = (1..=100).contains(&name.len()) && name.bytes().all(good);
            let wanted = "the name of a keyring entry (letters, digits, `-`, `_` and `.`)";
            refuse_unless(good, name, wanted)
        },
    },
    SourceForm {
        scheme: "file",
        form: "file:PATH",
        help: "a file by its absolute path, such as a mounted secret",
        read: ReadWhen::EachUse,
        check: |path| {
            let control = path.chars().any(char::is_control);
            let good = path.starts_with('/') && !path.ends_with('/') && !control;
            refuse_unless(good, path, "the absolute path of a file")
        },
    },
    SourceForm {
        scheme: "credential",
        form: "credential:NAME",
        help: "a systemd credential of tokend's own unit",
        read: ReadWhen::EachUse,
        check: |name| {
            // As systemd has it: the name of a file, and of a descriptor in $LISTEN_FDNAMES.
            let good = |b: u8| (b' '..=b'~').contains(&b) && !b"/:".contains(&b);
            let good = (1..=255).contains(&name.len()) && name.bytes().all(good);
            let good = good && ![".", ".."].contains(&name);
            let wanted = "the name of a systemd credential (at most 255 characters of ASCII, without `/` \
                          and `:`)";
            refuse_unless(good, name, wanted)
        },
    },
    SourceForm {
        scheme: "env",
        form: "env:NAME",
        help: "a variable of tokend's own environment, until it is moved",
        read: ReadWhen::UntilRestart,
        check: |name| {
            let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let digit = name.starts_with(|c: char| c.is_ascii_digit());
            let good = (1..=200).contains(&name.len()) && !digit && name.bytes().all(good);
            refuse_unless(good, name, "the name of an environment variable")
        },
    },
];

/// One row of [`SOURCES`].
pub struct SourceForm {
    /// The word before the colon, which metrics use too.
    pub scheme: &'static str,
    /// How it is written. What stands before the first capital letter is written as it is.
    pub form: &'static str,
    /// One line of help.
    pub help: &'static str,
    /// When the broker reads the value.
    pub read: ReadWhen,
    /// Whether what stands after the fixed part can be a name there; else the error.
    check: fn(&str) -> Result<(), String>,
}

/// When the broker reads a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadWhen {
    /// For each use, but it stays the same until tokend restarts.
    UntilRestart,
    /// For each use.
    EachUse,
    /// Now and then, since reading is slow or limited. It is kept meanwhile.
    Seldom,
}

impl SourceForm {
    /// What every source of this form begins with, such as `op://`.
    fn prefix(&self) -> &'static str {
        let prefix = self.form.split(|c: char| c.is_ascii_uppercase()).next();
        prefix.unwrap_or_default()
    }
}

/// Lists all forms, as in "`vault`, `op://VAULT/ITEM/FIELD`, … or `env:NAME`".
#[must_use]
pub fn all_forms() -> String {
    let mut text = "`vault`".to_owned();
    for (at, source) in SOURCES.iter().enumerate() {
        let joint = if at + 1 == SOURCES.len() { " or" } else { "," };
        text += &format!("{joint} `{}`", source.form);
    }
    text
}

/// Lists all forms, one a line, with their help.
#[must_use]
pub fn help_lines() -> String {
    let vault = ("vault", "the broker's own encrypted store");
    let outside = SOURCES.iter().map(|source| (source.form, source.help));
    let lines = [vault].into_iter().chain(outside);
    lines
        .map(|(form, help)| format!("  {form:16} {help}\n"))
        .collect()
}

/// Where a secret's value comes from. Displays as policies write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceSpec {
    /// The broker's own encrypted store.
    Vault,
    /// A place outside of it.
    Outside(Location),
}

/// A place outside the vault: a scheme of [`SOURCES`], and a name that its check accepted. Displays as
/// policies write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    scheme: &'static str,
    prefix: &'static str,
    name: Box<str>,
}

impl Location {
    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// What stands after the scheme: a variable, a path, a reference without `op://`.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }
}

impl SourceSpec {
    /// Whether the broker itself keeps the value.
    #[must_use]
    pub const fn is_vault(&self) -> bool {
        matches!(self, Self::Vault)
    }

    /// The word before the place: `vault` or a scheme of [`SOURCES`].
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Outside(location) => location.scheme,
        }
    }

    /// When the value is read there; `None` for the vault.
    #[must_use]
    pub fn read_when(&self) -> Option<ReadWhen> {
        let mut all = SOURCES.iter();
        let form = all.find(|source| source.scheme == self.scheme());
        form.map(|source| source.read)
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Outside(location) if location.scheme == "file" => Some(location.name().as_ref()),
            Self::Vault | Self::Outside(_) => None,
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("vault"),
            Self::Outside(location) => location.fmt(f),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix, self.name)
    }
}

/// What an operator does with a new value of the secret `name`, such as `it`, where the secret comes from `source`, as
/// [`SourceSpec`] displays. The one wording, for messages of both programs.
#[must_use]
pub fn how_to_store(value: &str, name: &str, source: &str) -> String {
    match source.split_once(':') {
        None => format!("store {value} with `tokenctl secret set {name}`"),
        // Both stay as they were when tokend started.
        Some(("env" | "credential", _)) => format!("put {value} into {source}, and restart tokend"),
        Some(_) => format!("put {value} into {source}"),
    }
}

/// Why a text names no source. A text that is not understood at all is not quoted: it may be the value
/// itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSource(String);

impl FromStr for SourceSpec {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        if text == "vault" {
            return Ok(Self::Vault);
        }
        for source in SOURCES {
            if let Some(name) = text.strip_prefix(source.prefix()) {
                (source.check)(name).map_err(BadSource)?;
                return Ok(Self::Outside(Location {
                    scheme: source.scheme,
                    prefix: source.prefix(),
                    name: name.into(),
                }));
            }
        }
        Err(BadSource(format!("`source` must be {}", all_forms())))
    }
}

fn refuse_unless(good: bool, name: &str, wanted: &'static str) -> Result<(), String> {
    match good {
        true => Ok(()),
        false => Err(NameError::new(name, wanted).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_displays_as_it_was_written() {
        for text in [
            "vault",
            "env:ORG_LABEL_SYNC_TOKEN",
            "file:/run/secrets/label-sync",
            "credential:label-sync.token",
            "keyring:org-label-sync-token",
            "op://Github-Tokens/org-label-sync-token/credential",
        ] {
            let source: SourceSpec = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert!(text.starts_with(source.scheme()));
            assert_eq!(source.read_when().is_none(), source.is_vault());
        }
    }

    #[test]
    fn a_new_value_goes_where_the_secret_comes_from() {
        for (source, says) in [
            ("vault", "store it with `tokenctl secret set a-token`"),
            ("file:/run/a", "put it into file:/run/a"),
            ("op://V/I/f", "put it into op://V/I/f"),
            ("keyring:a", "put it into keyring:a"),
            (
                "credential:a",
                "put it into credential:a, and restart tokend",
            ),
            ("env:A", "put it into env:A, and restart tokend"),
        ] {
            assert_eq!(how_to_store("it", "a-token", source), says);
        }
    }

    #[test]
    fn every_form_begins_with_its_scheme_and_a_colon() {
        for source in SOURCES {
            let prefix = source.prefix();
            assert!(
                prefix.starts_with(&format!("{}:", source.scheme)),
                "{prefix}"
            );
        }
        let (text, last) = (all_forms(), SOURCES.last().unwrap().form);
        assert!(text.ends_with(&format!("` or `{last}`")), "{text}");
    }

    #[test]
    fn what_is_not_understood_is_not_quoted_and_what_is_half_right_is() {
        let refused = |text: &str| text.parse::<SourceSpec>().unwrap_err().to_string();
        for value in ["ghp_0123456789", "op:vault", "Keyring:x", "vault:", ""] {
            let error = refused(value);
            assert!(error.starts_with("`source` must be `vault`"), "{error}");
            assert!(
                value.is_empty() || !error.contains(value) || value == "vault:",
                "{error}"
            );
        }
        assert!(refused("keyring:a b").starts_with("`a b` is not the name of a keyring entry"));
        assert!(refused("op://vault/item").contains("`op://VAULT/ITEM/FIELD`"));
        assert!(refused("file:here").contains("absolute path"));
        assert!(refused("env:1").contains("environment variable"));
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "a:b", "é", "a\n", &long] {
            let error = refused(&format!("credential:{name}"));
            assert!(error.contains("name of a systemd credential"), "{error}");
        }
    }
}
