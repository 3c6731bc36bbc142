//! What policies say to a request, and why: the one text of it, for an operator at the broker's API and for an author
//! with files alone.
//!
//! The decision is `decide`'s, so an explanation cannot say another. What the caller's account is called, whoever
//! looked it up says: names of accounts are not policy's business.

mod request_line;
mod rules;

use std::sync::Arc;

use broker_protocol::api::ExplainedOutcome;
use broker_protocol::duration;
use broker_protocol::names::{Delivery, SecretName};
use broker_protocol::printable::one_line;

use self::rules::missed;
use crate::purpose::{PurposePolicy, Rule};
use crate::reach::Scope;
use crate::reach::git::{GitRequest, NotGit};
use crate::request::{Caller, Decision, Denial, Request, Terms};
use crate::{PolicySet, decide};

pub use self::request_line::RequestLine;

/// What the caller is called.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'q> {
    /// Its account, such as `alice (uid 1000)`.
    pub account: &'q str,
    /// Its groups, by name.
    pub groups: &'q str,
}

/// What policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// In a word.
    pub outcome: ExplainedOutcome,
    /// The rule that speaks, if one does.
    pub rule: Option<Arc<str>>,
    /// And why, line by line.
    pub lines: Vec<String>,
}

impl PolicySet {
    /// Says what this set answers to a request, and whether that is enough for a request to GitHub; `None` if there
    /// is no such purpose.
    #[must_use]
    pub fn explain(
        &self,
        request: &Request,
        asker: Asker<'_>,
        github: Option<&RequestLine>,
    ) -> Option<Explanation> {
        let policy = self.purpose(&request.purpose)?;
        let mut lines = vec![format!(
            "{} for {}",
            request.purpose,
            describe(&request.caller, asker.account)
        )];
        let rule = write_rules(policy, &request.caller, asker, &mut lines);
        let (outcome, granted) = self.write_decision(policy, request, rule, &mut lines);
        if let Some(github) = github {
            // Beside a lease that is refused, what the rule gives is still of use.
            let held = granted.as_ref().or_else(|| rule.map(|rule| &rule.terms));
            let whose = if granted.is_some() && asks(request) {
                "the lease"
            } else {
                "the rule"
            };
            let held = held.map(|terms| (whose, terms));
            write_request(github, policy, held, &mut lines);
        }
        Some(Explanation {
            outcome,
            rule: rule.map(|rule| Arc::clone(&rule.terms.rule)),
            lines,
        })
    }

    /// What is decided, and what a lease would hold.
    fn write_decision(
        &self,
        policy: &PurposePolicy,
        request: &Request,
        rule: Option<&Rule>,
        lines: &mut Vec<String>,
    ) -> (ExplainedOutcome, Option<Terms>) {
        match decide(self, request) {
            Decision::Allow(grant) => {
                let gives = if asks(request) {
                    "gives what is asked:"
                } else {
                    "gives"
                };
                lines.push(format!("{gives} {}", terms(policy, &grant)));
                (ExplainedOutcome::Allowed, Some(Terms::clone(&grant)))
            }
            Decision::Deny(Denial::TooWide { what, .. }) => {
                if let Some(rule) = rule {
                    lines.push(format!("gives {}", terms(policy, &rule.terms)));
                }
                lines.push(format!("refused, too_wide: {what}"));
                (ExplainedOutcome::TooWide, None)
            }
            Decision::Deny(Denial::NoRule | Denial::NoSuchPurpose) => {
                lines.push(if policy.rules.is_empty() {
                    "denied: the purpose has no `[[allow]]`, so no one may use it".to_owned()
                } else {
                    "denied: no rule matches".to_owned()
                });
                (ExplainedOutcome::Denied, None)
            }
        }
    }
}

/// Whether the request names less than all that its rule gives.
const fn asks(request: &Request) -> bool {
    request.repositories.is_some()
        || request.organization.is_some()
        || request.permissions.is_some()
        || request.ttl.is_some()
}

fn describe(caller: &Caller, account: &str) -> String {
    let mut text = account.to_owned();
    let known = [
        ("unit", &caller.unit),
        ("user_unit", &caller.user_unit),
        ("exe", &caller.exe),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            text.push_str(&format!(", {name} {}", one_line(value)));
        }
    }
    text
}

/// Returns the rule that speaks: the first that matches, as for a decision.
fn write_rules<'p>(
    policy: &'p PurposePolicy,
    caller: &Caller,
    asker: Asker<'_>,
    lines: &mut Vec<String>,
) -> Option<&'p Rule> {
    let mut speaks: Option<&Rule> = None;
    for rule in &policy.rules {
        let missed = missed(rule, caller, asker);
        let says = if !missed.is_empty() {
            format!("misses: {}", missed.join("; "))
        } else if speaks.is_some() {
            "would match, but an earlier rule decides".to_owned()
        } else {
            speaks = Some(rule);
            "speaks".to_owned()
        };
        let line = rule.place.line;
        lines.push(format!("  {} (line {line}) {says}", rule.terms.rule));
    }
    speaks
}

