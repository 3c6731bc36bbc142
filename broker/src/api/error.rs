//! From errors to `application/problem+json`: one `match` per enum, none with `_`.
#![warn(clippy::wildcard_enum_match_arm)]

use std::error::Error;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use broker_github::GitHubError;
use broker_protocol::causes;
use broker_protocol::error::{ErrorCode, Problem};
use broker_secret_memory::redact;
use broker_vault::RekeyError;
use broker_vault::root_key::RootKeyError;
use zeroize::Zeroizing;

use crate::checks::CheckError;
use crate::leases::issue::IssueError;
use crate::moves::MoveError;
use crate::rotations::RotationError;
use crate::secrets::UpkeepError;

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Refusal {
    problem: Box<Problem>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            problem: Box::new(problem),
            status: None,
            retry_after: None,
        }
    }
}

impl Refusal {
    /// The same with another HTTP status than the code's own.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status.unwrap_or_else(|| {
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        });
        let mut response = respond(status, *self.problem);
        if let Some(after) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs()));
        }
        response
    }
}

/// A problem as a response with this status.
pub(super) fn respond(status: StatusCode, mut problem: Problem) -> Response {
    problem.status = status.as_u16();
    // A detail may name what the caller sent, and callers put tokens where names belong.
    let detail = Zeroizing::new(std::mem::take(&mut problem.detail));
    problem.detail = masked(&detail);
    let mut response = (status, Json(problem)).into_response();
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn masked(text: &str) -> String {
    String::from_utf8(redact::mask(text.as_bytes()).into_owned()).unwrap_or_default()
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        let code = error.code();
        let mut problem = Problem::new(code, error.to_string());
        problem.hint = hint(&error).map(str::to_owned);
        let retry_after = match &error {
            IssueError::Flood { retry_after }
            | IssueError::TooManyLeases { retry_after, .. }
            | IssueError::LeasesTooLong { retry_after, .. }
            | IssueError::LogFlood { retry_after, .. }
            | IssueError::Limited { retry_after, .. } => Some(*retry_after),
            IssueError::Stopping => Some(Duration::from_secs(1)),
            IssueError::Mint { source, .. } => source.retry_after(),
            IssueError::Source { source, .. } => source.retry_after(),
            IssueError::Denied { .. }
            | IssueError::TooWide { .. }
            | IssueError::Locked
            | IssueError::NotRecorded(_)
            | IssueError::SecretMissing(_)
            | IssueError::SecretExpired(_)
            | IssueError::Undeliverable(_)
            | IssueError::Vault { .. }
            | IssueError::NoRandom(_)
            | IssueError::Overtaken
            | IssueError::CannotWatch(_)
            | IssueError::Record(_) => None,
        };
        trace(code, &error);
        Self {
            problem: Box::new(problem),
            status: None,
            retry_after,
        }
    }
}

fn hint(error: &IssueError) -> Option<&'static str> {
    match error {
        IssueError::Denied { .. } => Some(
            "`tokenctl purpose list` shows what you may have; an operator's `tokenctl policy \
             explain` says why not",
        ),
        IssueError::TooWide { .. } => {
            Some("ask for less, or for nothing in particular to get exactly what the rule gives")
        }
        IssueError::NotRecorded(_) => {
            Some("an operator finds the reason in `tokenctl status` and `tokenctl doctor`")
        }
        IssueError::Flood { .. }
        | IssueError::TooManyLeases { .. }
        | IssueError::LeasesTooLong { .. }
        | IssueError::LogFlood { .. }
        | IssueError::Limited { .. }
        | IssueError::Locked
        | IssueError::SecretMissing(_)
        | IssueError::SecretExpired(_)
        | IssueError::Source { .. }
        | IssueError::Undeliverable(_)
        | IssueError::Vault { .. }
        | IssueError::NoRandom(_)
        | IssueError::Overtaken
        | IssueError::CannotWatch(_)
        | IssueError::Stopping
        | IssueError::Record(_) => None,
        IssueError::Mint { source, .. } => source.hint(),
    }
}

impl From<CheckError> for Refusal {
    fn from(error: CheckError) -> Self {
        let (code, retry_after) = match error {
            CheckError::Upkeep(error) => return error.into(),
            CheckError::NotDeclared(_) => (ErrorCode::NotFound, None),
            CheckError::Missing(_) => (ErrorCode::SecretMissing, None),
            CheckError::GitHub { ref cause, .. } => (upstream(cause), cause.retry_after()),
            CheckError::Unwritable(_) | CheckError::Broken(_) => (ErrorCode::Internal, None),
        };
        trace(code, &error);
        Self {
            problem: Box::new(Problem::new(code, error.to_string())),
            status: None,
            retry_after,
        }
    }
}

impl From<RotationError> for Refusal {
    fn from(error: RotationError) -> Self {
        let (code, retry_after) = match error {
            RotationError::Upkeep(error) => return error.into(),
            RotationError::Undeclared(_) | RotationError::NotThere(_) => {
                (ErrorCode::NotFound, None)
            }
            RotationError::Elsewhere { .. }
            | RotationError::UnderWay(_)
            | RotationError::Unfit { .. }
            | RotationError::NotNow { .. }
            | RotationError::Key { .. } => (ErrorCode::Conflict, None),
            RotationError::GitHub { ref source, .. } => (upstream(source), source.retry_after()),
        };
        trace(code, &error);
        Self {
            problem: Box::new(Problem::new(code, error.to_string())),
            status: None,
            retry_after,
        }
    }
}

