//! Why there is no lease, for the caller and for the operator.

use std::sync::Arc;
use std::time::Duration;

use broker_audit_writer::AuditLogError;
use broker_github::{GitHubError, LimitKind};
use broker_protocol::error::ErrorCode;
use broker_protocol::names::{Purpose, SecretName};
use broker_secret_memory::cipher::NoRandom;
use broker_sources::SourceError;
use broker_vault::VaultError;

use crate::api_error::{Answer, ApiError};
use crate::limits::UpstreamLimit;
use crate::minting::MintError;

/// Why the broker did not hand out a lease.
///
/// The `Display` text goes to the caller. It says what failed and what to do, and nothing about the
/// broker's insides that the caller did not already know. The cause, for the operator, is in
/// `source()` and goes to the daemon's own trace.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    /// Policy said no, or there is no such purpose. A normal outcome, already recorded.
    #[error("purpose `{purpose}` is not allowed for this caller (audit record {seq})")]
    Denied {
        /// The purpose the caller asked for.
        purpose: Purpose,
        /// Where the refusal is in the audit log, counted from 0.
        seq: u64,
    },
    /// A rule speaks for the caller and allows less. Already recorded.
    #[error("{what} (rule {rule}, audit record {seq})")]
    TooWide {
        rule: Arc<str>,
        what: String,
        /// Where the refusal is in the audit log.
        seq: u64,
    },
    #[error("too many requests from this account; the rest of this minute is only counted")]
    Flood { retry_after: Duration },
    #[error("this account holds {limit} live leases, as many as it may; revoke some or wait")]
    TooManyLeases { limit: usize, retry_after: Duration },
    #[error(
        "the records of this account's live leases fill the {mib} MiB that one account may have; ask for \
        fewer repositories by name, revoke some leases, or wait"
    )]
    LeasesTooLong { mib: u16, retry_after: Duration },
    #[error(
        "this account had {mib} MiB written to the audit log within a minute, as much as it may; ask for \
        fewer repositories by name, or wait"
    )]
    LogFlood { mib: u16, retry_after: Duration },
    /// The store is locked. Only an operator can unlock it.
    #[error("the store is locked; an operator must run `tokenctl unlock`")]
    Locked,
    #[error("the audit log cannot be written, so no credential was released")]
    NotRecorded(#[source] AuditLogError),
    #[error("secret `{0}` has no value; an operator must run `tokenctl secret set {0}`")]
    SecretMissing(SecretName),
    #[error("secret `{0}` has expired; an operator must set a new value")]
    SecretExpired(SecretName),
    /// GitHub limits the account or App behind the secret: nothing was granted, and it was not asked again.
    #[error("GitHub limits the account behind secret `{secret}`: {}; come back in {} s",
        crate::limits::describe(*kind), .retry_after.as_secs())]
    Limited {
        secret: SecretName,
        kind: LimitKind,
        /// When to come back, in whole seconds rounded up.
        retry_after: Duration,
    },
    #[error("the source of secret `{secret}` did not give a value{}", come_back(.source))]
    Source {
        secret: SecretName,
        source: SourceError,
    },
    /// There is no installation token.
    #[error("{source}")]
    Mint {
        secret: SecretName,
        /// Why; the same for all who waited for it.
        source: Arc<MintError>,
    },
    #[error("there is no locked memory for the value of secret `{0}`; the broker's trace says why")]
    NoMemory(SecretName, #[source] std::io::Error),
    #[error("secret `{secret}` could not be unsealed; the broker's trace says why")]
    Vault {
        secret: SecretName,
        source: VaultError,
    },
    #[error("the policies changed while the lease was being issued or renewed; ask again")]
    Overtaken,
    #[error("`until` is `caller_exit`, and the calling process cannot be watched")]
    CannotWatch(#[source] std::io::Error),
    #[error("the kernel gives no random numbers")]
    NoRandom(#[from] NoRandom),
    #[error("the broker is stopping; ask again in a moment")]
    Stopping,
    /// It ended while its value was being opened.
    #[error("the lease has ended")]
    Ended,
    /// A record could not be written as JSON: a fault of the broker's own.
    #[error("a record could not be written")]
    Record(#[from] serde_json::Error),
}

fn come_back(source: &SourceError) -> String {
    source.retry_after().map_or_else(String::new, |again_in| {
        format!("; come back in {} s", again_in.as_secs())
    })
}

impl IssueError {
    /// A lease on this secret would be of no use now.
    pub(super) fn of_upstream_limit(secret: &SecretName, limit: UpstreamLimit) -> Self {
        let secret = secret.clone();
        match limit {
            UpstreamLimit::BreakerOpen { retry_after } => Self::Mint {
                secret,
                source: Arc::new(GitHubError::NotTried { retry_after }.into()),
            },
            UpstreamLimit::Limited(limited) => Self::Limited {
                secret,
                kind: limited.kind,
                retry_after: limited.retry_after,
            },
        }
    }

    /// Whether the purpose's second secret is for this: the first is missing, has expired, or its App
    /// is not installed there.
    pub(crate) fn allows_fallback(&self) -> bool {
        match self {
            Self::SecretMissing(_) | Self::SecretExpired(_) => true,
            Self::Mint { source, .. } => source.allows_fallback(),
            _ => false,
        }
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for IssueError {
    fn answer(&self) -> Answer {
        match self {
            Self::Mint { source, .. } => source.answer(),
            Self::Source { source, .. } => {
                Answer::from(ErrorCode::SourceUnavailable).with_retry_after(source.retry_after())
            }
            Self::Flood { retry_after }
            | Self::TooManyLeases { retry_after, .. }
            | Self::LeasesTooLong { retry_after, .. }
            | Self::LogFlood { retry_after, .. }
            | Self::Limited { retry_after, .. } => {
                Answer::from(ErrorCode::RateLimited).with_retry_after(Some(*retry_after))
            }
            Self::Stopping => {
                Answer::from(ErrorCode::RateLimited).with_retry_after(Some(Duration::from_secs(1)))
            }
            Self::Denied { .. } => Answer::from(ErrorCode::Denied).with_hint(
                "`tokenctl purpose list` shows what you may have; an operator's `tokenctl policy \
                 explain` says why not",
            ),
            Self::TooWide { .. } => Answer::from(ErrorCode::TooWide).with_hint(
                "ask for less, or for nothing in particular to get exactly what the rule gives",
            ),
            Self::NotRecorded(_) => Answer::from(ErrorCode::AuditUnavailable).with_hint(
                "an operator finds the reason in `tokenctl status` and `tokenctl doctor`",
            ),
            Self::Locked => ErrorCode::Locked.into(),
            Self::SecretMissing(_) => ErrorCode::SecretMissing.into(),
            Self::SecretExpired(_) => ErrorCode::SecretExpired.into(),
            Self::CannotWatch(_) => ErrorCode::BadRequest.into(),
            Self::Overtaken => ErrorCode::Conflict.into(),
            Self::Ended => ErrorCode::UnknownLease.into(),
            Self::NoMemory(..) | Self::NoRandom(_) | Self::Vault { .. } | Self::Record(_) => {
                ErrorCode::Internal.into()
            }
        }
    }
}
