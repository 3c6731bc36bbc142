//! Why there is no installation token.

use broker_protocol::error::ErrorCode;
use broker_protocol::names::SecretName;

use broker_github::app_jwt::KeyError;
use broker_github::installation::Differs;
use broker_github::{GitHubError, NoAppKey, Outcome};
use broker_sources::SourceError;
use broker_vault::VaultError;

use crate::api_error::{Answer, ApiError};

/// Why there is no installation token. The text goes to the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MintError {
    #[error("secret `{0}` is no longer declared; ask again")]
    Undeclared(SecretName),
    #[error("the private key behind `{secret}` could not be unsealed; the broker's trace says why")]
    Vault {
        secret: SecretName,
        source: VaultError,
    },
    #[error("the source of secret `{secret}` did not give a value")]
    Source {
        secret: SecretName,
        source: SourceError,
    },
    #[error("the value of secret `{secret}` cannot be used: {source}")]
    Key {
        secret: SecretName,
        source: KeyError,
    },
    /// The App does not reach the target at all: what a fallback is for.
    #[error(
        "the App behind `{secret}` is not installed on `{target}`, or that does not exist; an owner \
         installs it from the App's page"
    )]
    NotInstalled {
        secret: SecretName,
        target: Box<str>,
    },
    /// The App reaches these names, and one of them is not the repository any more that it was. No
    /// fallback is for this: the name may be another owner's now.
    #[error(
        "GitHub knows no such repository any more: {}; if it was deleted and made again on purpose, an \
         operator runs {}",
        meant(pinned),
        unpin(pinned)
    )]
    Pinned {
        /// The names, and the ids they have meant.
        pinned: Box<[(Box<str>, u64)]>,
    },
    #[error("the App behind `{secret}` is suspended on `{target}`; an owner lifts that")]
    Suspended {
        secret: SecretName,
        target: Box<str>,
    },
    /// GitHub answered with its new place.
    #[error(
        "`{target}` has another name at GitHub now: it was renamed or transferred; name it so in the policy \
         and in the request"
    )]
    Moved {
        /// The name that was asked for.
        target: Box<str>,
    },
    #[error("{source}{}", lost(source))]
    GitHub {
        #[from]
        source: GitHubError,
    },
    #[error("{0}; nothing was handed out, and the token is revoked")]
    Differs(#[from] Differs),
    #[error("the token could not be kept in the vault; nothing was handed out, and it is revoked")]
    NotKept(#[source] VaultError),
    #[error("no memory to keep the token; nothing was handed out, and it is revoked")]
    NoMemory(#[source] std::io::Error),
    #[error(
        "by this machine's clock GitHub's token has ended already, or nearly; set the clock right"
    )]
    ClockAhead,
    /// Signing panicked: a fault of the broker's own.
    #[error("the App's JWT could not be signed")]
    Broken(#[source] tokio::task::JoinError),
}

impl MintError {
    /// Why this App's key does not sign.
    pub(super) fn of_key(secret: &SecretName, error: NoAppKey) -> Self {
        match error {
            NoAppKey::Key(source) => Self::Key {
                secret: secret.clone(),
                source,
            },
            NoAppKey::Broken(panic) => Self::Broken(panic),
        }
    }

    /// Whether the purpose's fallback is for this: the App is not there. Never a refusal for lack of
    /// permission.
    pub(crate) const fn allows_fallback(&self) -> bool {
        matches!(self, Self::NotInstalled { .. })
    }
}

#[warn(clippy::wildcard_enum_match_arm)]
impl ApiError for MintError {
    fn answer(&self) -> Answer {
        let code = match self {
            Self::GitHub { source } => return source.answer(),
            Self::Source { source, .. } => {
                return Answer::from(ErrorCode::SourceUnavailable)
                    .with_retry_after(source.retry_after());
            }
            Self::Pinned { .. }
            | Self::Differs(Differs::Renamed { .. } | Differs::Another { .. }) => {
                return Answer::from(ErrorCode::UpstreamRefused).with_hint(
                    "a name keeps the id it had at its first token, so that one that changes hands \
                     gives no lease another owner's repository; `tokenctl repository list` shows the \
                     ids",
                );
            }
            Self::Undeclared(_) => ErrorCode::Conflict,
            Self::Vault {
                source: VaultError::Locked,
                ..
            }
            | Self::NotKept(VaultError::Locked) => ErrorCode::Locked,
            Self::Vault {
                source: VaultError::NoValue(_) | VaultError::NoVersion { .. },
                ..
            } => ErrorCode::SecretMissing,
            Self::Vault { .. }
            | Self::NotKept(_)
            | Self::NoMemory(_)
            | Self::ClockAhead
            | Self::Broken(_) => ErrorCode::Internal,
            Self::Key { .. } => ErrorCode::SourceUnavailable,
            Self::NotInstalled { .. }
            | Self::Suspended { .. }
            | Self::Moved { .. }
            | Self::Differs(_) => ErrorCode::UpstreamRefused,
        };
        code.into()
    }
}

/// `acme/one` means repository 7 since its first token.
fn meant(pinned: &[(Box<str>, u64)]) -> String {
    let one = |(name, id): &(Box<str>, u64)| format!("`{name}` means the one with id {id}");
    let each: Vec<String> = pinned.iter().take(MOST_NAMED).map(one).collect();
    let more = if pinned.len() > MOST_NAMED {
        ", and others"
    } else {
        ""
    };
    format!("{}{more}, since the first token for it", each.join(", "))
}

fn unpin(pinned: &[(Box<str>, u64)]) -> String {
    match pinned {
        [(name, _)] => format!("`tokenctl repository unpin {name}`"),
        _ => "`tokenctl repository unpin` with its name".to_owned(),
    }
}

/// So many repositories are named in a message.
const MOST_NAMED: usize = 10;

fn lost(error: &GitHubError) -> &'static str {
    match error.outcome() {
        Outcome::NotDone => "",
        Outcome::Unknown | Outcome::Done => {
            "; a token may have been minted that no lease holds; it expires within the hour"
        }
    }
}
