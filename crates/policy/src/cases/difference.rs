//! How a decision differs from what a case expects, and whether it gives more.

use std::collections::BTreeSet;

use broker_protocol::duration;
use broker_protocol::names::{OrgName, Permissions, RepoPattern};

use super::{Expect, Wanted, WantedFallback, said};
use crate::parts::{permission_beyond, repository_beyond};
use crate::request::{Decision, Denial, Grant};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which way.
    pub way: Way,
    /// In words.
    pub what: String,
}

/// Which way a decision differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It gives something that the case does not.
    More,
    /// It gives less, or the same by another rule.
    NotMore,
}

impl Way {
    const fn more_if(more: bool) -> Self {
        if more { Self::More } else { Self::NotMore }
    }
}

impl Expect {
    pub(super) fn differences(&self, decision: &Decision) -> Vec<Difference> {
        match (self, decision) {
            (Self::Allow(wanted), Decision::Allow(grant)) => wanted.differences(grant),
            (Self::Denied, Decision::Deny(Denial::NoRule | Denial::NoSuchPurpose)) => Vec::new(),
            (Self::TooWide { rule: wanted }, Decision::Deny(Denial::TooWide { rule, .. })) => {
                rule_difference(*wanted, rule).into_iter().collect()
            }
            (_, decision) => vec![Difference {
                way: Way::more_if(rank(decision) > self.rank()),
                what: format!("expected {}, got {}", self.word(), said(decision)),
            }],
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Denied => "denied",
            Self::TooWide { .. } => "too_wide",
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Denied => 0,
            Self::TooWide { .. } => 1,
            Self::Allow(_) => 2,
        }
    }
}

/// How much a decision gives. Whoever is told that an ask is too wide may ask for less.
const fn rank(decision: &Decision) -> u8 {
    match decision {
        Decision::Deny(Denial::NoRule | Denial::NoSuchPurpose) => 0,
        Decision::Deny(Denial::TooWide { .. }) => 1,
        Decision::Allow(_) => 2,
    }
}

impl Wanted {
    /// What the case does not name may be anything.
    fn differences(&self, grant: &Grant) -> Vec<Difference> {
        let mut found = Vec::from_iter(rule_difference(self.rule, &grant.rule));
        let mut differ = |name: &str, wanted: String, got: String, way| {
            if wanted != got {
                let what = format!("expected {name} {wanted}, got {got}");
                found.push(Difference { way, what });
            }
        };
        if let Some(wanted) = &self.repositories {
            let beyond = repository_beyond(&grant.repositories, wanted, "");
            let got = repositories(&grant.repositories);
            let way = Way::more_if(beyond.is_some());
            differ("repositories", repositories(wanted), got, way);
        }
        if let Some(wanted) = &self.organization {
            let got = grant.organization.as_ref();
            let way = Way::more_if(got.is_some());
            let got = got.map_or_else(none, OrgName::to_string);
            differ("organization", wanted.to_string(), got, way);
        }
        if let Some(wanted) = &self.permissions {
            let beyond = permission_beyond(&grant.permissions, wanted, "");
            let got = permissions(&grant.permissions);
            let way = Way::more_if(beyond.is_some());
            differ("permissions", permissions(wanted), got, way);
        }
        if let Some(wanted) = self.ttl {
            let way = Way::more_if(grant.ttl > wanted);
            let got = duration::format(grant.ttl);
            differ("ttl", duration::format(wanted), got, way);
        }
        if let Some(wanted) = &self.secret {
            // Another credential; how much it can do is not said here.
            let got = grant.secret.to_string();
            differ("secret", wanted.to_string(), got, Way::More);
        }
        if let Some(wanted) = self.deliver {
            let got = grant.deliver;
            let way = Way::more_if(got > wanted);
            let (wanted, got) = (wanted.as_str().to_owned(), got.as_str().to_owned());
            differ("deliver", wanted, got, way);
        }
        if let Some(wanted) = &self.fallback {
            let got = grant.fallback.as_ref();
            let way = Way::more_if(got.is_some());
            let got = got.map_or_else(none, |fallback| fallback.secret.to_string());
            let wanted = match wanted {
                WantedFallback::On(secret) => secret.to_string(),
                WantedFallback::None => none(),
            };
            differ("fallback", wanted, got, way);
        }
        found
    }
}

fn none() -> String {
    "none".to_owned()
}

fn rule_difference(wanted: Option<u64>, rule: &str) -> Option<Difference> {
    let wanted = wanted?.to_string();
    let (_, got) = rule.rsplit_once('#')?;
    (wanted != got).then(|| Difference {
        way: Way::NotMore,
        what: format!("expected rule {wanted}, got rule {got}"),
    })
}

fn repositories(list: &[RepoPattern]) -> String {
    let sorted: BTreeSet<_> = list.iter().map(RepoPattern::as_str).collect();
    format!("[{}]", Vec::from_iter(sorted).join(", "))
}

fn permissions(all: &Permissions) -> String {
    let pairs = all
        .iter()
        .map(|(name, level)| format!("{name}: {}", level.as_str()));
    format!("{{{}}}", Vec::from_iter(pairs).join(", "))
}
