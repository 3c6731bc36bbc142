//! Decision tables: `*.cases.toml`, which say in advance what policy must say.
//!
//! ```toml
//! [[case]]
//! name   = "the unit may write issues"
//! caller = { unit = "label-sync.service" }
//! ask    = { purpose = "label-sync", permissions = { issues = "write" } }
//! expect = "allow"
//! rule   = 1
//! ```
//!
//! Account names stand for themselves here ([`NamesOnly`]), so a table needs no accounts and means
//! the same in a laptop's checkout and in CI.

mod read;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{OrgName, Permissions, Purpose, RepoPattern, SecretName};

use self::read::read;
use super::document::{Document, Table};
use super::finding::{Place, PolicyErrors};
use super::request::{Decision, Denial, Grant, Request};
use super::who::{Host, NamesOnly};
use super::{PolicyFile, PolicySet, decide};

/// What running the tables of a set showed.
#[derive(Debug)]
pub struct Report {
    /// One entry a case, in the order of files and lines.
    pub outcomes: Vec<Outcome>,
    /// Purposes that no case asks for, with their files.
    pub untested: Vec<(Purpose, Place)>,
    /// Rules of tested purposes that no case was allowed by: where they stand.
    pub unused: Vec<(Arc<str>, Place)>,
}

impl Report {
    /// How many cases failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        let failed = |outcome: &&Outcome| !outcome.differences.is_empty();
        self.outcomes.iter().filter(failed).count()
    }
}

/// One case, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Where the case stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// What policy said, in words.
    pub said: String,
    /// How that differs from what the case expects; empty if it does not.
    pub differences: Vec<String>,
}

/// Reads policies and tables, and decides every case.
///
/// # Errors
///
/// What is wrong in the policies or, if nothing is, in the tables.
pub fn run(policies: &[PolicyFile], tables: &[PolicyFile]) -> Result<Report, PolicyErrors> {
    let names = NamesOnly::default();
    let set = PolicySet::parse(policies, &names, &Host::anywhere())?;
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for file in tables {
        let document = Document::new(file);
        if let Some(entries) = document.parse() {
            let root = Table::root(&document, &entries, "a decision table");
            cases.extend(read(root, &set, &names));
        }
        errors.extend(document.into_findings().0);
    }
    PolicyErrors::none_in(errors)?;
    Ok(report(&set, cases))
}

fn report(set: &PolicySet, cases: Vec<Case>) -> Report {
    let mut asked = BTreeSet::new();
    let mut allowed_by = BTreeSet::new();
    let mut outcomes = Vec::new();
    for case in cases {
        let decision = decide(set, &case.request);
        if let Decision::Allow(grant) = &decision {
            allowed_by.insert(Arc::clone(&grant.rule));
        }
        outcomes.push(Outcome {
            place: case.place,
            name: case.name,
            said: said(&decision),
            differences: case.expect.differences(&decision),
        });
        asked.insert(case.request.purpose);
    }
    let (tested, untested): (Vec<_>, Vec<_>) = set
        .purposes()
        .partition(|policy| asked.contains(policy.purpose()));
    let rules = tested.into_iter().flat_map(|policy| policy.rules());
    Report {
        outcomes,
        untested: untested
            .into_iter()
            .map(|policy| (policy.purpose().clone(), policy.place().clone()))
            .collect(),
        unused: rules
            .filter(|rule| !allowed_by.contains(&rule.terms().rule))
            .map(|rule| (Arc::clone(&rule.terms().rule), rule.place().clone()))
            .collect(),
    }
}

struct Case {
    place: Place,
    name: String,
    request: Request,
    expect: Expect,
}

enum Expect {
    Allow(Box<Wanted>),
    Denied,
    TooWide { rule: Option<u64> },
}

/// What a grant must be; what is `None` may be anything.
struct Wanted {
    rule: Option<u64>,
    repositories: Option<Vec<RepoPattern>>,
    organization: Option<OrgName>,
    permissions: Option<Permissions>,
    ttl: Option<Duration>,
    secret: Option<SecretName>,
    deliver: Option<String>,
    fallback: Option<WantedFallback>,
}

/// Which secret a grant falls back on.
enum WantedFallback {
    On(SecretName),
    None,
}

impl Expect {
    fn differences(&self, decision: &Decision) -> Vec<String> {
        match (self, decision) {
            (Self::Allow(wanted), Decision::Allow(grant)) => wanted.differences(grant),
            (Self::Denied, Decision::Deny(Denial::NoRule | Denial::NoSuchPurpose)) => Vec::new(),
            (Self::TooWide { rule: wanted }, Decision::Deny(Denial::TooWide { rule, .. })) => {
                rule_difference(*wanted, rule).into_iter().collect()
            }
            (_, decision) => vec![format!("expected {}, got {}", self.word(), said(decision))],
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Denied => "denied",
            Self::TooWide { .. } => "too_wide",
        }
    }
}

impl Wanted {
    fn differences(&self, grant: &Grant) -> Vec<String> {
        let mut found: Vec<String> = rule_difference(self.rule, &grant.rule)
            .into_iter()
            .collect();
        let mut differ = |what: &str, wanted: Option<String>, got: String| {
            if let Some(wanted) = wanted
                && wanted != got
            {
                found.push(format!("expected {what} {wanted}, got {got}"));
            }
        };
        let wanted = self.repositories.as_deref().map(repositories);
        differ("repositories", wanted, repositories(&grant.repositories));
        let organization = grant.organization.as_ref();
        let got = organization.map_or_else(none, OrgName::to_string);
        let wanted = self.organization.as_ref().map(OrgName::to_string);
        differ("organization", wanted, got);
        let wanted = self.permissions.as_ref().map(permissions);
        differ("permissions", wanted, permissions(&grant.permissions));
        differ(
            "ttl",
            self.ttl.map(duration::format),
            duration::format(grant.ttl),
        );
        let wanted = self.secret.as_ref().map(SecretName::to_string);
        differ("secret", wanted, grant.secret.to_string());
        let got = grant.deliver.as_str().to_owned();
        differ("deliver", self.deliver.clone(), got);
        let fallback = grant.fallback.as_ref();
        let got = fallback.map_or_else(none, |fallback| fallback.secret.to_string());
        let wanted = self.fallback.as_ref().map(|wanted| match wanted {
            WantedFallback::On(secret) => secret.to_string(),
            WantedFallback::None => none(),
        });
        differ("fallback", wanted, got);
        found
    }
}

fn none() -> String {
    "none".to_owned()
}

fn rule_difference(wanted: Option<u64>, rule: &str) -> Option<String> {
    let wanted = wanted?.to_string();
    let (_, got) = rule.rsplit_once('#')?;
    (wanted != got).then(|| format!("expected rule {wanted}, got rule {got}"))
}

fn said(decision: &Decision) -> String {
    match decision {
        Decision::Allow(grant) => match &grant.fallback {
            None => format!("allow by {}", grant.rule),
            Some(fallback) => format!("allow by {}, falls back on {}", grant.rule, fallback.secret),
        },
        Decision::Deny(Denial::NoSuchPurpose) => "denied: no such purpose".to_owned(),
        Decision::Deny(Denial::NoRule) => "denied: no rule matches".to_owned(),
        Decision::Deny(Denial::TooWide { rule, what }) => format!("too_wide by {rule}: {what}"),
    }
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
