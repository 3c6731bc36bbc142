//! Names, parsed once at the edge; code below it cannot hold a bad one.
//!
//! Every type here has one way in, [`FromStr`], and serialises as the text it was parsed from.
//! The limits are ours unless a line says otherwise. Words of closed lists are in `word`, names of the machine's accounts
//! in `account`.

mod account;
mod word;

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

pub use self::account::{NoAccountName, check_account};
pub use self::word::{Delivery, EnforcedBy, Level};
use crate::address;

/// Why a text is not the name it was meant to be. The message says what would be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}{}", instead(.meant.as_deref()))]
pub struct NameError {
    text: String,
    wanted: &'static str,
    /// The name that an address stands for.
    meant: Option<String>,
}

impl NameError {
    pub(crate) fn new(text: &str, wanted: &'static str) -> Self {
        let text = address::without_login(text);
        // A name that is far too long, or unprintable, must not flood or forge a terminal.
        let text = text.chars().take(80).flat_map(char::escape_debug).collect();
        Self {
            text,
            wanted,
            meant: None,
        }
    }
}

fn instead(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("; write `{meant}`"))
}

/// A string newtype with one way in. `$wanted` completes the sentence “`x` is not …”, and `$meant` finds the
/// name that an address stands for.
///
/// The text is shared between copies: a lease carries the names of its policy to the record, the
/// table and the answer.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $wanted:literal, |$text:ident| $parse:expr $(, else $meant:expr)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "Cow<'_, str>")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str($text: &str) -> Result<Self, NameError> {
                let parsed: Option<Cow<'_, str>> = $parse;
                match parsed {
                    Some(name) => Ok(Self(name.into())),
                    None => Err(NameError {
                        $(meant: $meant,)?
                        ..NameError::new($text, $wanted)
                    }),
                }
            }
        }

        impl TryFrom<Cow<'_, str>> for $name {
            type Error = NameError;
            fn try_from(text: Cow<'_, str>) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Why a caller wants access: one of a closed list, one policy file each, such as `label-sync`.
    Purpose,
    "a purpose (1 to 64 of a-z, 0-9 and inner hyphens)",
    |text| is_kebab(text).then(|| text.into())
);

name!(
    /// What a stored secret is called, such as `org-label-sync-token`.
    SecretName,
    "the name of a secret (1 to 64 of a-z, 0-9 and inner hyphens)",
    |text| is_kebab(text).then(|| text.into())
);

/// The name under which the vault keeps what is shown to 1Password. It is no secret of GitHub's, so no
/// policy declares it.
pub const ONE_PASSWORD_TOKEN: &str = "onepassword-token";

name!(
    /// A repository, `owner/name`, or all of an owner's, `owner/*`. Kept in lower case: GitHub's
    /// names do not differ by case alone.
    RepoPattern,
    "a repository (`owner/name`, or `owner/*` for all of an owner's)",
    |text| {
        let parsed = text.split_once('/');
        parsed
            .filter(|(owner, name)| is_login(owner) && (*name == "*" || is_repo(name)))
            .map(|_| text.to_ascii_lowercase().into())
    },
    else address::repository(text)
        .filter(|(owner, name)| is_login(owner) && (*name == "*" || is_repo(name)))
        .map(|(owner, name)| format!("{owner}/{name}"))
);

impl RepoPattern {
    /// Whether everything `other` names is also named by this pattern.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self == other
            || self
                .0
                .strip_suffix('*')
                .is_some_and(|owner| other.0.starts_with(owner))
    }

    /// The part before the slash, in lower case.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash, in lower case; `None` where it is the star.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let (_, name) = self.0.split_once('/')?;
        (name != "*").then_some(name)
    }
}

name!(
    /// An organisation's login, kept in lower case.
    OrgName,
    "an organisation (1 to 39 letters, digits and inner hyphens)",
    |text| is_login(text).then(|| text.to_ascii_lowercase().into()),
    else address::owner(text).filter(|owner| is_login(owner)).map(str::to_owned)
);

name!(
    /// The name of a live or past lease: 32 lower-case hexadecimal digits, 128 random bits.
    LeaseId,
    "a lease (32 lower-case hexadecimal digits)",
    |text| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (text.len() == 32 && text.bytes().all(hex)).then(|| text.into())
    }
);

impl LeaseId {
    /// The lease with these 128 random bits.
    #[must_use]
    pub fn from_random(bits: u128) -> Self {
        Self(format!("{bits:032x}").into())
    }
}

name!(
    /// The first half of GitHub's pair, such as `contents` of `contents: read`. Names GitHub adds
    /// later are accepted: its own schema allows unknown ones.
    PermissionName,
    "the name of a permission (a-z and _)",
    |text| {
        let good = |b: u8| b.is_ascii_lowercase() || b == b'_';
        ((1..=64).contains(&text.len()) && text.bytes().all(good)).then(|| text.into())
    }
);

/// Permissions by name, in the order of their names so that output and hashes repeat.
pub type Permissions = BTreeMap<PermissionName, Level>;

/// Lower-case words joined by single hyphens.
fn is_kebab(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=64).contains(&text.len())
        && text.bytes().all(good)
        && text.split('-').all(|word| !word.is_empty())
}

/// GitHub logins: at most 39 characters, letters, digits and inner hyphens. An underscore appears
/// in the logins of enterprise-managed users (`name_shortcode`).
fn is_login(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=39).contains(&text.len())
        && text.bytes().all(good)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// GitHub repository names: at most 100 characters of letters, digits, `.`, `-` and `_`. `.git` at the end is git's,
/// and not part of the name.
fn is_repo(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=100).contains(&text.len())
        && text.bytes().all(good)
        && text != "."
        && text != ".."
        && !text.to_ascii_lowercase().ends_with(address::SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_with_a_message_that_says_what_would_be_one() {
        let error = "Label_Sync".parse::<Purpose>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`Label_Sync` is not a purpose (1 to 64 of a-z, 0-9 and inner hyphens)"
        );
        for bad in ["", "-a", "a-", "a--b", "a b", "a/b", "ä", &"a".repeat(65)] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_message_never_carries_control_characters_or_a_whole_novel() {
        let error = format!("\x1b[2J{}", "x".repeat(500))
            .parse::<Purpose>()
            .unwrap_err();
        assert!(!error.to_string().contains('\x1b'));
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn a_star_covers_one_owner_and_an_exact_name_only_itself() {
        let all: RepoPattern = "Acme/*".parse().unwrap();
        let one: RepoPattern = "acme/Site".parse().unwrap();
        assert_eq!(one.as_str(), "acme/site");
        assert!(all.covers(&one) && all.covers(&all) && one.covers(&one));
        assert!(!one.covers(&all));
        assert!(!all.covers(&"acme2/site".parse().unwrap()));
        assert_eq!((one.owner(), one.name()), ("acme", Some("site")));
        assert_eq!((all.owner(), all.name()), ("acme", None));
        for bad in [
            "*/*", "acme/s*", "*", "acme", "acme/", "/site", "acme/..", "a/b/c",
        ] {
            assert!(bad.parse::<RepoPattern>().is_err(), "{bad:?}");
        }
    }
}
