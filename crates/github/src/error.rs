//! Why a call to GitHub gave no answer, or a refusal: one error for all of them.
//!
//! Three readers: the caller's answer (`Display`), the operator's trace, and the composition, which
//! must know whether a thing may have been done although it failed ([`GitHubError::outcome`]) and
//! when to come back ([`GitHubError::retry_after`]).
//!
//! No variant holds a token, a query or a body. What GitHub says in words is masked and cut before it
//! gets here.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::principal::Principal;
use broker_https::{BodyError, NotReached};

/// Why a call to GitHub did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GitHubError {
    /// 401: the credential is wrong, ended or revoked. Never tried again: several of these lock the
    /// account out.
    #[error("GitHub does not accept the credential (401{message})")]
    Unauthorized {
        /// What GitHub says.
        message: Said,
        /// GitHub's clock, for an App JWT that was refused because ours differs.
        date: Option<Timestamp>,
    },
    /// 403 or 429: the principal has used up what it may, asked too fast, or is locked out.
    #[error("{} is limited by GitHub ({kind}); come back in {} s", whose(principal.as_ref()), .retry_after.as_secs())]
    Limited {
        /// Which limit.
        kind: LimitKind,
        /// Whose, if known.
        principal: Option<Principal>,
        /// How long to wait, in whole seconds rounded up.
        retry_after: Duration,
    },
    /// 403 in GitHub's own words: the credential lacks a permission, or an organisation keeps it out.
    #[error("GitHub refuses (403{message}){}", needs(accepted.as_deref()))]
    Forbidden {
        /// What GitHub says.
        message: Said,
        /// `X-Accepted-GitHub-Permissions`, where it is a permission that lacks: sets separated by `;`, any one
        /// suffices.
        accepted: Option<Box<str>>,
    },
    /// 403: the organisation wants the token authorised for single sign-on first.
    #[error("the organization wants this token authorized for SAML single sign-on{sso}")]
    SingleSignOn {
        /// Where to do that.
        sso: Sso,
    },
    /// 404: not there, or not to be seen with this credential.
    #[error("GitHub knows nothing there, or shows it not to this credential (404{message})")]
    NotFound {
        /// What GitHub says.
        message: Said,
    },
    /// 422: understood, and refused.
    #[error("GitHub refuses the request as it stands (422{message})")]
    Unprocessable {
        /// What GitHub says.
        message: Said,
    },
    /// 410, or 400 naming the API version: this program is too old or too new for the server.
    #[error("GitHub does not serve the API version this program speaks ({status}{message})")]
    ApiVersion {
        /// The HTTP status.
        status: u16,
        /// What GitHub says.
        message: Said,
    },
    /// Another refusal, 4xx; also a 403 without GitHub's own words, which a proxy may have written.
    #[error("GitHub refuses ({status}{message})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What GitHub says.
        message: Said,
    },
    /// A fault at GitHub, 5xx.
    #[error("GitHub has a fault of its own ({status})")]
    Fault {
        /// The HTTP status.
        status: u16,
        /// How long GitHub says to wait.
        retry_after: Option<Duration>,
    },
    /// GitHub could not be reached, or the connection ended before its answer.
    #[error("GitHub cannot be reached: {}", .0.why)]
    Unreachable(NotReached),
    /// GitHub could not be reached several times in a row; it is not tried until a moment from now.
    #[error("GitHub could not be reached several times; it is tried again in {} s", .retry_after.as_secs())]
    NotTried {
        /// Until it is tried again, in whole seconds rounded up.
        retry_after: Duration,
    },
    /// The answer cannot be used. What was asked was done all the same if the status says so.
    #[error("GitHub's answer cannot be used ({status}): {what}")]
    BadAnswer {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        what: BadAnswer,
    },
    /// Nothing was asked: the path or the query of a caller would not go out as it came.
    #[error(
        "the path or query would not reach GitHub as it stands; percent-encode what a URL does not hold, and leave out `.` and `..`"
    )]
    UnsendablePath,
    /// The body that a caller sends did not arrive whole. GitHub was sent what there was of it.
    #[error("the body of the request {0}")]
    CallerBody(BodyFault),
    /// 3xx. Nothing follows it: a credential goes nowhere but to the configured host.
    #[error("GitHub says that this has moved ({status}); was it renamed or transferred?")]
    Moved {
        /// The HTTP status.
        status: u16,
        /// Where to, as a path for a further call: only below the base URL, without a query.
        to: Option<Box<str>>,
    },
    /// A redirect to another server, or 511: something on the way to GitHub answered in its place.
    #[error(
        "not GitHub, but something on the way to it answered ({status}{}): a captive portal, or a proxy that wants \
         a sign-in; sign in there with a browser on this machine, and check `[github] api`",
        redirected(host.as_deref())
    )]
    Intercepted {
        /// The HTTP status.
        status: u16,
        /// Whom the redirect names.
        host: Option<Box<str>>,
    },
    /// Nothing was asked: the value is no credential that a request can carry.
    #[error("it holds a line break or another character that no token has")]
    Unsendable,
    /// The broker could not ask: the CA file, the TLS library or the request is at fault.
    #[error("{0}")]
    CannotAsk(Box<str>),
}

/// Whether what a failed call asked for has been done at GitHub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Surely not.
    NotDone,
    /// It may have been, or not: no answer came, or none that tells.
    Unknown,
    /// GitHub said so; only the rest of its answer is of no use.
    Done,
}

