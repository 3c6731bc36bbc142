//! What a check of a secret against GitHub found.
//!
//! Part of HTTP API v1, like [`crate::api`].

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The result of one finding or of a whole check; the later are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As declared.
    Ok,
    /// Declared, and no question to GitHub can prove it. Never the verdict of a whole check.
    NotProven,
    /// Works, and should be looked at.
    Warning,
    /// Not what was declared, or unusable.
    Error,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::NotProven, Self::Warning, Self::Error];

    /// The word itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotProven => "not_proven",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The verdict with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Its result.
    pub verdict: Verdict,
    /// What it is about, in a word that does not change, such as `wrong_owner`.
    /// docs/reference/findings.md lists them.
    pub word: Cow<'static, str>,
    /// In plain words.
    pub text: String,
    /// What to do about it, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The last check of a secret that GitHub answered; absent if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckView {
    /// The worst finding: `ok`, `warning` or `error`.
    pub verdict: Verdict,
    /// When GitHub was asked.
    pub checked_at: Timestamp,
    /// Which version was checked; perhaps not the one in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Whether GitHub accepted the credential.
    pub accepted: bool,
    /// The login it belongs to, as far as is known; for an App its client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// When it expires, as GitHub says, or else as entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The scopes of a classic token, as GitHub last reported them. Absent where it did not, and where
    /// many secrets are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// What was found, the worst first. Absent where many secrets are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Finding>>,
}

/// A later check that GitHub did not answer: it says nothing about the secret. Absent if there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFailed {
    /// When it was tried.
    pub at: Timestamp,
    /// Why it failed. Absent where many secrets are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretChecked {
    /// Its name.
    pub name: crate::names::SecretName,
    /// What was found.
    pub check: CheckView,
    /// Whether the result is in the audit log already. If not, it is recorded when that is possible
    /// again.
    pub recorded: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_reads_back_as_written_and_the_worst_is_the_greatest() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::from_word(verdict.as_str()), Some(verdict));
            let json = serde_json::to_string(&verdict).unwrap();
            assert_eq!(json, format!("\"{verdict}\""));
        }
        assert_eq!(Verdict::ALL.into_iter().max(), Some(Verdict::Error));
        assert_eq!(Verdict::from_word("bad"), None);
    }
}