impl From<MoveError> for Refusal {
    fn from(error: MoveError) -> Self {
        let code = match error {
            MoveError::Upkeep(error) => return error.into(),
            MoveError::Undeclared(_) | MoveError::NotThere(_) => ErrorCode::NotFound,
            MoveError::AlreadyThere { .. }
            | MoveError::Overtaken(_)
            | MoveError::UnderWay { .. }
            | MoveError::Different { .. }
            | MoveError::InUse { .. }
            | MoveError::Changed { .. }
            | MoveError::NotSwitched { .. }
            | MoveError::Astray { .. }
            | MoveError::OldDiffers { .. }
            | MoveError::NoWayBack { .. }
            | MoveError::NotInForce(_)
            | MoveError::Files(_) => ErrorCode::Conflict,
            MoveError::Nothing { .. } => ErrorCode::SecretMissing,
            MoveError::NotKept { .. } => ErrorCode::SourceUnavailable,
            MoveError::Unreadable(_) => ErrorCode::Internal,
        };
        trace(code, &error);
        Problem::new(code, error.to_string()).into()
    }
}

/// GitHub failed: by a limit, by being away, or by refusing what was asked.
const fn upstream(error: &GitHubError) -> ErrorCode {
    match error {
        GitHubError::Limited { .. } => ErrorCode::RateLimited,
        GitHubError::Fault { .. }
        | GitHubError::Unreachable { .. }
        | GitHubError::NotTried { .. }
        | GitHubError::BadAnswer { .. }
        | GitHubError::CannotAsk(_) => ErrorCode::UpstreamUnavailable,
        GitHubError::Unauthorized { .. }
        | GitHubError::Forbidden { .. }
        | GitHubError::SingleSignOn { .. }
        | GitHubError::NotFound { .. }
        | GitHubError::Unprocessable { .. }
        | GitHubError::ApiVersion { .. }
        | GitHubError::Refused { .. }
        | GitHubError::Moved { .. }
        | GitHubError::Unsendable => ErrorCode::UpstreamRefused,
    }
}

impl From<UpkeepError> for Refusal {
    fn from(error: UpkeepError) -> Self {
        let (code, hint) = match &error {
            UpkeepError::Locked => (ErrorCode::Locked, None),
            UpkeepError::NotRecorded(cause) => {
                (ErrorCode::AuditUnavailable, Some(cause.to_string()))
            }
            UpkeepError::NotFound(_) => (ErrorCode::NotFound, None),
            UpkeepError::NotPinned(_) => (
                ErrorCode::NotFound,
                Some("`tokenctl repository list` shows those that are kept".to_owned()),
            ),
            UpkeepError::AnotherKind { .. } => (ErrorCode::BadRequest, None),
            UpkeepError::Rotating(_)
            | UpkeepError::Moving(_)
            | UpkeepError::Malformed { .. }
            | UpkeepError::NothingBefore(_) => (ErrorCode::Conflict, None),
            UpkeepError::Unlock(RootKeyError::WrongPassphrase | RootKeyError::NoPassphrase(_)) => {
                (ErrorCode::Locked, None)
            }
            UpkeepError::Unlock(_) | UpkeepError::Source(_) => (ErrorCode::SourceUnavailable, None),
            UpkeepError::WrongKey(_) => (ErrorCode::Locked, None),
            UpkeepError::Rekey(error) => (rekey(error), None),
            UpkeepError::Policies(_) | UpkeepError::Passphrase(_) => (ErrorCode::BadRequest, None),
            UpkeepError::NotInForce => (ErrorCode::Conflict, None),
            UpkeepError::Backup(_) | UpkeepError::Configuration(_) => (ErrorCode::Internal, None),
            UpkeepError::Vault(_) | UpkeepError::Broken(..) => (ErrorCode::Internal, None),
        };
        trace(code, &error);
        let mut problem = Problem::new(code, error.to_string());
        problem.hint = hint;
        let retry_after = if let UpkeepError::Source(source) = &error {
            source.retry_after()
        } else {
            None
        };
        Self {
            retry_after,
            ..problem.into()
        }
    }
}

/// Why there was no re-key: what was asked, what is in its way, the key's keeper, or the vault.
const fn rekey(error: &RekeyError) -> ErrorCode {
    match error {
        RekeyError::UnderWay | RekeyError::SameKey(_) | RekeyError::FileThere(_) => {
            ErrorCode::Conflict
        }
        RekeyError::NeedsPassphrase
        | RekeyError::NeedsNewPassphrase
        | RekeyError::NeedsRecovery
        | RekeyError::NoUseForPassphrase
        | RekeyError::RootKey(
            RootKeyError::WrongPassphrase
            | RootKeyError::ShortPassphrase
            | RootKeyError::ControlCharacter(_),
        ) => ErrorCode::BadRequest,
        RekeyError::RootKey(_) => ErrorCode::SourceUnavailable,
        RekeyError::Vault(_) => ErrorCode::Internal,
    }
}

/// The causes are for the operator, and only faults are worth a line: refusals are in the audit log.
fn trace(code: ErrorCode, error: &dyn Error) {
    if code.status() >= 500 {
        tracing::error!(code = code.as_str(), "{}", causes::in_words(error));
    }
}
