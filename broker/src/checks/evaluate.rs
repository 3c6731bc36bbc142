//! What GitHub's answer says of a value: evaluated for a personal access token, handed to `app` for an
//! App's key. Pure.

use broker_github::expiry::{self, Doubt, End, TokenExpiry};
use broker_github::token_kind::{ByHeader, by_header};
use broker_github::{GitHubError, ReplyHeaders, Sso, scopes};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_protocol::check::Finding;
use broker_protocol::names::{RepoPattern, SecretName};
use broker_protocol::value_form::Unfit;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_vault::{Checked, Kind};
use jiff::Timestamp;

use super::app;
use super::finding::Word;
use super::identity::Identity;

/// A secret that is being checked.
pub(super) struct Subject<'a> {
    pub(super) name: &'a SecretName,
    pub(super) declared: &'a SecretDeclaration,
    /// Which version it is; `None` where the value does not lie in the vault.
    pub(super) version: Option<u64>,
    /// The hash of a value that does not lie in the vault.
    pub(super) hashed: Option<HashedToken>,
    /// What the value's first characters say it is.
    pub(super) looks_like: Option<Kind>,
    /// The end that an operator entered for this value.
    pub(super) entered: Option<Timestamp>,
    /// What the last check of this same value found.
    pub(super) before: Option<Checked>,
    pub(super) now: Timestamp,
}

impl<'a> Subject<'a> {
    /// A value of which nothing is known.
    pub(super) fn new(
        declared: &'a SecretDeclaration,
        value: &AccessToken,
        now: Timestamp,
    ) -> Self {
        Self {
            name: &declared.name,
            declared,
            version: None,
            hashed: None,
            looks_like: Kind::of(value),
            entered: None,
            before: None,
            now,
        }
    }
}

/// What a check found so far.
#[derive(Debug, Default)]
pub(crate) struct Evaluation {
    pub(crate) findings: Vec<Finding>,
    pub(crate) accepted: bool,
    pub(crate) login: Option<String>,
    pub(crate) expires_at: Option<Timestamp>,
    /// The scopes of a classic token, if GitHub said them.
    pub(crate) scopes: Option<Vec<String>>,
    /// Declared repositories that were reached and are private.
    pub(super) private: Vec<RepoPattern>,
}

/// GitHub accepted the value and said whose it is.
pub(super) fn accepted(subject: &Subject<'_>, identity: &Identity) -> Evaluation {
    match identity {
        Identity::Account { login, headers, .. } => token(subject, login, headers),
        Identity::App { app, .. } => app::accepted(subject, app),
    }
}

/// GitHub accepted the token.
pub(super) fn token(subject: &Subject<'_>, login: &str, headers: &ReplyHeaders) -> Evaluation {
    let said = headers.token_expires.as_deref().map(TokenExpiry::parse);
    let end = expiry::evaluate(said.as_ref(), headers.date, subject.entered);
    let mut findings = vec![owner(subject, login), kind(subject, headers)];
    if subject.declared.kind == SecretKind::Classic {
        findings.extend(scopes(subject, headers));
    }
    findings.push(self::end(subject, &end, said.as_ref()));
    findings.extend(partly_hidden(headers));
    findings.extend(rate(subject, headers));
    Evaluation {
        findings,
        accepted: true,
        login: Some(login.to_owned()),
        expires_at: end.at,
        scopes: carried(subject, headers).cloned(),
        private: Vec::new(),
    }
}

/// What is stored has not the form of a value: it was stored before that was looked at.
pub(super) fn malformed(name: &SecretName, unfit: Unfit) -> Finding {
    Word::Malformed.warning(
        format!("what is stored {unfit}; leases on it are given all the same"),
        format!("store the value alone with `tokenctl secret set {name}`"),
    )
}

