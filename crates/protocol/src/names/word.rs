//! Words of closed lists, as policies, requests and answers write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::NameError;

/// The second half of a permission. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// May read.
    Read,
    /// May read and change.
    Write,
    /// May read, change and administer.
    Admin,
}

impl Level {
    /// The level as GitHub writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            "admin" => Ok(Self::Admin),
            _ => Err(NameError::new(text, "a level (read, write or admin)")),
        }
    }
}

/// What the caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// A GitHub installation token minted for this lease.
    Installation,
    /// A broker token that only the broker's own GitHub endpoint honours.
    Proxy,
    /// The stored token itself: the lease only records exposure.
    Raw,
}

impl Delivery {
    /// The delivery as policies and answers write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::Proxy => "proxy",
            Self::Raw => "raw",
        }
    }

    /// Who holds the caller to the lease's scope and end.
    #[must_use]
    pub const fn enforced_by(self) -> EnforcedBy {
        match self {
            Self::Installation => EnforcedBy::Github,
            Self::Proxy => EnforcedBy::Broker,
            Self::Raw => EnforcedBy::NoOne,
        }
    }
}

/// Who enforces the scope and the end of the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnforcedBy {
    /// GitHub itself.
    Github,
    /// The broker, for each request.
    Broker,
    /// No one: the caller holds the stored token.
    #[serde(rename = "none")]
    NoOne,
}

impl EnforcedBy {
    /// Who, as answers write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Broker => "broker",
            Self::NoOne => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_enforces_a_lease_is_called_the_same_in_text_and_json() {
        for deliver in [Delivery::Installation, Delivery::Proxy, Delivery::Raw] {
            let who = deliver.enforced_by();
            let json = serde_json::to_string(&who).unwrap();
            assert_eq!(json, format!("\"{}\"", who.as_str()));
        }
    }

    #[test]
    fn levels_are_ordered() {
        assert!(Level::Read < Level::Write && Level::Write < Level::Admin);
    }
}
