//! One thing that a check found: a stable word, plain words, and what to do about it.

use std::borrow::Cow;
use std::fmt::Display;

use broker_github::Said;
use broker_policy::SecretDeclaration;
use broker_protocol::check::{Finding, Verdict};

/// What a finding is about. The words are part of the API and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FindingKind(&'static str);

impl FindingKind {
    pub(super) const OWNER: Self = Self("owner");
    /// Another account's than declared.
    pub(super) const WRONG_OWNER: Self = Self("wrong_owner");
    pub(super) const KIND: Self = Self("kind");
    pub(super) const WRONG_KIND: Self = Self("wrong_kind");
    /// The scopes of a classic token.
    pub(super) const SCOPES: Self = Self("scopes");
    /// A declared scope that it does not carry.
    pub(super) const MISSING_SCOPE: Self = Self("missing_scope");
    /// A scope that it carries and that is not declared.
    pub(super) const EXCESS_SCOPE: Self = Self("excess_scope");
    /// Access to webhooks through another scope than the declared one.
    pub(super) const HOOK_ACCESS: Self = Self("hook_access");
    pub(super) const EXPIRY: Self = Self("expiry");
    /// GitHub says another day than was entered.
    pub(super) const EXPIRY_DIFFERS: Self = Self("expiry_differs");
    /// What GitHub says of its end cannot be believed or read.
    pub(super) const EXPIRY_UNRELIABLE: Self = Self("expiry_unreliable");
    /// Refused, after its known end.
    pub(super) const EXPIRED: Self = Self("expired");
    /// Refused, although its end is not reached.
    pub(super) const REVOKED: Self = Self("revoked");
    /// Not of the form that values have.
    pub(super) const MALFORMED: Self = Self("malformed");
    /// Nothing that could be sent.
    pub(super) const NOT_A_TOKEN: Self = Self("not_a_token");
    /// Refused, and nothing is known that would say why.
    pub(super) const NOT_ACCEPTED: Self = Self("not_accepted");
    /// Refused for another reason than the credential itself.
    pub(super) const REFUSED: Self = Self("refused");
    /// An organisation wants it authorised for single sign-on first.
    pub(super) const SINGLE_SIGN_ON: Self = Self("single_sign_on");
    pub(super) const REPOSITORY: Self = Self("repository");
    /// A declared repository that it does not reach.
    pub(super) const UNREACHABLE_REPOSITORY: Self = Self("unreachable_repository");
    /// A declared repository that has another name now.
    pub(super) const REPOSITORY_MOVED: Self = Self("repository_moved");
    /// None of the declared repositories is reached: it may be waiting for approval.
    pub(super) const PENDING_APPROVAL: Self = Self("pending_approval");
    /// A repository that is not declared.
    pub(super) const OUTSIDE: Self = Self("outside");
    /// A private repository that is not declared and that it reaches all the same.
    pub(super) const REACHES_OUTSIDE: Self = Self("reaches_outside");
    pub(super) const PERMISSION: Self = Self("permission");
    /// A declared permission that it does not have.
    pub(super) const MISSING_PERMISSION: Self = Self("missing_permission");
    /// A permission that an App has and that no one needs.
    pub(super) const EXCESS_PERMISSION: Self = Self("excess_permission");
    pub(super) const RATE_LIMIT: Self = Self("rate_limit");
    /// Fewer than the declared floor are left.
    pub(super) const BELOW_RATE_FLOOR: Self = Self("below_rate_floor");
    pub(super) const APP: Self = Self("app");
    pub(super) const WRONG_APP: Self = Self("wrong_app");
    pub(super) const INSTALLATION: Self = Self("installation");
    /// Not installed where a purpose needs it.
    pub(super) const NOT_INSTALLED: Self = Self("not_installed");
    /// Suspended where it is installed.
    pub(super) const SUSPENDED: Self = Self("suspended");

    pub(super) const fn as_str(self) -> &'static str {
        self.0
    }

    pub(super) fn ok(self, text: impl Into<String>) -> Finding {
        self.finding(Verdict::Ok, text, None)
    }

    /// Declared, and nothing that was asked proves it.
    pub(super) fn not_proven(self, text: impl Into<String>) -> Finding {
        self.finding(Verdict::NotProven, text, None)
    }

    /// Nothing is declared to compare with; `hint` says what to write where.
    pub(super) fn undeclared(self, text: impl Into<String>, hint: impl Into<String>) -> Finding {
        self.finding(Verdict::NotProven, text, Some(hint.into()))
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

/// GitHub's own words, as a hint. A refusal without words is none of GitHub's.
pub(super) fn github_says(said: &Said) -> String {
    format!("GitHub says: “{}”", said.as_str())
}

/// The line of a policy that declares this, and where it goes.
pub(super) fn write_line(line: &str, declared: &SecretDeclaration) -> String {
    let SecretDeclaration { name, place, .. } = declared;
    format!("write `{line}` under `[secret.{name}]` ({place})")
}

/// Names in a line of a policy: `["a", "b"]`.
pub(super) fn quoted_list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names = names.into_iter().map(|name| format!("\"{name}\""));
    format!("[{}]", names.collect::<Vec<_>>().join(", "))
}

/// Whether a finding of this word is GitHub's refusal, whose reason is in its hint.
pub(crate) fn is_githubs_no(word: &str) -> bool {
    [FindingKind::REFUSED, FindingKind::SINGLE_SIGN_ON]
        .iter()
        .any(|kind| kind.as_str() == word)
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
        let ok = FindingKind::OWNER.ok("it is");
        let open = FindingKind::PERMISSION.not_proven("declared, not proven");
        let warning = FindingKind::EXCESS_SCOPE.warning("too much", "untick it");
        let error = FindingKind::MISSING_SCOPE.error("too little", "tick it");
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
