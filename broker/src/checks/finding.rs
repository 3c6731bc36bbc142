//! One thing that a check found: a stable word, plain words, and what to do about it.

use std::borrow::Cow;

use broker_protocol::check::{Finding, Verdict};

/// What a finding is about. The words are part of the API and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Whose credential it is.
    Owner,
    /// Another account's than declared.
    WrongOwner,
    /// Which kind of token it is.
    Kind,
    /// Another kind than declared.
    WrongKind,
    /// The scopes of a classic token.
    Scopes,
    /// A declared scope that it does not carry.
    MissingScope,
    /// A scope that it carries and that is not declared.
    ExcessScope,
    /// Access to webhooks through another scope than the declared one.
    HookAccess,
    /// When it ends.
    Expiry,
    /// GitHub says another day than was entered.
    ExpiryDiffers,
    /// What GitHub says of its end cannot be believed or read.
    ExpiryUnreliable,
    /// Refused, after its known end.
    Expired,
    /// Refused, although its end is not reached.
    Revoked,
    /// Not of the form that values have.
    Malformed,
    /// Nothing that could be sent.
    NotAToken,
    /// Refused, and nothing is known that would say why.
    NotAccepted,
    /// Refused for another reason than the credential itself.
    Refused,
    /// An organisation wants it authorised for single sign-on first.
    SingleSignOn,
    /// A declared repository.
    Repository,
    /// A declared repository that it does not reach.
    UnreachableRepository,
    /// A declared repository that has another name now.
    RepositoryMoved,
    /// None of the declared repositories is reached: it may be waiting for approval.
    PendingApproval,
    /// A repository that is not declared.
    Outside,
    /// A private repository that is not declared and that it reaches all the same.
    ReachesOutside,
    /// A declared permission.
    Permission,
    /// A declared permission that it does not have.
    MissingPermission,
    /// A permission that an App has and that nobody needs.
    ExcessPermission,
    /// How many requests are left.
    RateLimit,
    /// Fewer than the declared floor are left.
    BelowRateFloor,
    /// Which App it is.
    App,
    /// Another App than declared.
    WrongApp,
    /// Where an App is installed.
    Installation,
    /// Not installed where a purpose needs it.
    NotInstalled,
    /// Suspended where it is installed.
    Suspended,
}

impl Word {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::WrongOwner => "wrong_owner",
            Self::Kind => "kind",
            Self::WrongKind => "wrong_kind",
            Self::Scopes => "scopes",
            Self::MissingScope => "missing_scope",
            Self::ExcessScope => "excess_scope",
            Self::HookAccess => "hook_access",
            Self::Expiry => "expiry",
            Self::ExpiryDiffers => "expiry_differs",
            Self::ExpiryUnreliable => "expiry_unreliable",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Malformed => "malformed",
            Self::NotAToken => "not_a_token",
            Self::NotAccepted => "not_accepted",
            Self::Refused => "refused",
            Self::SingleSignOn => "single_sign_on",
            Self::Repository => "repository",
            Self::UnreachableRepository => "unreachable_repository",
            Self::RepositoryMoved => "repository_moved",
            Self::PendingApproval => "pending_approval",
            Self::Outside => "outside",
            Self::ReachesOutside => "reaches_outside",
            Self::Permission => "permission",
            Self::MissingPermission => "missing_permission",
            Self::ExcessPermission => "excess_permission",
            Self::RateLimit => "rate_limit",
            Self::BelowRateFloor => "below_rate_floor",
            Self::App => "app",
            Self::WrongApp => "wrong_app",
            Self::Installation => "installation",
            Self::NotInstalled => "not_installed",
            Self::Suspended => "suspended",
        }
    }

    /// As declared.
    pub(super) fn ok(self, text: impl Into<String>) -> Finding {
        self.finding(Verdict::Ok, text, None)
    }

    /// Declared, and nothing that was asked proves it.
    pub(super) fn not_proven(self, text: impl Into<String>) -> Finding {
        self.finding(Verdict::NotProven, text, None)
    }

    /// Works, and should be looked at.
    pub(super) fn warning(self, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        self.finding(Verdict::Warning, text, Some(hint.into()))
    }

    /// Not what was declared, or of no use.
    pub(super) fn error(self, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        self.finding(Verdict::Error, text, Some(hint.into()))
    }

    fn finding(self, verdict: Verdict, text: impl Into<String>, hint: Option<String>) -> Finding {
        Finding {
            verdict,
            word: Cow::Borrowed(self.as_str()),
            text: text.into(),
            hint,
        }
    }
}

/// The verdict of a whole check: its worst finding. What is not proven is no fault.
pub(super) fn overall(findings: &[Finding]) -> Verdict {
    let worst = findings.iter().map(|finding| finding.verdict).max();
    worst
        .filter(|worst| *worst > Verdict::NotProven)
        .unwrap_or(Verdict::Ok)
}

/// The worst first, otherwise as found.
pub(super) fn worst_first(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_proven_is_no_fault_and_the_worst_finding_decides() {
        let ok = Word::Owner.ok("it is");
        let open = Word::Permission.not_proven("declared, not proven");
        let warning = Word::ExcessScope.warning("too much", "untick it");
        let error = Word::MissingScope.error("too little", "tick it");
        assert_eq!(overall(&[]), Verdict::Ok);
        assert_eq!(overall(&[ok.clone(), open.clone()]), Verdict::Ok);
        assert_eq!(
            overall(&[open.clone(), warning.clone(), ok.clone()]),
            Verdict::Warning
        );
        let mut all = [ok, open, warning, error];
        assert_eq!(overall(&all), Verdict::Error);
        worst_first(&mut all);
        let words: Vec<_> = all.iter().map(|finding| finding.word.as_ref()).collect();
        assert_eq!(
            words,
            ["missing_scope", "excess_scope", "permission", "owner"]
        );
    }
}
