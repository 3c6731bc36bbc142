//! Why a request was not passed on, or has no answer, for the caller.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;
use std::iter::successors;
use std::time::Duration;

use broker_github::{BodyFault, GitHubError, LimitKind};
use broker_policy::Budget;
use broker_policy::reach::{self, Refused};
use broker_protocol::causes;
use broker_protocol::error::ErrorCode;
use broker_protocol::names::{Purpose, SecretName};
use jiff::Timestamp;

use crate::api_error::ApiError as _;
use crate::leases::issue::IssueError;
use crate::leases::proxied::TunnelError;
use crate::limits::{self, UpstreamLimit};

/// What the caller is told. Clients act on the status and on how long to wait, so both are what GitHub's own
/// would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// In the header `tokend-error`.
    pub(crate) code: ErrorCode,
    pub(crate) why: Cow<'static, str>,
    pub(crate) retry_after: Option<Duration>,
    /// What is used up: clients know GitHub's own headers for it.
    pub(crate) used_up: Option<UsedUp>,
}

/// A number of requests, all of which are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UsedUp {
    /// How many; `None` where GitHub alone counts them.
    pub(crate) limit: Option<u64>,
    /// When there are more.
    pub(crate) reset_at: Timestamp,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Refusal {}

impl Refusal {
    /// A refusal of this kind, with the status that says the same at GitHub.
    pub(crate) fn new(code: ErrorCode, why: impl Into<Cow<'static, str>>) -> Self {
        let status = match code {
            // git and gh print a 403; a 401 makes git ask for another password, and a 404 hides the reason.
            ErrorCode::UnknownLease | ErrorCode::RateLimited => 403,
            code => code.status(),
        };
        Self {
            status,
            code,
            why: why.into(),
            retry_after: None,
            used_up: None,
        }
    }

    /// A request without a token, or with one that no broker made.
    pub(crate) fn foreign_token() -> Self {
        Self {
            status: 401,
            ..Self::new(
                ErrorCode::Denied,
                "this request holds no token of tokend's, and no other is honoured here; `tokenctl exec` and \
                 `tokenctl get` give one, for a purpose that delivers `proxy`; where they did, look for what \
                 replaced it, such as a ~/.netrc",
            )
        }
    }

    /// A token of ours that no lease of this account is live for.
    pub(super) fn not_live() -> Self {
        Self::new(
            ErrorCode::UnknownLease,
            "the lease of this token has ended, or is another account's; run the command again under \
             `tokenctl exec PURPOSE`, or take a new token with `tokenctl get PURPOSE`",
        )
    }

    pub(super) fn budget_used_up(
        purpose: &Purpose,
        budget: Budget,
        reset_at: Timestamp,
        left: Duration,
    ) -> Self {
        let limit = Some(budget.requests.into());
        Self {
            retry_after: Some(left),
            used_up: Some(UsedUp { limit, reset_at }),
            ..Self::new(
                ErrorCode::RateLimited,
                format!(
                    "API rate limit exceeded: purpose `{purpose}` has a budget of {budget}, and this \
                     account has used it up; come back in {} s",
                    left.as_secs()
                ),
            )
        }
    }

    /// GitHub refused the stored value, now or before.
    pub(super) fn value_refused(secret: &SecretName) -> Self {
        Self::new(
            ErrorCode::UpstreamRefused,
            format!(
                "GitHub refused the stored value of secret `{secret}` (401), so it is not used until a \
                 check finds that GitHub accepts it; an operator sees more in `tokenctl secret show {secret}`"
            ),
        )
    }

    /// What was asked for changes something, and no answer says whether it did. No client is told to ask again.
    pub(super) fn in_doubt(self) -> Self {
        Self {
            why: format!(
                "{}; it may have happened all the same: look before you ask again",
                self.why
            )
            .into(),
            retry_after: None,
            ..self
        }
    }

    /// GitHub refused an installation token, which it may not know everywhere yet, or has ended.
    pub(super) fn token_refused(secret: &SecretName) -> Self {
        let retry_after = Some(Duration::from_secs(1));
        Self {
            retry_after,
            ..Self::new(
                ErrorCode::UpstreamRefused,
                format!(
                    "GitHub refused the installation token of secret `{secret}` (401): it does not know a new \
                     one everywhere at once, or has ended this one, and then the broker mints another; send \
                     the request again"
                ),
            )
        }
    }

