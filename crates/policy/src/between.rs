//! What must hold between different tables: a purpose and its secrets, sinks and sinks. Either half may be
//! in another file, so this is checked when all are read.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Delivery, Level};

use super::finding::{Findings, Place};
use super::installation::unmintable;
use super::parts;
use super::purpose::PurposePolicy;
use super::request::Terms;
use super::secret::{SecretDeclaration, SecretKind};

/// What can be delivered is a matter of the secret's kind.
pub(super) fn purpose_and_secret(
    policy: &PurposePolicy,
    secret: &SecretDeclaration,
    found: &mut Findings,
) {
    let name = &secret.name;
    let deliver = policy.place_of("deliver");
    match (secret.kind, policy.whole.deliver) {
        (SecretKind::App, Delivery::Installation) => {
            mintable(policy, found);
            warn_of_the_hour(policy, found);
        }
        (SecretKind::App, Delivery::Proxy) => {
            mintable(policy, found);
            no_fallback(policy, found);
        }
        (SecretKind::App, Delivery::Raw) => found.error(
            deliver,
            format!(
                "`{name}` is an App's private key, and no purpose hands that out: write \
                 `deliver = \"installation\"` (a token that GitHub mints for the lease, for an hour at \
                 most) or `deliver = \"proxy\"` (a token that only the broker honours, for as long as \
                 `ttl.max`)"
            ),
        ),
        (SecretKind::Classic | SecretKind::FineGrained, Delivery::Installation) => found.error(
            deliver,
            format!(
                "`{name}` is a personal access token, and installation tokens are minted for an App's \
                 secret (`kind = \"app\"`): write `deliver = \"proxy\"` (a token that only the broker \
                 honours, for this purpose's repositories and permissions) or `deliver = \"raw\"` (the \
                 stored token itself)"
            ),
        ),
        (SecretKind::Classic | SecretKind::FineGrained, Delivery::Raw) => {}
        (SecretKind::Classic | SecretKind::FineGrained, Delivery::Proxy) => {
            proxied(policy, secret, found);
        }
    }
    if secret.kind == SecretKind::FineGrained && policy.whole.deliver != Delivery::Installation {
        beyond_declared(&policy.whole, secret, policy.place_of("secret"), found);
    }
}

/// What must hold besides where requests go through the broker.
fn proxied(policy: &PurposePolicy, secret: &SecretDeclaration, found: &mut Findings) {
    no_fallback(policy, found);
    if let Some(unsaid) = unsaid_workflows(&policy.whole, secret) {
        found.error(policy.place_of("permissions"), unsaid);
        return;
    }
    for rule in &policy.rules {
        if let Some(unsaid) = unsaid_workflows(&rule.terms, secret) {
            found.error(&rule.place, unsaid);
        }
    }
}

fn no_fallback(policy: &PurposePolicy, found: &mut Findings) {
    if policy.whole.fallback.is_some() {
        found.error(
            policy.place_of("fallback"),
            "a purpose that delivers `proxy` has no `fallback` yet: remove it",
        );
    }
}

/// Why terms that allow pushes must name `workflows` too, where the declared token has that: GitHub takes
/// files of workflows from it, and so from whoever may push with it.
pub(super) fn unsaid_workflows(terms: &Terms, secret: &SecretDeclaration) -> Option<String> {
    let write = Some(&Level::Write);
    let may_change = secret.scopes.iter().any(|scope| scope == "workflow")
        || secret.permissions.get("workflows") >= write;
    let permissions = &terms.permissions;
    let unsaid = permissions.get("contents") >= write && permissions.get("workflows") < write;
    (may_change && unsaid).then(|| {
        "the token may change workflows, and the proxy cannot look into what a push contains: name \
         `workflows = \"write\"` beside `contents = \"write\"`"
            .to_owned()
    })
}

/// A fallback is a personal access token: only that can be handed out as it is.
pub(super) fn purpose_and_fallback(
    policy: &PurposePolicy,
    secret: &SecretDeclaration,
    place: &Place,
    found: &mut Findings,
) {
    match secret.kind {
        SecretKind::App => found.error(
            place,
            format!(
                "a fallback is a personal access token, and `{}` is an App's private key",
                secret.name
            ),
        ),
        SecretKind::Classic => {}
        SecretKind::FineGrained => beyond_declared(&policy.whole, secret, place, found),
    }
}

fn mintable(policy: &PurposePolicy, found: &mut Findings) {
    if let Some(wrong) = unmintable(&policy.whole) {
        found.error(policy.place_of(wrong.key), wrong.what);
        return;
    }
    for rule in &policy.rules {
        if let Some(wrong) = unmintable(&rule.terms) {
            found.error(&rule.place, wrong.what);
        }
    }
}

/// Behind the proxy the broker gets the next token.
fn warn_of_the_hour(policy: &PurposePolicy, found: &mut Findings) {
    let rules = policy.rules.iter().map(|rule| (&rule.place, &rule.terms));
    let whole = policy.places.get("ttl");
    let whole = whole.map(|place| (place, &policy.whole));
    for (place, terms) in whole.into_iter().chain(rules) {
        if terms.ttl > INSTALLATION_TOKEN_LIFETIME {
            let ttl = duration::format(terms.ttl);
            found.warn(
                place,
                format!("GitHub ends an installation token after an hour, so no lease lasts {ttl}"),
            );
        }
    }
}

/// Source: GitHub REST documentation, “Generating an installation access token for a GitHub App”.
const INSTALLATION_TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// GitHub cannot say what a fine-grained token may do; its declaration can. What that leaves open, it
/// says nothing about.
fn beyond_declared(whole: &Terms, secret: &SecretDeclaration, place: &Place, found: &mut Findings) {
    let whose = "the secret's declaration";
    if !secret.repositories.is_empty()
        && let Some(beyond) =
            parts::repository_beyond(&whole.repositories, &secret.repositories, whose)
    {
        found.warn(place, beyond);
    }
    if !secret.permissions.is_empty()
        && let Some(beyond) =
            parts::permission_beyond(&whole.permissions, &secret.permissions, whose)
    {
        found.warn(place, beyond);
    }
}

/// One place at GitHub holds one value.
pub(super) fn sinks(secrets: &[SecretDeclaration], found: &mut Findings) {
    let mut taken = BTreeMap::new();
    for secret in secrets {
        for sink in &secret.sinks {
            let first: &Place = taken.entry(sink.identity()).or_insert(&sink.place);
            if !std::ptr::eq(first, &sink.place) {
                let message = format!("the {sink} is a sink in {first} already");
                found.error(&sink.place, message);
            }
        }
        if !secret.source.is_vault()
            && let [sink, ..] = secret.sinks.as_slice()
        {
            found.warn(
                &sink.place,
                format!(
                    "sinks get what `tokenctl rotate` stores in the vault, and this secret comes from \
                     `{}`",
                    secret.source
                ),
            );
        }
    }
}