/// GitHub refused the request in a way that says something about the value. `None` if the refusal says
/// nothing about it: GitHub failed.
pub(super) fn refused(subject: &Subject<'_>, error: &GitHubError) -> Option<Evaluation> {
    if subject.declared.kind == SecretKind::App {
        return app::refused(subject, error);
    }
    let finding = match error {
        GitHubError::Unauthorized { .. } => unauthorized(subject),
        GitHubError::SingleSignOn { sso } => Word::SingleSignOn.error(
            "an organization wants this token authorized for single sign-on before it is used",
            authorize(sso),
        ),
        GitHubError::Unsendable => Word::NotAToken.error(
            format!("it is no token: {error}; GitHub was not asked"),
            format!(
                "store the token alone, on one line, with `tokenctl secret set {}`",
                subject.name
            ),
        ),
        GitHubError::Forbidden { .. } => Word::Refused.error(
            format!("GitHub knows the token and refuses it: {error}"),
            "an organization may limit how long tokens live or where they are used from; ask its \
             owner",
        ),
        _ => return None,
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
fn unauthorized(subject: &Subject<'_>) -> Finding {
    let name = subject.name;
    let worked = subject
        .before
        .as_ref()
        .filter(|before| before.login.is_some());
    let (end, who_says) = match &subject.before {
        Some(before) if before.expires_at.is_some() && worked.is_some() => (
            before.expires_at,
            "known from earlier answers or as entered",
        ),
        _ => (subject.entered, "as entered"),
    };
    let hint = format!("store a new value with `tokenctl secret set {name}`");
    match end {
        Some(end) if end <= subject.now => Word::Expired.error(
            format!(
                "GitHub refuses it (401), and its end was {} ({who_says}): it has expired",
                moment(end)
            ),
            hint,
        ),
        Some(end) => Word::Revoked.error(
            format!(
                "GitHub refuses it (401), and its end is only {} ({who_says}); so it was revoked or \
                 regenerated, which is inferred: GitHub does not say why",
                moment(end)
            ),
            hint,
        ),
        None if worked.is_some() => Word::Revoked.error(
            "GitHub refuses it (401); it worked before and had no end, so it was revoked or \
             regenerated, which is inferred: GitHub does not say why",
            hint,
        ),
        None => Word::NotAccepted.error(
            "GitHub refuses it (401): it was revoked, has expired, or never was a token; nothing is \
             known of it that would tell which",
            hint,
        ),
    }
}

fn owner(subject: &Subject<'_>, login: &str) -> Finding {
    let name = subject.name;
    match subject.declared.owner.as_deref() {
        Some(declared) if declared.eq_ignore_ascii_case(login) => {
            Word::Owner.ok(format!("it belongs to `{login}`, as declared"))
        }
        Some(declared) => Word::WrongOwner.error(
            format!("it belongs to `{login}`, and `{declared}` is declared"),
            format!(
                "store a token of `{declared}` with `tokenctl secret set {name}`, or declare `owner \
                 = \"{login}\"` in {}",
                subject.declared.place
            ),
        ),
        None => Word::Owner.not_proven(format!(
            "it belongs to `{login}`; no owner is declared in {}",
            subject.declared.place
        )),
    }
}

fn kind(subject: &Subject<'_>, headers: &ReplyHeaders) -> Finding {
    let declared = subject.declared.kind.as_str();
    let answered = match by_header(headers.scopes.as_deref()) {
        ByHeader::Classic => Some((Kind::Classic, "it is answered with scopes")),
        ByHeader::FineGrained => Some((Kind::FineGrained, "it is answered without scopes")),
        ByHeader::CannotTell => None,
    };
    let begins = subject
        .looks_like
        .map(|kind| (kind, "by its first characters"));
    match (answered, begins) {
        (Some((answered, _)), Some((begins, _))) if answered != begins => {
            Word::Kind.not_proven(format!(
                "it begins like a {} token and is answered like a {} one; {declared} is declared",
                begins.as_str(),
                answered.as_str()
            ))
        }
        (Some((kind, why)), _) | (None, Some((kind, why))) if kind.as_str() == declared => {
            Word::Kind.ok(format!("{declared}, as declared ({why})"))
        }
        (Some((kind, why)), _) | (None, Some((kind, why))) => Word::WrongKind.error(
            format!(
                "it is a {} token ({why}), and {declared} is declared",
                kind.as_str()
            ),
            format!(
                "declare what it is in {}, or store another value with `tokenctl secret set {}`",
                subject.declared.place, subject.name
            ),
        ),
        (None, None) => Word::Kind.not_proven(format!(
            "{declared} is declared; an empty list of scopes and its first characters do not tell"
        )),
    }
}

/// The scopes that a classic token carries; `None` where the answer does not tell.
fn carried<'a>(subject: &Subject<'_>, headers: &'a ReplyHeaders) -> Option<&'a Vec<String>> {
    match (&headers.scopes, subject.looks_like) {
        (Some(scopes), Some(Kind::Classic)) => Some(scopes),
        (Some(scopes), _) if !scopes.is_empty() => Some(scopes),
        _ => None,
    }
}

fn scopes(subject: &Subject<'_>, headers: &ReplyHeaders) -> Vec<Finding> {
    let Some(carried) = carried(subject, headers) else {
        return vec![Word::Scopes.not_proven(
            "GitHub did not say which scopes it carries; the declared ones are not proven",
        )];
    };
    let carried_text = listed(carried.iter().map(String::as_str));
    let declared = || subject.declared.scopes.iter().map(AsRef::as_ref);
    if subject.declared.scopes.is_empty() {
        return vec![Word::Scopes.not_proven(format!(
            "it carries {carried_text}; no scopes are declared in {}",
            subject.declared.place
        ))];
    }
    let found = scopes::compare(carried.iter().map(String::as_str), declared());
    let mut findings: Vec<Finding> = Vec::new();
    for scope in &found.missing {
        findings.push(Word::MissingScope.error(
            format!("scope `{scope}` is declared, and it carries {carried_text}"),
            format!(
                "tick `{scope}` for it in GitHub's settings (the value stays), or declare less in {}",
                subject.declared.place
            ),
        ));
    }
    for scope in &found.excess {
        findings.push(Word::ExcessScope.warning(
            format!("it carries `{scope}`, which is not declared"),
            format!(
                "untick `{scope}` for it in GitHub's settings (the value stays), or declare it in {}",
                subject.declared.place
            ),
        ));
    }
    for hook in &found.hooks_through {
        findings.push(Word::HookAccess.ok(format!(
            "`{}` is not in its list, and `{}` reaches the webhooks of repositories all the same",
            hook.declared, hook.through
        )));
    }
    if findings.is_empty() {
        findings.push(Word::Scopes.ok(format!("it carries {carried_text}, as declared")));
    }
    findings
}

fn end(subject: &Subject<'_>, end: &End, said: Option<&TokenExpiry>) -> Finding {
    let name = subject.name;
    let goes_by = |at: Option<Timestamp>| match at {
        Some(at) => format!("{} goes, which was entered", moment(at)),
        None => "no end is known".to_owned(),
    };
    let enter = format!(
        "read its end in GitHub's settings, and enter it when the value is set: `tokenctl secret \
         set {name} --expires DATE`"
    );
    match (end.doubt, end.at) {
        (Some(Doubt::TimeOfAnswer), at) => Word::ExpiryUnreliable.warning(
            format!(
                "GitHub gave the time of its own answer as the end, a known fault; {}",
                goes_by(at)
            ),
            enter,
        ),
        (Some(Doubt::Unreadable), at) => {
            let text = match said {
                Some(TokenExpiry::Unreadable(text)) => text,
                _ => "",
            };
            Word::ExpiryUnreliable.warning(
                format!(
                    "GitHub gave its end as `{text}`, which cannot be read; {}",
                    goes_by(at)
                ),
                enter,
            )
        }
        (Some(Doubt::Differs { entered }), Some(at)) => Word::ExpiryDiffers.warning(
            format!(
                "GitHub says that it ends {}, and {} was entered; GitHub's word goes",
                moment(at),
                moment(entered)
            ),
            "nothing, if GitHub is right; the date that was entered was a slip",
        ),
        (_, Some(at)) if end.source == expiry::Source::Operator => {
            Word::Expiry.not_proven(format!(
                "it ends {} by what was entered; GitHub names no end",
                moment(at)
            ))
        }
        (_, Some(at)) => Word::Expiry.ok(format!("it ends {}", moment(at))),
        (_, None) => Word::Expiry.ok("GitHub names no end"),
    }
}

/// On a classic token that some organisation's single sign-on keeps out, lists come back shorter.
fn partly_hidden(headers: &ReplyHeaders) -> Option<Finding> {
    let sso = headers.sso.as_deref()?;
    sso.starts_with("partial-results").then(|| {
        Word::SingleSignOn.warning(
            format!("some organizations hide what is theirs from it ({sso})"),
            "authorize it for single sign-on in GitHub's settings, if it is meant to see that",
        )
    })
}

fn rate(subject: &Subject<'_>, headers: &ReplyHeaders) -> Option<Finding> {
    let rate = headers.rate.as_ref()?;
    let (remaining, limit) = (rate.remaining, rate.limit);
    let floor = subject
        .declared
        .rate_floor
        .filter(|floor| remaining < *floor);
    Some(match floor {
        Some(floor) => Word::BelowRateFloor.warning(
            format!(
                "{remaining} of {limit} requests are left until {}, and the floor is {floor}",
                moment(rate.reset_at)
            ),
            "find out who uses them up: all tokens of one account share them",
        ),
        None => Word::RateLimit.ok(format!("{remaining} of {limit} requests are left")),
    })
}

fn authorize(sso: &Sso) -> String {
    match sso {
        Sso::Url(url) => format!("authorize it at {url} (good for an hour)"),
        Sso::Organizations(_) | Sso::Unknown => {
            "authorize it for single sign-on in GitHub's settings".to_owned()
        }
    }
}

fn listed<'a>(scopes: impl IntoIterator<Item = &'a str>) -> String {
    let scopes: Vec<String> = scopes
        .into_iter()
        .map(|scope| format!("`{scope}`"))
        .collect();
    if scopes.is_empty() {
        "no scopes".to_owned()
    } else {
        scopes.join(", ")
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
