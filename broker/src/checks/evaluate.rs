//! What GitHub's answer says of a value: evaluated for a personal access token, handed to `app` for an
//! App's key. Pure.

use broker_github::expiry::{self, Doubt, End, TokenExpiry};
use broker_github::token_kind::{ByHeader, by_header};
use broker_github::{ReplyHeaders, scopes};
use broker_policy::{SecretDeclaration, SecretKind};
use broker_protocol::check::Finding;
use broker_protocol::names::RepoPattern;
use broker_protocol::source::how_to_store;
use broker_protocol::value_form::BadValue;
use broker_secret_memory::token::{AccessToken, HashedToken};
use broker_vault::{Checked, kind_of};
use jiff::Timestamp;

use super::app;
use super::finding::{FindingKind, quoted_list, write_line};
use super::identity::ValueOwner;

/// A secret that is being checked.
pub(super) struct CheckedValue<'a> {
    pub(super) declared: &'a SecretDeclaration,
    /// Which version it is; `None` where the value is not stored in the vault.
    pub(super) version: Option<u64>,
    /// The hash of a value that is not stored in the vault.
    pub(super) hashed: Option<HashedToken>,
    /// What the value's first characters say it is.
    pub(super) looks_like: Option<SecretKind>,
    /// The end that an operator entered for this value.
    pub(super) entered: Option<Timestamp>,
    /// What the last check of this same value found.
    pub(super) before: Option<Checked>,
    pub(super) now: Timestamp,
}

impl<'a> CheckedValue<'a> {
    /// A value of which nothing is known.
    pub(super) fn new(
        declared: &'a SecretDeclaration,
        value: &AccessToken,
        now: Timestamp,
    ) -> Self {
        Self {
            declared,
            version: None,
            hashed: None,
            looks_like: kind_of(value),
            entered: None,
            before: None,
            now,
        }
    }

