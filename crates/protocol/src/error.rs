//! The stable words a program may match on, and the shape of every refusal.

use serde::{Deserialize, Serialize};

/// What went wrong, in a word that will not change. Serialises as that word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed; the detail names the place.
    BadRequest,
    /// No rule allows this. The same for a purpose that does not exist.
    Denied,
    /// A rule speaks for the caller but allows less than was asked.
    TooWide,
    /// No such lease, or not the caller's.
    UnknownLease,
    /// The policies name a secret whose value is not there.
    SecretMissing,
    /// The secret behind the purpose has ended.
    SecretExpired,
    /// Another change came first, or what was to be made exists.
    Conflict,
    /// No such secret or other thing an operator named.
    NotFound,
    /// Too many of something; the `Retry-After` header says when to come back.
    RateLimited,
    /// The store is locked.
    Locked,
    /// The audit log cannot be written, so nothing is handed out.
    AuditUnavailable,
    /// The place a secret comes from does not answer.
    SourceUnavailable,
    /// GitHub refused.
    UpstreamRefused,
    /// GitHub does not answer; the `Retry-After` header says when to come back.
    UpstreamUnavailable,
    /// A fault of the broker's own; the trace has the cause.
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
            Self::Conflict => "in conflict with what is there",
            Self::NotFound => "not found",
            Self::RateLimited => "too many",
            Self::Locked => "the store is locked",
            Self::AuditUnavailable => "the audit log cannot be written",
            Self::SourceUnavailable => "the secret's source does not answer",
            Self::UpstreamRefused => "GitHub refused",
            Self::UpstreamUnavailable => "GitHub does not answer",
            Self::Internal => "a fault in the broker",
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
    /// `urn:tokend:error:` and the code. Nothing need be fetched.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status of this answer.
    pub status: u16,
    /// The stable word.
    pub code: ErrorCode,
    /// What happened this time.
    pub detail: String,
    /// What to do about it, where one thing helps.
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
