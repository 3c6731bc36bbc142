//! What was minted at GitHub, what names mean there, and what it limits.

use jiff::Timestamp;
use serde::Serialize;

use crate::record::Caller;

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind")]
pub enum GitHubEvent<'a> {
    /// GitHub limits a principal: recorded once for each window of a limit.
    #[serde(rename = "github.limited")]
    Limited {
        /// Whose budget: `user acme-bot`, `installation 4711`, `app Iv23…` or `anonymous`.
        principal: &'a str,
        /// `primary`: the requests of a window are used up; `secondary`: too many, too fast.
        limit: &'a str,
        /// Which resource, of a primary limit, such as `core`.
        #[serde(skip_serializing_if = "Option::is_none")]
        resource: Option<&'a str>,
        /// When it ends.
        until: Timestamp,
    },
    /// An installation token was minted for the broker's own use, and is about to be used.
    #[serde(rename = "token.minted")]
    TokenMinted {
        /// Who asked for it; absent where the broker does it by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// The App's secret.
        secret: &'a str,
        /// The installation.
        installation: u64,
        /// Base64 SHA-256 of the token.
        hashed_credential: &'a str,
        /// `sink`.
        what_for: &'a str,
        /// When it ends at GitHub, unless it is ended before.
        expires_at: Timestamp,
    },
    /// An installation token is dead at GitHub: ended there, or not accepted any more.
    #[serde(rename = "token.revoked")]
    TokenRevoked {
        /// The App's secret.
        secret: &'a str,
        /// The installation.
        installation: u64,
        /// Base64 SHA-256 of the token.
        hashed_credential: &'a str,
        /// Who ended it; absent if its last lease, or the broker's own use of it, was over.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Caller<'a>>,
        /// How that is known, in plain words.
        how: &'a str,
    },
    /// An installation token could not be ended at GitHub and lived to its own end.
    #[serde(rename = "token.not_revoked")]
    TokenNotRevoked {
        /// The App's secret.
        secret: &'a str,
        /// The installation.
        installation: u64,
        /// Base64 SHA-256 of the token.
        hashed_credential: &'a str,
        /// When GitHub ended it.
        expired_at: Timestamp,
    },
    /// The id that is kept for a repository's name is about to be forgotten.
    #[serde(rename = "repository.unpinned")]
    RepositoryUnpinned {
        /// Who.
        by: Caller<'a>,
        /// The name, `owner/name` in lower case.
        repository: &'a str,
        /// The id that it meant until now.
        id: u64,
    },
    /// That could not be carried out.
    #[serde(rename = "repository.failed")]
    RepositoryFailed {
        /// The name.
        repository: &'a str,
        /// The record that announced the change.
        announced: u64,
        /// In plain words.
        why: &'a str,
    },
}
