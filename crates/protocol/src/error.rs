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
        self.meaning().0
    }

    /// The exit code with which `tokenctl` reports it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        self.meaning().1
    }

    /// A short summary that is the same for every occurrence (RFC 9457 `title`).
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.meaning().2
    }

    /// The word itself.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.meaning().3
    }

    /// Status, exit code, title and word.
    const fn meaning(self) -> (u16, u8, &'static str, &'static str) {
        match self {
            Self::BadRequest => (400, 2, "the request is malformed", "bad_request"),
            Self::Denied => (403, 3, "not allowed", "denied"),
            Self::TooWide => (403, 3, "more than the rule allows", "too_wide"),
            Self::UnknownLease => (404, 1, "no such lease", "unknown_lease"),
            Self::SecretMissing => (409, 1, "the secret has no value", "secret_missing"),
            Self::SecretExpired => (409, 1, "the secret has expired", "secret_expired"),
            Self::Conflict => (409, 1, "in conflict with the current state", "conflict"),
            Self::NotFound => (404, 1, "not found", "not_found"),
            Self::RateLimited => (429, 75, "too many", "rate_limited"),
            Self::Locked => (503, 5, "the store is locked", "locked"),
            Self::AuditUnavailable => {
                let title = "the audit log cannot be written";
                (503, 6, title, "audit_unavailable")
            }
            Self::SourceUnavailable => {
                let title = "the secret's source gives no value";
                (502, 7, title, "source_unavailable")
            }
            Self::UpstreamRefused => (502, 7, "GitHub refused", "upstream_refused"),
            Self::UpstreamUnavailable => (503, 7, "GitHub does not answer", "upstream_unavailable"),
            Self::Internal => (500, 1, "an internal error", "internal"),
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
