//! What purposes, rules, secrets and decision tables have in common: repositories, organisation,
//! permissions and ttl; how each is read, and when one asks for more than another allows.
//!
//! The same comparison decides at load (a rule beyond its purpose) and at a request (an ask beyond
//! its rule), so the two cannot drift apart.

use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Level, OrgName, PermissionName, Permissions, RepoPattern};

use super::document::Item;
use super::installation::MOST_REPOSITORIES;
use super::known;

/// The longest a lease may live, renewals included.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// `["acme/site", "acme/*"]`
pub(super) fn repositories(item: Item<'_>) -> Option<Vec<RepoPattern>> {
    item.list(Item::parsed)
}

/// `{ issues = "write", metadata = "read" }`
pub(super) fn permissions(item: Item<'_>) -> Option<Permissions> {
    let table = item.table("`permissions`")?;
    if table.is_empty() {
        return item.refuse("`permissions` is empty: name at least one, or leave it out");
    }
    let mut all = Permissions::new();
    let mut whole = true;
    for entry in table.items() {
        match permission(entry) {
            Some((name, level)) => drop(all.insert(name, level)),
            None => whole = false,
        }
    }
    whole.then_some(all)
}

fn permission(entry: Item<'_>) -> Option<(PermissionName, Level)> {
    let name: PermissionName = entry.accept(entry.key.parse())?;
    let level: Level = entry.parsed()?;
    if let Some(wrong) = known::wrong_level(&name, level) {
        return entry.refuse(wrong);
    }
    if let Some(odd) = known::odd_permission(&name) {
        entry.warn(odd);
    }
    Some((name, level))
}

/// `{ default = "15m", max = "1h" }`, either of them or both.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Ttl {
    pub(super) default: Option<Duration>,
    pub(super) max: Option<Duration>,
}

pub(super) fn ttl(item: Item<'_>) -> Option<Ttl> {
    let table = item.table("`ttl`")?.refuse_unknown(&["default", "max"]);
    if table.is_empty() {
        return item.refuse("`ttl` is empty: name `default`, `max` or both, or leave it out");
    }
    let max = table.item("max").and_then(|item| {
        let max = item.duration()?;
        if max > LONGEST {
            return item.refuse(format!(
                "a lease lives at most 24h, so `max` cannot be {}",
                duration::format(max)
            ));
        }
        Some(max)
    });
    let default = table.item("default").and_then(Item::duration);
    Some(Ttl { default, max })
}

/// More repositories than a lease may be asked for by name, in words: as many as GitHub takes for a token,
/// whatever is delivered, because each record of the lease names them all. A rule that names
/// more itself may be asked for as many.
pub(super) fn too_many_named(asked: &[RepoPattern], rule: &[RepoPattern]) -> Option<String> {
    (asked.len() > MOST_REPOSITORIES.max(rule.len())).then(|| {
        let named = asked.len();
        format!("{named} repositories by name; a lease names at most {MOST_REPOSITORIES}")
    })
}

/// The first repository beyond those allowed, in words. `whose` is “the rule” or “the purpose”.
pub(super) fn repository_beyond(
    asked: &[RepoPattern],
    allowed: &[RepoPattern],
    whose: &str,
) -> Option<String> {
    let covered = |asked: &RepoPattern| allowed.iter().any(|pattern| pattern.covers(asked));
    let beyond = asked.iter().find(|asked| !covered(asked))?;
    let allows = match allowed {
        [] => "none".to_owned(),
        [one] => format!("`{one}`"),
        [one, others @ ..] => format!("`{one}` and {} more", others.len()),
    };
    Some(format!("repository `{beyond}`; {whose} allows {allows}"))
}

/// An organisation other than the allowed one, in words.
pub(super) fn organization_beyond(
    asked: &OrgName,
    allowed: Option<&OrgName>,
    whose: &str,
) -> Option<String> {
    match allowed {
        Some(allowed) if allowed == asked => None,
        Some(allowed) => Some(format!(
            "organisation `{asked}`; {whose} allows `{allowed}`"
        )),
        None => Some(format!("organisation `{asked}`; {whose} allows none")),
    }
}

/// The first permission beyond those allowed, in words.
pub(super) fn permission_beyond(
    asked: &Permissions,
    allowed: &Permissions,
    whose: &str,
) -> Option<String> {
    asked.iter().find_map(|(name, asked)| {
        let allows = match allowed.get(name) {
            Some(allowed) if allowed >= asked => return None,
            Some(allowed) => format!("allows `{}`", allowed.as_str()),
            None => "does not allow it".to_owned(),
        };
        let asked = asked.as_str();
        Some(format!("permission `{name}: {asked}`; {whose} {allows}"))
    })
}

/// A span longer than the allowed one, in words.
pub(super) fn ttl_beyond(asked: Duration, most: Duration, whose: &str) -> Option<String> {
    (asked > most).then(|| {
        let (asked, most) = (duration::format(asked), duration::format(most));
        format!("ttl {asked}; {whose} allows at most {most}")
    })
}
