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
    /// Whether the decision gives something that the case does not; else it gives less, or the same by
    /// another rule.
    pub gives_more: bool,
    /// In words.
    pub what: String,
}

impl Expect {
    pub(super) fn differences(&self, decision: &Decision) -> Vec<Difference> {
        match (self, decision) {
            (Self::Allow(wanted), Decision::Allow(grant)) => wanted.differences(grant),
            (Self::Denied, Decision::Deny(Denial::NoRule | Denial::NoSuchPurpose)) => Vec::new(),
            (Self::TooWide { rule: wanted }, Decision::Deny(Denial::TooWide { rule, .. })) => {
                rule_difference(*wanted, rule).into_iter().collect()
            }
            (_, decision) => {
                let (word, rank) = self.word_and_rank();
                vec![Difference {
                    gives_more: rank_of(decision) > rank,
                    what: format!("expected {word}, got {}", said(decision)),
                }]
            }
        }
    }

    const fn word_and_rank(&self) -> (&'static str, u8) {
        match self {
            Self::Denied => ("denied", 0),
            Self::TooWide { .. } => ("too_wide", 1),
            Self::Allow(_) => ("allow", 2),
        }
    }
}

/// How much a decision gives. Whoever is told that an ask is too wide may ask for less.
const fn rank_of(decision: &Decision) -> u8 {
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
        let mut differ = |name: &str, wanted: String, got: String, gives_more| {
            if wanted != got {
                let what = format!("expected {name} {wanted}, got {got}");
                found.push(Difference { gives_more, what });
            }
        };
        if let Some(wanted) = &self.repositories {
            let beyond = repository_beyond(&grant.repositories, wanted, "");
            let got = repositories(&grant.repositories);
            let more = beyond.is_some();
            differ("repositories", repositories(wanted), got, more);
        }
        if let Some(wanted) = &self.organization {
            let got = grant.organization.as_ref();
            let more = got.is_some();
            let got = got.map_or_else(none, OrgName::to_string);
            differ("organization", wanted.to_string(), got, more);
        }
        if let Some(wanted) = &self.permissions {
            let beyond = permission_beyond(&grant.permissions, wanted, "");
            let got = permissions(&grant.permissions);
            let more = beyond.is_some();
            differ("permissions", permissions(wanted), got, more);
        }
        if let Some(wanted) = self.ttl {
            let more = grant.ttl > wanted;
            let got = duration::format(grant.ttl);
            differ("ttl", duration::format(wanted), got, more);
        }
        if let Some(wanted) = &self.secret {
            // Another credential; how much it can do is not said here.
            let got = grant.secret.to_string();
            differ("secret", wanted.to_string(), got, true);
        }
        if let Some(wanted) = self.deliver {
            let got = grant.deliver;
            let more = got > wanted;
            let (wanted, got) = (wanted.as_str().to_owned(), got.as_str().to_owned());
            differ("deliver", wanted, got, more);
        }
        if let Some(wanted) = &self.fallback {
            let got = grant.fallback.as_ref();
            let more = got.is_some();
            let got = got.map_or_else(none, |fallback| fallback.secret.to_string());
            let wanted = match wanted {
                WantedFallback::On(secret) => secret.to_string(),
                WantedFallback::None => none(),
            };
            differ("fallback", wanted, got, more);
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
        gives_more: false,
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