    /// The body that a request was to go on with did not come whole. Nothing was sent.
    pub(super) fn body_not_whole(error: &(dyn Error + 'static)) -> Self {
        let mut causes = successors(Some(error), |&error| error.source());
        let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        if causes.any(|error| error.downcast_ref().is_some_and(is_late)) {
            return Self {
                status: 408,
                ..Self::new(
                    ErrorCode::BadRequest,
                    "the body of the request stopped coming",
                )
            };
        }
        GitHubError::CallerBody(BodyFault::Cut).into()
    }

    /// GitHub wants a credential for what would have gone on without one.
    pub(super) fn not_public(beyond: &str) -> Self {
        Self::new(
            ErrorCode::TooWide,
            format!("refused: {beyond}; and GitHub shows it to no one without a credential"),
        )
    }

    pub(super) fn no_tunnel_there(hosts: &[String]) -> Self {
        let hosts = hosts.join(", ");
        Self::unserved(format!(
            "no tunnel leads there; the hosts served are {hosts}"
        ))
    }

    /// For a host that is not served.
    pub(crate) fn unserved(why: String) -> Self {
        Self {
            status: 403,
            ..Self::new(ErrorCode::NotFound, why)
        }
    }

    pub(super) fn not_recorded(fault: &str) -> Self {
        tracing::error!(
            cause = fault,
            "no request is passed on: the audit log cannot be written"
        );
        Self::new(
            ErrorCode::AuditUnavailable,
            "the audit log cannot be written, so the request was not passed on; an operator finds the \
             reason in `tokenctl status`",
        )
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Always(reach::Refusal::Path(_)) => ErrorCode::BadRequest,
            _ => ErrorCode::TooWide,
        };
        Self::new(code, format!("refused: {refused}"))
    }
}

impl From<TunnelError> for Refusal {
    fn from(error: TunnelError) -> Self {
        if let TunnelError::NotLive(_) = error {
            return Self::not_live();
        }
        let code = error.answer().code;
        if code == ErrorCode::Internal {
            tracing::error!(code = code.as_str(), "{}", causes::describe(&error));
        }
        Self::new(code, error.to_string())
    }
}

impl From<UpstreamLimit> for Refusal {
    fn from(limit: UpstreamLimit) -> Self {
        match limit {
            UpstreamLimit::BreakerOpen { retry_after } => {
                GitHubError::NotTried { retry_after }.into()
            }
            UpstreamLimit::Limited(limited) => Self {
                // Octokit waits for the end of a primary limit by these headers alone.
                used_up: (limited.kind == LimitKind::Primary).then_some(UsedUp {
                    limit: None,
                    reset_at: limited.until,
                }),
                ..of_limit(limited.kind, limited.retry_after)
            },
        }
    }
}

/// In the words that clients look for in GitHub's own.
fn of_limit(kind: LimitKind, retry_after: Duration) -> Refusal {
    let words = match kind {
        LimitKind::Primary => "API rate limit exceeded",
        LimitKind::Secondary | LimitKind::LockOut => "You have exceeded a secondary rate limit",
    };
    let (described, seconds) = (limits::describe(kind), retry_after.as_secs());
    Refusal {
        retry_after: Some(retry_after),
        ..Refusal::new(
            ErrorCode::RateLimited,
            format!(
                "{words}: GitHub limits the account behind this token: {described}; it is left alone, come \
                 back in {seconds} s"
            ),
        )
    }
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        if let IssueError::Ended = error {
            return Self::not_live();
        }
        let answer = error.answer();
        // A lock is known, and lasts.
        if answer.code.status() >= 500 && answer.code != ErrorCode::Locked {
            tracing::error!(code = answer.code.as_str(), "{}", causes::describe(&error));
        }
        let why = match error {
            // In words by which clients know that they are to wait.
            IssueError::Flood { .. } | IssueError::LogFlood { .. } => {
                format!("You have exceeded a secondary rate limit: {error}")
            }
            _ => error.to_string(),
        };
        Self {
            retry_after: answer.retry_after,
            ..Self::new(answer.code, why)
        }
    }
}

impl From<GitHubError> for Refusal {
    fn from(error: GitHubError) -> Self {
        if let GitHubError::Limited {
            kind, retry_after, ..
        } = error
        {
            return of_limit(kind, retry_after);
        }
        let answer = error.answer();
        let status = match &error {
            GitHubError::UnsendablePath | GitHubError::CallerBody(BodyFault::Cut) => 400,
            GitHubError::CallerBody(_) => 408,
            _ => 502,
        };
        if status == 502 {
            tracing::warn!(code = answer.code.as_str(), "{}", causes::describe(&error));
        }
        Self {
            status,
            retry_after: answer.retry_after,
            ..Self::new(answer.code, error.to_string())
        }
    }
}
