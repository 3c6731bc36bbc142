//! What must hold between different tables: a purpose and its secrets, sinks and sinks. Either half may be
//! in another file, so this is checked when all are read.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::Delivery;

use super::finding::{Place, PolicyError, PolicyWarning};
use super::installation::{About, unmintable};
use super::parts;
use super::purpose::{MEANWHILE, PurposePolicy};
use super::request::Terms;
use super::secret::{SecretDeclaration, SecretKind};

/// What is wrong or odd, by where it is to be fixed.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<PolicyError>,
    pub(super) warnings: Vec<PolicyWarning>,
}

impl Findings {
    pub(super) fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push(PolicyError {
            place: place.clone(),
            message: message.into(),
        });
    }

    fn warn(&mut self, place: &Place, message: impl Into<String>) {
        self.warnings.push(PolicyWarning {
            place: place.clone(),
            message: message.into(),
        });
    }
}

/// What can be delivered is a matter of the secret's kind.
pub(super) fn purpose_and_secret(
    policy: &PurposePolicy,
    secret: &SecretDeclaration,
    found: &mut Findings,
) {
    let (places, name) = (&policy.places, &secret.name);
    let whole = &policy.whole;
    let deliver = places.deliver.as_ref().unwrap_or(&places.whole);
    match (secret.kind, whole.deliver) {
        (SecretKind::App, Delivery::Installation) => mintable(policy, found),
        (SecretKind::App, Delivery::Raw | Delivery::Proxy) => found.error(
            deliver,
            format!(
                "`{name}` is an App's private key, and no purpose hands that out: write \
                 `deliver = \"installation\"`"
            ),
        ),
        (SecretKind::Classic | SecretKind::FineGrained, Delivery::Installation) => {
            let why = match places.deliver {
                Some(_) => format!(
                    "`{name}` is a personal access token, and installation tokens are minted for an \
                     App's secret (`kind = \"app\"`)"
                ),
                None => "a purpose without `deliver` means `proxy` for a personal access token, \
                         which does not exist in this version"
                    .to_owned(),
            };
            found.error(deliver, format!("{why}: {MEANWHILE}"));
        }
        (SecretKind::Classic, Delivery::Raw | Delivery::Proxy) => {}
        (SecretKind::FineGrained, Delivery::Raw | Delivery::Proxy) => {
            beyond_declared(whole, secret, &places.secret, found);
        }
    }
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
    let places = &policy.places;
    if let Some(wrong) = unmintable(&policy.whole) {
        let place = match wrong.about {
            About::Repositories => &places.repositories,
            About::Permissions => &places.permissions,
        };
        found.error(place.as_ref().unwrap_or(&places.whole), wrong.what);
        return;
    }
    for rule in &policy.rules {
        if let Some(wrong) = unmintable(&rule.terms) {
            found.error(&rule.place, wrong.what);
        }
    }
    let rules = policy.rules.iter().map(|rule| (&rule.place, &rule.terms));
    let whole = places.ttl.as_ref().map(|place| (place, &policy.whole));
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
            match taken.entry(sink.identity()) {
                Entry::Occupied(first) => {
                    let first: &&Place = first.get();
                    found.error(
                        &sink.place,
                        format!("the {sink} is a sink in {first} already"),
                    );
                }
                Entry::Vacant(slot) => {
                    slot.insert(&sink.place);
                }
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
