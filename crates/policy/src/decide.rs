//! The decision: pure, no clock, no I/O, and the only maker of a [`Grant`].
//!
//! Default deny. The first rule that matches the caller decides alone. What is asked for beyond it
//! is denied and never narrowed; what is not asked for is the rule's own.
//!
//! Every grant names at least one permission, and a repository or an organisation: at GitHub an
//! empty list means “all”, so none may come out of here.

use std::sync::Arc;

use broker_protocol::names::Delivery;

use super::PolicySet;
use super::between::unsaid_workflows;
use super::installation::unmintable;
use super::parts::{
    organization_beyond, permission_beyond, repository_beyond, too_many_named, ttl_beyond,
};
use super::request::{Decision, Denial, Grant, Request, Terms};
use super::secret::SecretKind;

/// Says what the policies in force say to a request.
#[must_use]
pub fn decide(policies: &PolicySet, request: &Request) -> Decision {
    let Some(policy) = policies.purpose(&request.purpose) else {
        return Decision::Deny(Denial::NoSuchPurpose);
    };
    let Some(rule) = policy.rule_for(&request.caller) else {
        return Decision::Deny(Denial::NoRule);
    };
    match narrow(&rule.terms, policies, request) {
        Ok(terms) => Decision::Allow(Grant(terms)),
        Err(what) => Decision::Deny(Denial::TooWide {
            rule: Arc::clone(&rule.terms.rule),
            what,
        }),
    }
}

/// What is asked, if the rule gives all of it; else the first thing it does not give.
fn narrow(rule: &Terms, policies: &PolicySet, request: &Request) -> Result<Terms, String> {
    let mut terms = rule.clone();
    if let Some(asked) = &request.repositories {
        refuse(repository_beyond(asked, &rule.repositories, RULE))?;
        terms.repositories = asked.as_slice().into();
    }
    if let Some(asked) = &request.organization {
        refuse(organization_beyond(asked, rule.organization.as_ref(), RULE))?;
        terms.organization = Some(asked.clone());
    }
    if let Some(asked) = &request.permissions {
        refuse(permission_beyond(asked, &rule.permissions, RULE))?;
        terms.permissions = Arc::new(asked.clone());
    }
    if let Some(asked) = request.ttl {
        refuse(ttl_beyond(asked, rule.ttl_max, RULE))?;
        terms.ttl = asked;
    }
    if terms.permissions.is_empty() {
        return Err("no permission at all; leave `permissions` out to get the rule's".to_owned());
    }
    if terms.repositories.is_empty() && terms.organization.is_none() {
        return Err("no repository at all; leave `repositories` out to get the rule's".to_owned());
    }
    let secret = policies.secret(&terms.secret);
    let is_app = secret.is_some_and(|secret| secret.kind == SecretKind::App);
    if is_app || terms.deliver == Delivery::Installation {
        refuse(unmintable(&terms).map(|unmintable| unmintable.what))?;
    }
    refuse(too_many_named(&terms.repositories, &rule.repositories))?;
    if terms.deliver == Delivery::Proxy
        && let Some(secret) = secret
    {
        refuse(unsaid_workflows(&terms, secret))?;
    }
    Ok(terms)
}

fn refuse(beyond: Option<String>) -> Result<(), String> {
    beyond.map_or(Ok(()), Err)
}

const RULE: &str = "the rule";
