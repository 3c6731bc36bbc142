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

mod difference;
mod read;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::names::{Delivery, OrgName, Permissions, Purpose, RepoPattern, SecretName};

pub use self::difference::Difference;
use self::read::read;
use super::document::{Document, Table};
use super::finding::{Finding, Place, PolicyErrors};
use super::request::{Decision, Denial, Request};
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
    /// Where the case is written.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// What policy said, in words.
    pub said: String,
    /// How that differs from what the case expects; empty if it does not.
    pub differences: Vec<Difference>,
}

impl Outcome {
    fn gives_more(&self) -> bool {
        self.differences.iter().any(|one| one.gives_more)
    }

    /// All differences on one line.
    #[must_use]
    pub fn differs(&self) -> String {
        let what = self.differences.iter().map(|one| one.what.as_str());
        Vec::from_iter(what).join("; ")
    }
}

/// What the tables of a set say to putting it in force.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The cases that policy gives more than: the set is refused.
    pub refused: Vec<Finding>,
    /// All else that is not as the tables say, what is wrong in the tables themselves included. It
    /// hinders nothing: taking access away must not wait for a table.
    pub warnings: Vec<Finding>,
}

/// Runs the tables of a set that is to be put in force. The set itself has no errors.
#[must_use]
pub fn verdict(policies: &[PolicyFile], tables: &[PolicyFile]) -> Verdict {
    let mut verdict = Verdict::default();
    let Some(first) = tables.first() else {
        return verdict;
    };
    let names = NamesOnly::default();
    let set = match PolicySet::parse(policies, &names, &Host::anywhere()) {
        Ok(set) => set,
        Err(errors) => {
            // Only where account names of this machine make the difference.
            let place = Place {
                file: first.name.as_str().into(),
                line: 1,
            };
            verdict.warnings.push(place.finding(format!(
                "the decision tables were not run, for without accounts: {errors}"
            )));
            return verdict;
        }
    };
    let (cases, errors) = read_all(tables, &set, &names);
    verdict.warnings.extend(errors);
    for outcome in report(&set, cases).outcomes {
        let (name, differs) = (&outcome.name, outcome.differs());
        if outcome.gives_more() {
            verdict.refused.push(outcome.place.finding(format!(
                "policy gives more than the case “{name}” says: {differs}; correct the policy, or \
                 the case if that is meant"
            )));
        } else if !outcome.differences.is_empty() {
            verdict.warnings.push(outcome.place.finding(format!(
                "policy is not as the case “{name}” says: {differs}"
            )));
        }
    }
    verdict
}

/// Reads policies and tables, and decides every case.
///
/// # Errors
///
/// What is wrong in the policies or, if nothing is, in the tables.
pub fn run(policies: &[PolicyFile], tables: &[PolicyFile]) -> Result<Report, PolicyErrors> {
    let names = NamesOnly::default();
    let set = PolicySet::parse(policies, &names, &Host::anywhere())?;
    let (cases, errors) = read_all(tables, &set, &names);
    PolicyErrors::none_in(errors)?;
    Ok(report(&set, cases))
}

/// The cases that could be read, and what kept others from it.
fn read_all(
    tables: &[PolicyFile],
    set: &PolicySet,
    names: &NamesOnly,
) -> (Vec<Case>, Vec<Finding>) {
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for file in tables {
        let document = Document::new(file);
        if let Some(entries) = document.parse() {
            let root = Table::root(&document, &entries, "a decision table");
            cases.extend(read(root, set, names));
        }
        errors.extend(document.into_findings().errors);
    }
    (cases, errors)
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
    let rules = tested.into_iter().flat_map(|policy| &policy.rules);
    Report {
        outcomes,
        untested: untested
            .into_iter()
            .map(|policy| (policy.purpose().clone(), policy.place.clone()))
            .collect(),
        unused: rules
            .filter(|rule| !allowed_by.contains(&rule.terms.rule))
            .map(|rule| (Arc::clone(&rule.terms.rule), rule.place.clone()))
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
    deliver: Option<Delivery>,
    fallback: Option<WantedFallback>,
}

/// Which secret a grant falls back on.
enum WantedFallback {
    On(SecretName),
    None,
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