/// Which limit was run into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// The requests of this window are used up.
    Primary,
    /// Too many, too fast.
    Secondary,
    /// After several wrong credentials every attempt for this user is refused for a while, valid
    /// tokens included.
    LockOut,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// Its body did not arrive.
    #[error(transparent)]
    BodyError(#[from] BodyError),
    /// Compressed, or a part of the whole, where a secret in it must not be passed on.
    #[error("it is compressed or a part, and was asked for plain and whole")]
    Unreadable,
    /// A web page.
    #[error(
        "it is a web page and no JSON, so it may be a captive portal's or a proxy's; open a page with a browser on \
         this machine, and check `[github] api`"
    )]
    WebPage,
    /// It is no JSON, or not the JSON that GitHub describes.
    #[error("not the JSON that GitHub describes (line {line}, column {column})")]
    NotAsDescribed {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
}

/// What is wrong with the body that a caller sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// It ended before its end, or is no body.
    #[error("ended too early, or is longer than its `Content-Length`")]
    Cut,
    /// It stopped coming.
    #[error("stopped coming: not a byte of it came for {} s", .0.as_secs())]
    Stalled(Duration),
    /// GitHub did not wait for it as long as the broker does.
    #[error("came too slowly: GitHub ended the connection while more of it was waited for")]
    Late,
}

/// What `X-GitHub-SSO` says on a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sso {
    /// Where the operator authorises the token; good for an hour.
    Url(Box<str>),
    /// The organisations, by id.
    Organizations(Vec<u64>),
    /// Neither could be read.
    Unknown,
}

/// GitHub's own words: masked, without control characters, cut to 300 characters; may be none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(pub(super) Option<Box<str>>);

impl Said {
    /// The words, if there are any.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl GitHubError {
    /// Whether what was asked for has been done at GitHub although the call failed.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.consequences().0
    }

    /// How long to wait before asking again; `None` where waiting alone fixes nothing.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.consequences().1
    }

    fn consequences(&self) -> (Outcome, Option<Duration>) {
        match self {
            Self::Limited { retry_after, .. } | Self::NotTried { retry_after } => {
                (Outcome::NotDone, Some(*retry_after))
            }
            // A gateway's 502 says nothing of what stands behind it.
            Self::Fault { retry_after, .. } => {
                (Outcome::Unknown, Some(retry_after.unwrap_or(A_MOMENT)))
            }
            Self::Unreachable(cause) if cause.may_have_happened => {
                (Outcome::Unknown, Some(A_MOMENT))
            }
            Self::Unreachable(_) | Self::Intercepted { .. } => (Outcome::NotDone, Some(A_MOMENT)),
            Self::CallerBody(_) => (Outcome::Unknown, None),
            Self::BadAnswer { .. } => (Outcome::Done, Some(A_MOMENT)),
            Self::Unauthorized { .. }
            | Self::Forbidden { .. }
            | Self::SingleSignOn { .. }
            | Self::NotFound { .. }
            | Self::Unprocessable { .. }
            | Self::ApiVersion { .. }
            | Self::Refused { .. }
            | Self::Moved { .. }
            | Self::Unsendable
            | Self::UnsendablePath
            | Self::CannotAsk(_) => (Outcome::NotDone, None),
        }
    }

    /// The status and GitHub's own words, where it knows the credential and keeps it out, by 403 or 451: an
    /// organisation's rules, a block, or a permission that lacks.
    #[must_use]
    pub fn kept_out(&self) -> Option<(u16, &Said)> {
        match self {
            Self::Forbidden { message, .. } => Some((403, message)),
            // 403 without words is a proxy's.
            Self::Refused {
                status: 451,
                message,
            } if message.0.is_some() => Some((451, message)),
            _ => None,
        }
    }

    /// The error with what the libraries say of its cause: for the trace, not for callers.
    #[must_use]
    pub fn for_operators(&self) -> String {
        match self {
            Self::Unreachable(NotReached { cause, .. }) => format!("{self} ({cause})"),
            _ => self.to_string(),
        }
    }

    /// Whether the host, not the request, is at fault: what the circuit breaker counts.
    #[must_use]
    pub const fn is_hosts_fault(&self) -> bool {
        matches!(self, Self::Fault { .. } | Self::Unreachable(_))
    }

    /// Whether GitHub never looked at what was asked for: it is not done, and may be asked for again.
    #[must_use]
    pub(super) fn never_got_through(&self) -> bool {
        matches!(self.consequences(), (Outcome::NotDone, Some(_)))
    }

    /// Whether GitHub is out of reach or faulty rather than saying no: `upstream_unavailable`.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Fault { .. }
                | Self::Unreachable(_)
                | Self::NotTried { .. }
                | Self::BadAnswer { .. }
                | Self::Intercepted { .. }
                | Self::CannotAsk(_)
        )
    }
}

/// What to wait where GitHub says nothing of it: long enough for a restart of whatever failed.
const A_MOMENT: Duration = Duration::from_secs(5);

fn whose(principal: Option<&Principal>) -> String {
    principal.map_or_else(|| "this credential".to_owned(), ToString::to_string)
}

fn redirected(host: Option<&str>) -> String {
    host.map_or_else(String::new, |host| format!(", a redirect to `{host}`"))
}

fn needs(accepted: Option<&str>) -> String {
    accepted.map_or_else(String::new, |sets| format!("; it needs {sets}"))
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(words) => write!(f, ", “{words}”"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl LimitKind {
    /// `primary`, `secondary` or `lock_out`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Secondary => "secondary",
            Self::LockOut => "lock_out",
        }
    }
}

impl fmt::Display for Sso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, ": {url}"),
            Self::Organizations(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(f, " (organization {})", ids.join(", "))
            }
            Self::Unknown => Ok(()),
        }
    }
}
