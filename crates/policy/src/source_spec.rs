//! `source = "…"`: where a secret's value comes from.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::document::printable;
use super::field_reference::FieldReference;

/// Where a secret's value comes from. Displays as policies write it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceSpec {
    /// The broker's own encrypted store.
    Vault,
    /// A variable in the broker's own environment: an aid for moving away from there.
    Env(String),
    /// A file of the broker's account, by its absolute path.
    File(PathBuf),
    /// The OS keyring's entry of this name.
    Keyring(Box<str>),
    /// A field in 1Password.
    OnePassword(FieldReference),
}

impl SourceSpec {
    /// Whether the broker itself keeps the value.
    #[must_use]
    pub const fn is_vault(&self) -> bool {
        matches!(self, Self::Vault)
    }

    /// Whether it is a field in 1Password.
    #[must_use]
    pub const fn is_1password(&self) -> bool {
        matches!(self, Self::OnePassword(_))
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        if let Self::File(path) = self {
            return Some(path);
        }
        None
    }

    /// The word before the place: `vault`, `env`, `file`, `keyring`, `op`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Env(_) => "env",
            Self::File(_) => "file",
            Self::Keyring(_) => "keyring",
            Self::OnePassword(_) => "op",
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("vault"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Keyring(name) => write!(f, "keyring:{name}"),
            Self::OnePassword(reference) => reference.fmt(f),
        }
    }
}

/// Why a text names no source. Of what is not understood at all nothing is quoted: someone may have put
/// the value itself there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSource(pub(super) String);

impl FromStr for SourceSpec {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, NoSource> {
        if text == "vault" {
            return Ok(Self::Vault);
        }
        if text.starts_with("op://") {
            let reference = text
                .parse()
                .map_err(|error| NoSource(format!("`source`: {error}")));
            return reference.map(Self::OnePassword);
        }
        match text.split_once(':') {
            Some(("env", name)) => env(name),
            Some(("file", path)) => file(path),
            Some(("keyring", name)) => keyring(name),
            _ => Err(NoSource(
                "`source` must be `vault`, `op://VAULT/ITEM/FIELD`, `keyring:NAME`, `file:PATH` or \
                 `env:NAME`"
                    .to_owned(),
            )),
        }
    }
}

fn env(name: &str) -> Result<SourceSpec, NoSource> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let digit = name.starts_with(|c: char| c.is_ascii_digit());
    if name.is_empty() || name.len() > 200 || digit || !name.bytes().all(good) {
        let name = printable(name);
        return Err(NoSource(format!(
            "`{name}` is not the name of an environment variable"
        )));
    }
    Ok(SourceSpec::Env(name.to_owned()))
}

fn file(path: &str) -> Result<SourceSpec, NoSource> {
    if !path.starts_with('/') || path.ends_with('/') || path.chars().any(char::is_control) {
        let path = printable(path);
        return Err(NoSource(format!(
            "`{path}` is not the absolute path of a file"
        )));
    }
    Ok(SourceSpec::File(path.into()))
}

fn keyring(name: &str) -> Result<SourceSpec, NoSource> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(good) {
        let name = printable(name);
        return Err(NoSource(format!(
            "`{name}` is not the name of a keyring entry (letters, digits, `-`, `_` and `.`)"
        )));
    }
    Ok(SourceSpec::Keyring(name.into()))
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
            "keyring:org-label-sync-token",
            "op://Github-Tokens/org-label-sync-token/credential",
        ] {
            let source: SourceSpec = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
            assert!(text.starts_with(source.scheme()));
        }
    }

    #[test]
    fn what_is_not_understood_is_not_quoted_and_what_is_half_right_is() {
        let refused = |text: &str| text.parse::<SourceSpec>().unwrap_err().to_string();
        for value in ["ghp_0123456789", "op:vault", "Keyring:x", ""] {
            let error = refused(value);
            assert!(error.starts_with("`source` must be `vault`"), "{error}");
            assert!(value.is_empty() || !error.contains(value), "{error}");
        }
        assert!(refused("keyring:a b").starts_with("`a b` is not the name of a keyring entry"));
        assert!(refused("op://vault/item").contains("`op://VAULT/ITEM/FIELD`"));
        assert!(refused("file:here").contains("absolute path"));
        assert!(refused("env:1").contains("environment variable"));
    }
}
