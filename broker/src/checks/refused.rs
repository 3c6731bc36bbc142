//! What a refusal by GitHub says of a value. Pure.

use broker_github::{GitHubError, Sso};
use broker_policy::SecretKind;
use broker_protocol::check::Finding;

use super::app;
use super::evaluate::{CheckedValue, Evaluation, moment};
use super::finding::{FindingKind, github_says};

/// GitHub refused the request in a way that says something about the value. `None` if the refusal says
/// nothing about it: GitHub failed.
pub(super) fn refused(subject: &CheckedValue<'_>, error: &GitHubError) -> Option<Evaluation> {
    if subject.declared.kind == SecretKind::App {
        return app::refused(subject, error);
    }
    let finding = match error {
        GitHubError::Unauthorized { .. } => unauthorized(subject),
        GitHubError::SingleSignOn { sso } => FindingKind::SINGLE_SIGN_ON.error(
            "an organization wants this token authorized for single sign-on before it is used",
            authorize(sso),
        ),
        GitHubError::Unsendable => FindingKind::NOT_A_TOKEN.error(
            format!("it is no token: {error}; GitHub was not asked"),
            subject.how_to_store("the token alone, on one line,"),
        ),
        error => {
            let (status, said) = error.kept_out()?;
            FindingKind::REFUSED.error(
                format!("GitHub knows the token and refuses it ({status})"),
                github_says(said),
            )
        }
    };
    let before = subject.before.as_ref();
    Some(Evaluation {
        findings: vec![finding],
        login: before.and_then(|before| before.login.as_deref().map(str::to_owned)),
        expires_at: before.map_or(subject.entered, |before| before.expires_at),
        ..Evaluation::default()
    })
}

/// A revoked token and an expired one are answered alike; only what is known of its end tells.
fn unauthorized(subject: &CheckedValue<'_>) -> Finding {
    let before = subject.before.as_ref();
    let worked = before.filter(|before| before.login.is_some());
    let (end, who_says) = match worked.and_then(|worked| worked.expires_at) {
        Some(end) => (Some(end), "known from earlier answers or as entered"),
        None => (subject.entered, "as entered"),
    };
    let hint = subject.how_to_store("a new value");
    match end {
        Some(end) if end <= subject.now => FindingKind::EXPIRED.error(
            format!(
                "GitHub refuses it (401), and its end was {} ({who_says}): it has expired",
                moment(end)
            ),
            hint,
        ),
        Some(end) => FindingKind::REVOKED.error(
            format!(
                "GitHub refuses it (401), and its end is only {} ({who_says}); so it was revoked or \
                 regenerated, which is inferred: GitHub does not say why",
                moment(end)
            ),
            hint,
        ),
        None if worked.is_some() => FindingKind::REVOKED.error(
            "GitHub refuses it (401); it worked before and had no end, so it was revoked or \
             regenerated, which is inferred: GitHub does not say why",
            hint,
        ),
        None => FindingKind::NOT_ACCEPTED.error(
            "GitHub refuses it (401): it was revoked, has expired, or never was a token; nothing is \
             known of it that would tell which",
            hint,
        ),
    }
}

/// How to let a token past an organisation's single sign-on.
pub(super) fn authorize(sso: &Sso) -> String {
    match sso {
        Sso::Url(url) => format!("authorize it at {url} (good for an hour)"),
        Sso::Organizations(_) | Sso::Unknown => {
            "authorize it for single sign-on in GitHub's settings".to_owned()
        }
    }
}
