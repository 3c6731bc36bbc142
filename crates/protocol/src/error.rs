//! The stable words a program may match on, and the shape of every refusal.

use serde::{Deserialize, Serialize};

/// What went wrong, as a word that does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed; the detail names the place.
    BadRequest,
    /// No rule allows this. The same for a purpose that does not exist.
    Denied,
    /// A rule allows the caller less than was asked for.
    TooWide,
    /// No such lease, or not the caller's.
    UnknownLease,
    /// The policies name a secret that has no value.
    SecretMissing,
    /// The secret behind the purpose has expired.
    SecretExpired,
    /// Another change came first, or something exists already.
    Conflict,
    /// No such secret or other thing an operator named.
    NotFound,
    /// Too many of something; the `Retry-After` header says when to come back.
    RateLimited,
    /// The store is locked.
    Locked,
    /// The audit log cannot be written, so nothing is handed out.
    AuditUnavailable,
    /// The source of a secret gives no value.
    SourceUnavailable,
    /// GitHub refused.
    UpstreamRefused,
    /// GitHub does not answer; the `Retry-After` header says when to come back.
    UpstreamUnavailable,
    /// A bug in the broker; its trace has the cause.
    Internal,
}

impl ErrorCode {
    /// The HTTP status that carries this code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Denied | Self::TooWide => 403,
            Self::UnknownLease | Self::NotFound => 404,
            Self::SecretMissing | Self::SecretExpired | Self::Conflict => 409,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::SourceUnavailable | Self::UpstreamRefused => 502,
            Self::Locked | Self::AuditUnavailable | Self::UpstreamUnavailable => 503,
        }
    }

    /// The exit code with which `tokenctl` reports it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::UnknownLease
            | Self::NotFound
            | Self::SecretMissing
            | Self::SecretExpired
            | Self::Conflict
            | Self::Internal => 1,
            Self::BadRequest => 2,
            Self::Denied | Self::TooWide => 3,
            Self::Locked => 5,
            Self::AuditUnavailable => 6,
            Self::SourceUnavailable | Self::UpstreamRefused | Self::UpstreamUnavailable => 7,
            Self::RateLimited => 75,
        }
    }

    /// A short summary that is the same for every occurrence (RFC 9457 `title`).
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "the request is malformed",
            Self::Denied => "not allowed",
            Self::TooWide => "more than the rule allows",
            Self::UnknownLease => "no such lease",
            Self::SecretMissing => "the secret has no value",
            Self::SecretExpired => "the secret has expired",
            Self::Conflict => "in conflict with the current state",
            Self::NotFound => "not found",
            Self::RateLimited => "too many",
            Self::Locked => "the store is locked",
            Self::AuditUnavailable => "the audit log cannot be written",
            Self::SourceUnavailable => "the secret's source gives no value",
            Self::UpstreamRefused => "GitHub refused",
            Self::UpstreamUnavailable => "GitHub does not answer",
            Self::Internal => "an internal error",
        }
    }

    /// The word itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Denied => "denied",
            Self::TooWide => "too_wide",
            Self::UnknownLease => "unknown_lease",
            Self::SecretMissing => "secret_missing",
            Self::SecretExpired => "secret_expired",
            Self::Conflict => "conflict",
            Self::NotFound => "not_found",
            Self::RateLimited => "rate_limited",
            Self::Locked => "locked",
            Self::AuditUnavailable => "audit_unavailable",
            Self::SourceUnavailable => "source_unavailable",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A refusal, after RFC 9457. Programs match on `code`; people read `detail` and `hint`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:tokend:error:` and the code. It need not resolve.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status of this answer.
    pub status: u16,
    /// A word that does not change.
    pub code: ErrorCode,
    /// What happened.
    pub detail: String,
    /// What to do about it, if one thing helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of this kind with this detail and no hint.
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:tokend:error:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            code,
            detail: detail.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_on_the_wire_is_the_word_in_the_code() {
        for code in [
            ErrorCode::Denied,
            ErrorCode::AuditUnavailable,
            ErrorCode::BadRequest,
        ] {
            let wire = serde_json::to_string(&code).unwrap();
            assert_eq!(wire, format!("\"{}\"", code.as_str()));
        }
    }
}