/// `held` is what a lease would hold, and whether those are a rule's words or a lease's.
fn write_request(
    request: &RequestLine,
    policy: &PurposePolicy,
    held: Option<(&str, &Terms)>,
    lines: &mut Vec<String>,
) {
    if let Some(found) = request.git() {
        let public = policy.public && request.is_public_read(&found);
        return write_git(found, held, public, lines);
    }
    if request.is_graphql() {
        lines.push(
            "GraphQL says in its body what it needs, field by field: send it under a lease, and a refusal names the \
             permission and the line"
                .to_owned(),
        );
        return;
    }
    let needs = match request.needs(policy.paths()) {
        Ok(needs) => needs,
        Err(refusal) => {
            let why = held.and_then(|(_, terms)| with_the_line(request, policy, terms));
            let why = why.unwrap_or_else(|| refusal.to_string());
            lines.push(format!("{WHATEVER}: {why}"));
            return;
        }
    };
    lines.extend(needs.iter().map(ToString::to_string));
    if let Some((whose, terms)) = held {
        let scope = Scope::of(terms, policy.paths());
        let beyond = needs.iter().find_map(|need| need.beyond(&scope, whose));
        lines.push(enough(whose, beyond));
    }
}

/// `public` says whether the lease need not hold the request.
fn write_git(
    found: Result<GitRequest, NotGit>,
    held: Option<(&str, &Terms)>,
    public: bool,
    lines: &mut Vec<String>,
) {
    match (found, public) {
        (Ok(git), _) => {
            lines.push(git.to_string());
            let Some((whose, terms)) = held else { return };
            let beyond = git.beyond(&Scope::of(terms, &[]), whose);
            let is_beyond = beyond.is_some();
            lines.push(enough(whose, beyond));
            if public && is_beyond {
                lines.push(PUBLIC.to_owned());
            }
        }
        (Err(_), true) => lines.push(PUBLIC.to_owned()),
        (Err(no_git), false) => lines.push(format!("{WHATEVER}: {no_git}")),
    }
}

fn enough(whose: &str, beyond: Option<String>) -> String {
    match beyond {
        Some(beyond) => format!("{whose} does not give that: {beyond}"),
        None => format!("{whose} gives that"),
    }
}

const PUBLIC: &str =
    "the purpose is `public`: under a lease, the request goes on without any credential";
const WHATEVER: &str = "the request is refused whatever a rule gives";

/// Why it is refused, with the line of the purpose that would allow it, if one would.
fn with_the_line(request: &RequestLine, policy: &PurposePolicy, terms: &Terms) -> Option<String> {
    if terms.deliver != Delivery::Proxy {
        return None;
    }
    let refused = request.allow(&Scope::of(terms, policy.paths()));
    let refused = refused.err().filter(|refused| refused.unlisted().is_some());
    refused.map(|refused| refused.to_string())
}

/// What these terms give under this purpose.
fn terms(policy: &PurposePolicy, terms: &Terms) -> String {
    let mut parts = Vec::new();
    if !terms.repositories.is_empty() {
        let list: Vec<_> = terms.repositories.iter().map(ToString::to_string).collect();
        parts.push(format!("repositories {}", list.join(", ")));
    }
    if let Some(organization) = &terms.organization {
        parts.push(format!("organisation {organization}"));
    }
    let pairs = terms.permissions.iter();
    let pairs: Vec<_> = pairs
        .map(|(name, level)| format!("{name}: {}", level.as_str()))
        .collect();
    parts.push(format!("permissions {}", pairs.join(", ")));
    let (ttl, max) = (duration::format(terms.ttl), duration::format(terms.ttl_max));
    parts.push(format!("for {ttl}, at most {max}"));
    parts.push(format!("as {}", delivered(terms.deliver, &terms.secret)));
    if let Some(fallback) = &terms.fallback {
        parts.push(format!(
            "where `{}` is missing, expired or not installed there, as {}",
            terms.secret,
            delivered(fallback.deliver, &fallback.secret)
        ));
    }
    if let Some(budget) = policy.budget {
        parts.push(format!("budget {budget}"));
    }
    if !policy.paths().is_empty() {
        let paths: Vec<_> = policy.paths().iter().map(ToString::to_string).collect();
        parts.push(format!("besides {}", paths.join(", ")));
    }
    if policy.public {
        parts.push("reads on the web host besides, without any credential".to_owned());
    }
    parts.join("; ")
}

fn delivered(deliver: Delivery, secret: &SecretName) -> String {
    match deliver {
        Delivery::Raw => format!("the stored token `{secret}` itself"),
        Delivery::Proxy => format!("a proxy token for `{secret}`"),
        Delivery::Installation => format!("an installation token of `{secret}`"),
    }
}
