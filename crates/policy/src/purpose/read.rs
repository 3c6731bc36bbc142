//! Reads a file that has a `purpose`.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Delivery, Purpose, SecretName};

use super::rule::{refuse_shadowed, rule};
use super::{KeyPlaces, PurposePolicy, Rule};
use crate::document::{Item, Table};
use crate::finding::did_you_mean;
use crate::parts::{self, Ttl};
use crate::request::{Fallback, Terms};
use crate::who::{Accounts, Host};

/// How long a lease lasts where neither rule nor purpose says so.
const DEFAULT_TTL: Duration = Duration::from_secs(15 * 60);
/// How long a lease may live where neither rule nor purpose says so.
const DEFAULT_TTL_MAX: Duration = Duration::from_secs(60 * 60);

const KEYS: &[&str] = &[
    "purpose",
    "about",
    "secret",
    "repositories",
    "organization",
    "permissions",
    "deliver",
    "ttl",
    "allow",
    "fallback",
    "budget",
];

/// Reads a file that has a `purpose`. `None` only with an error in the document.
pub(crate) fn read(root: Table<'_>, accounts: &dyn Accounts, host: &Host) -> Option<PurposePolicy> {
    let root = root.refuse_unknown(KEYS);
    refuse_not_yet(root, &["budget"]);
    let purpose = root.required("purpose");
    let secret = root.required("secret");
    let whole = whole(root, purpose, secret);
    let about = root.item("about").and_then(about);
    let tables = root
        .item("allow")
        .map(|item| item.tables("a rule", "allow"));
    let tables = tables.unwrap_or_default();
    let rules: Vec<Option<Rule>> = tables
        .iter()
        .enumerate()
        .map(|(n, table)| rule(*table, n + 1, whole.as_ref(), accounts, host))
        .collect();
    let rules: Vec<Rule> = rules.into_iter().collect::<Option<_>>()?;
    refuse_shadowed(&tables, &rules);
    if tables.is_empty()
        && let Some(purpose) = purpose
    {
        purpose.warn("no `[[allow]]`: no caller may use this purpose");
    }
    Some(PurposePolicy {
        about,
        whole: whole?,
        rules,
        place: purpose?.place(),
        places: KeyPlaces {
            whole: root.place(),
            secret: secret?.place(),
            deliver: root.item("deliver").map(Item::place),
            fallback: root.item("fallback").map(Item::place),
            repositories: root.item("repositories").map(Item::place),
            permissions: root.item("permissions").map(Item::place),
            ttl: root.item("ttl").map(Item::place),
        },
    })
}

/// What the purpose gives at the most.
fn whole(root: Table<'_>, purpose: Option<Item<'_>>, secret: Option<Item<'_>>) -> Option<Terms> {
    let purpose: Option<Purpose> = purpose.and_then(Item::parsed);
    let secret = secret.and_then(|item| {
        if !item.is_text() {
            item.error(
                "a purpose names its secret, `secret = \"NAME\"`; `[secret.*]` tables stand in a \
                 file without a `purpose`",
            );
            return None;
        }
        item.parsed::<SecretName>()
    });
    let deliver = match root.item("deliver") {
        Some(item) => deliver(item),
        // What it means for an App; `set` refuses it for any other kind.
        None => Some(Delivery::Installation),
    };
    let fallback = match root.item("fallback") {
        Some(item) => fallback(item, secret.as_ref()).map(Some),
        None => Some(None),
    };
    let (repositories, organization) = (root.item("repositories"), root.item("organization"));
    if repositories.is_none() && organization.is_none() {
        root.error("a purpose names `repositories`, `organization`, or both");
    }
    let repositories = match repositories {
        Some(item) => parts::repositories(item),
        None => Some(Vec::new()),
    };
    let organization = match organization {
        Some(item) => item.parsed().map(Some),
        None => Some(None),
    };
    let permissions = root.required("permissions").and_then(parts::permissions);
    let ttl = match root.item("ttl") {
        Some(item) => ttl(item, DEFAULT_TTL, DEFAULT_TTL_MAX),
        None => Some((DEFAULT_TTL, DEFAULT_TTL_MAX)),
    };
    let (ttl, ttl_max) = ttl?;
    Some(Terms {
        purpose: purpose?,
        rule: Arc::clone(root.document.name()),
        secret: secret?,
        deliver: deliver?,
        fallback: fallback?,
        repositories: repositories?.into(),
        organization: organization?,
        permissions: Arc::new(permissions?),
        ttl,
        ttl_max,
    })
}

fn about(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    if text.chars().count() > 200 || text.contains(char::is_control) {
        item.error("`about` must be one line of at most 200 characters");
        return None;
    }
    Some(text.to_owned())
}

/// Only the deliveries that exist today.
fn deliver(item: Item<'_>) -> Option<Delivery> {
    let text = item.text()?;
    match text {
        "raw" => return Some(Delivery::Raw),
        "installation" => return Some(Delivery::Installation),
        "proxy" => item.error(format!(
            "`deliver = \"proxy\"` does not exist in this version: {MEANWHILE}"
        )),
        _ => {
            let meant = did_you_mean(text, ["proxy", "installation", "raw"]);
            item.error(format!(
                "`deliver` must be `proxy`, `installation` or `raw`{meant}"
            ));
        }
    }
    None
}

pub(crate) const MEANWHILE: &str =
    "write `deliver = \"raw\"` meanwhile, which hands out the stored token itself";

/// `{ secret = "…", deliver = "raw" }`
fn fallback(item: Item<'_>, first: Option<&SecretName>) -> Option<Fallback> {
    const KEYS: &[&str] = &["secret", "deliver"];
    let table = item.table("a fallback")?.refuse_unknown(KEYS);
    let (secret, deliver) = (table.required("secret"), table.required("deliver"));
    let secret = secret.and_then(Item::parsed::<SecretName>);
    if secret.is_some() && secret.as_ref() == first {
        item.error("a fallback is another secret than the purpose's own");
    }
    let deliver = deliver?;
    if deliver.text()? != "raw" {
        deliver.error(
            "a fallback hands out a stored personal access token itself: write \
             `deliver = \"raw\"` in it",
        );
        return None;
    }
    item.warn(
        "where the first secret cannot be used, the caller gets the fallback's stored token itself, \
         and nothing holds it to this purpose",
    );
    Some(Fallback {
        secret: secret?,
        deliver: Delivery::Raw,
    })
}

/// Fills what `item` leaves open and checks the order of the two.
pub(super) fn ttl(
    item: Item<'_>,
    default: Duration,
    max: Duration,
) -> Option<(Duration, Duration)> {
    let said: Ttl = parts::ttl(item)?;
    let (default, max) = (said.default.unwrap_or(default), said.max.unwrap_or(max));
    if default > max {
        let (default, max) = (duration::format(default), duration::format(max));
        item.error(format!(
            "`ttl.default` ({default}) is longer than `ttl.max` ({max}); name both"
        ));
        return None;
    }
    Some((default, max))
}

pub(super) fn refuse_not_yet(table: Table<'_>, keys: &[&str]) {
    for item in keys.iter().filter_map(|key| table.item(key)) {
        item.error(format!(
            "`{}` does not exist in this version, and nothing would honour it: remove it",
            item.key
        ));
    }
}