    /// What an operator does with a new value.
    pub(super) fn how_to_store(&self, value: &str) -> String {
        let SecretDeclaration { name, source, .. } = self.declared;
        how_to_store(value, name.as_str(), &source.to_string())
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
pub(super) fn accepted(subject: &CheckedValue<'_>, identity: &ValueOwner) -> Evaluation {
    match identity {
        ValueOwner::Account { login, headers, .. } => token(subject, login, headers),
        ValueOwner::App { app, .. } => app::accepted(subject, app),
    }
}

/// GitHub accepted the token.
pub(super) fn token(subject: &CheckedValue<'_>, login: &str, headers: &ReplyHeaders) -> Evaluation {
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

/// What is stored does not have the form of a value: it was stored before that was checked.
pub(super) fn malformed(subject: &CheckedValue<'_>, unfit: BadValue) -> Finding {
    FindingKind::MALFORMED.warning(
        format!("what is stored {unfit}; leases on it are given all the same"),
        subject.how_to_store("the value alone"),
    )
}

fn owner(subject: &CheckedValue<'_>, login: &str) -> Finding {
    let place = &subject.declared.place;
    match subject.declared.owner.as_deref() {
        Some(declared) if declared.eq_ignore_ascii_case(login) => {
            FindingKind::OWNER.ok(format!("it belongs to `{login}`, as declared"))
        }
        Some(declared) => FindingKind::WRONG_OWNER.error(
            format!("it belongs to `{login}`, and `{declared}` is declared"),
            format!(
                "{}, or declare `owner = \"{login}\"` in {place}",
                subject.how_to_store(&format!("a token of `{declared}`"))
            ),
        ),
        None => FindingKind::OWNER.undeclared(
            format!("it belongs to `{login}`; no owner is declared"),
            write_line(&format!("owner = \"{login}\""), subject.declared),
        ),
    }
}

fn kind(subject: &CheckedValue<'_>, headers: &ReplyHeaders) -> Finding {
    let place = &subject.declared.place;
    let declared = subject.declared.kind.as_str();
    let answered = match by_header(headers.scopes.as_deref()) {
        ByHeader::Classic => Some((SecretKind::Classic, "it is answered with scopes")),
        ByHeader::FineGrained => Some((SecretKind::FineGrained, "it is answered without scopes")),
        ByHeader::CannotTell => None,
    };
    let begins = subject.looks_like;
    let begins = begins.map(|kind| (kind, "by its first characters"));
    match (answered, begins) {
        (Some((answered, _)), Some((begins, _))) if answered != begins => FindingKind::KIND
            .not_proven(format!(
                "it begins like a {} token and is answered like a {} one; {declared} is declared",
                begins.as_str(),
                answered.as_str()
            )),
        (Some((kind, why)), _) | (None, Some((kind, why))) if kind.as_str() == declared => {
            FindingKind::KIND.ok(format!("{declared}, as declared ({why})"))
        }
        (Some((kind, why)), _) | (None, Some((kind, why))) => FindingKind::WRONG_KIND.error(
            format!(
                "it is a {} token ({why}), and {declared} is declared",
                kind.as_str()
            ),
            format!(
                "declare what it is in {place}, or {}",
                subject.how_to_store("another value")
            ),
        ),
        (None, None) => FindingKind::KIND.not_proven(format!(
            "{declared} is declared; an empty list of scopes and its first characters do not tell"
        )),
    }
}

/// The scopes that a classic token carries; `None` where the answer does not tell.
fn carried<'a>(subject: &CheckedValue<'_>, headers: &'a ReplyHeaders) -> Option<&'a Vec<String>> {
    match (&headers.scopes, subject.looks_like) {
        (Some(scopes), Some(SecretKind::Classic)) => Some(scopes),
        (Some(scopes), _) if !scopes.is_empty() => Some(scopes),
        _ => None,
    }
}

fn scopes(subject: &CheckedValue<'_>, headers: &ReplyHeaders) -> Vec<Finding> {
    let Some(carried) = carried(subject, headers) else {
        return vec![FindingKind::SCOPES.not_proven(
            "GitHub did not say which scopes it carries; the declared ones are not proven",
        )];
    };
    let carried_text = listed(carried);
    let SecretDeclaration { scopes, place, .. } = subject.declared;
    if scopes.is_empty() {
        let text = format!("it carries {carried_text}; no scopes are declared");
        if carried.is_empty() {
            return vec![FindingKind::SCOPES.not_proven(text)];
        }
        let line = format!("scopes = {}", quoted_list(carried));
        let hint = write_line(&line, subject.declared);
        return vec![FindingKind::SCOPES.undeclared(text, hint)];
    }
    let declared = scopes.iter().map(AsRef::as_ref);
    let found = scopes::compare(carried.iter().map(String::as_str), declared);
    let mut findings: Vec<Finding> = Vec::new();
    for scope in &found.missing {
        findings.push(FindingKind::MISSING_SCOPE.error(
            format!("scope `{scope}` is declared, and it carries {carried_text}"),
            format!(
                "tick `{scope}` for it in GitHub's settings (the value stays), or declare less in \
                 {place}"
            ),
        ));
    }
    for scope in &found.excess {
        findings.push(FindingKind::EXCESS_SCOPE.warning(
            format!("it carries `{scope}`, which is not declared"),
            format!(
                "untick `{scope}` for it in GitHub's settings (the value stays), or declare it in \
                 {place}"
            ),
        ));
    }
    for hook in &found.hooks_through {
        findings.push(FindingKind::HOOK_ACCESS.ok(format!(
            "`{}` is not in its list, and `{}` reaches the webhooks of repositories all the same",
            hook.declared, hook.through
        )));
    }
    if findings.is_empty() {
        findings.push(FindingKind::SCOPES.ok(format!("it carries {carried_text}, as declared")));
    }
    findings
}

fn end(subject: &CheckedValue<'_>, end: &End, said: Option<&TokenExpiry>) -> Finding {
    let SecretDeclaration { name, source, .. } = subject.declared;
    let counts = match end.at {
        Some(at) => format!("{} counts, which was entered", moment(at)),
        None => "no end is known".to_owned(),
    };
    let enter = match source.is_vault() {
        true => format!(
            "read its end in GitHub's settings, and enter it when the value is set: `tokenctl secret \
             set {name} --expires DATE`"
        ),
        false => "read its end in GitHub's settings".to_owned(),
    };
    match (end.doubt, end.at) {
        (Some(Doubt::TimeOfAnswer), _) => FindingKind::EXPIRY_UNRELIABLE.warning(
            format!("GitHub gave the time of its own answer as the end, a known fault; {counts}"),
            enter,
        ),
        (Some(Doubt::Unreadable), _) => {
            let text = match said {
                Some(TokenExpiry::Unreadable(text)) => text,
                _ => "",
            };
            FindingKind::EXPIRY_UNRELIABLE.warning(
                format!("GitHub gave its end as `{text}`, which cannot be read; {counts}"),
                enter,
            )
        }
        (Some(Doubt::Differs { entered }), Some(at)) => FindingKind::EXPIRY_DIFFERS.warning(
            format!(
                "GitHub says that it ends {}, and {} was entered; GitHub's date counts",
                moment(at),
                moment(entered)
            ),
            "nothing, if GitHub is right; the date that was entered was a slip",
        ),
        (_, Some(at)) if end.source == expiry::Source::Operator => {
            FindingKind::EXPIRY.not_proven(format!(
                "it ends {} by what was entered; GitHub names no end",
                moment(at)
            ))
        }
        (_, Some(at)) => FindingKind::EXPIRY.ok(format!("it ends {}", moment(at))),
        (_, None) => FindingKind::EXPIRY.ok("GitHub names no end"),
    }
}

/// On a classic token that some organisation's single sign-on keeps out, lists come back shorter.
fn partly_hidden(headers: &ReplyHeaders) -> Option<Finding> {
    let sso = headers.sso.as_deref()?;
    sso.starts_with("partial-results").then(|| {
        FindingKind::SINGLE_SIGN_ON.warning(
            format!("some organizations hide what is theirs from it ({sso})"),
            "authorize it for single sign-on in GitHub's settings, if it is meant to see that",
        )
    })
}

fn rate(subject: &CheckedValue<'_>, headers: &ReplyHeaders) -> Option<Finding> {
    let rate = &headers.rate.as_ref()?.rate;
    let (remaining, limit) = (rate.remaining, rate.limit);
    Some(match subject.declared.rate_floor {
        Some(floor) if remaining < floor => FindingKind::BELOW_RATE_FLOOR.warning(
            format!(
                "{remaining} of {limit} requests are left until {}, and the floor is {floor}",
                moment(rate.reset_at)
            ),
            "find out who uses them up: all tokens of one account share them",
        ),
        _ => FindingKind::RATE_LIMIT.ok(format!("{remaining} of {limit} requests are left")),
    })
}

fn listed(scopes: &[String]) -> String {
    if scopes.is_empty() {
        return "no scopes".to_owned();
    }
    let scopes = scopes.iter().map(|scope| format!("`{scope}`"));
    scopes.collect::<Vec<_>>().join(", ")
}

pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
