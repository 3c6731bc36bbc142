//! Reads a file that has a `purpose`.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Delivery, Purpose, SecretName};

use super::rule::{refuse_shadowed, rule};
use super::{PurposePolicy, Rule, proxy};
use crate::document::{Item, Table};
use crate::parts::{self, Ttl};
use crate::request::{Fallback, Terms};
use crate::secret::SecretKind;
use crate::who::{Accounts, Host};

/// How long a lease lasts, and how long it may live, where neither rule nor purpose says so.
const DEFAULT_TTL: (Duration, Duration) =
    (Duration::from_secs(15 * 60), Duration::from_secs(60 * 60));

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
    "paths",
    "public",
];

/// The kind of a secret, if it is declared without an error.
type KindOf<'k> = dyn Fn(&SecretName) -> Option<SecretKind> + 'k;

/// Reads a file that has a `purpose`. `None` only with an error in the document.
pub(crate) fn read(
    root: Table<'_>,
    kind_of: &KindOf<'_>,
    accounts: &dyn Accounts,
    host: &Host,
) -> Option<PurposePolicy> {
    let root = root.refuse_unknown(KEYS);
    let purpose = root.required("purpose");
    let secret = root.required("secret");
    let whole = whole(root, purpose, secret, kind_of);
    let about = root.item("about").and_then(|item| item.line(0));
    let tables = root.tables("allow", "a rule", "allow");
    let rules: Vec<Option<Rule>> = tables
        .iter()
        .enumerate()
        .map(|(n, table)| rule(*table, n + 1, whole.as_ref(), accounts, host))
        .collect();
    let rules: Option<Vec<Rule>> = rules.into_iter().collect();
    let budget = proxy::budget(root, whole.as_ref());
    let paths = proxy::paths(root, whole.as_ref(), rules.as_deref().unwrap_or_default());
    let public = proxy::public(root, whole.as_ref());
    let rules = rules?;
    refuse_shadowed(&tables, &rules);
    if tables.is_empty()
        && let Some(purpose) = purpose
    {
        purpose.warn("no `[[allow]]`: no caller may use this purpose");
    }
    let places = root.items().map(|item| (item.key.into(), item.place()));
    Some(PurposePolicy {
        about: about.map(str::to_owned),
        whole: whole?,
        rules,
        budget: budget?,
        paths: paths?.into(),
        public: public?,
        place: root.place(),
        places: places.collect(),
    })
}

/// What the purpose gives at the most.
fn whole(
    root: Table<'_>,
    purpose: Option<Item<'_>>,
    secret: Option<Item<'_>>,
    kind_of: &KindOf<'_>,
) -> Option<Terms> {
    let purpose: Option<Purpose> = purpose.and_then(Item::parsed);
    let secret = secret.and_then(|item| {
        if !item.is_text() {
            return item.refuse(
                "a purpose names its secret, `secret = \"NAME\"`; `[secret.*]` tables stand in a \
                 file without a `purpose`",
            );
        }
        item.parsed::<SecretName>()
    });
    let unsaid = unsaid(secret.as_ref().and_then(kind_of));
    let deliver = root.value_or("deliver", unsaid, deliver);
    let fallback = root.value_or("fallback", None, |item| {
        fallback(item, secret.as_ref()).map(Some)
    });
    if root
        .item("repositories")
        .or_else(|| root.item("organization"))
        .is_none()
    {
        root.error("a purpose names `repositories`, `organization`, or both");
    }
    let repositories = root.value_or("repositories", Vec::new(), parts::repositories);
    let organization = root.value_or("organization", None, |item| item.parsed().map(Some));
    let permissions = root.required("permissions").and_then(parts::permissions);
    let ttl = root.value_or("ttl", DEFAULT_TTL, |item| ttl(item, DEFAULT_TTL));
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

/// What a purpose delivers that does not say it: what GitHub limits, or else what the broker does. Where
/// the kind is not known, the set is refused for that.
fn unsaid(kind: Option<SecretKind>) -> Delivery {
    match kind {
        Some(SecretKind::App) => Delivery::Installation,
        Some(SecretKind::Classic | SecretKind::FineGrained) | None => Delivery::Proxy,
    }
}

fn deliver(item: Item<'_>) -> Option<Delivery> {
    let all = [Delivery::Proxy, Delivery::Installation, Delivery::Raw];
    item.one_of(all, Delivery::as_str)
}

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
        return deliver.refuse(
            "a fallback hands out a stored personal access token itself: write \
             `deliver = \"raw\"` in it",
        );
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
    (default, max): (Duration, Duration),
) -> Option<(Duration, Duration)> {
    let said: Ttl = parts::ttl(item)?;
    let (default, max) = (said.default.unwrap_or(default), said.max.unwrap_or(max));
    if default > max {
        let (default, max) = (duration::format(default), duration::format(max));
        return item.refuse(format!(
            "`ttl.default` ({default}) is longer than `ttl.max` ({max}); name both"
        ));
    }
    Some((default, max))
}
