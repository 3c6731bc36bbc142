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

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Delivery, OrgName, Permissions, Purpose, RepoPattern, SecretName};

use super::document::{Document, Item, Table};
use super::finding::{Place, PolicyErrors, did_you_mean};
use super::request::{Caller, Decision, Denial, Grant, Request};
use super::who::{self, Accounts, Host, NOBODY, NamesOnly};
use super::{PolicyFile, PolicySet, decide, parts};

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

fn read(root: Table<'_>, set: &PolicySet, names: &NamesOnly) -> Vec<Case> {
    let root = root.refuse_unknown(&["case"]);
    let tables = root.item("case").map(|item| item.tables("a case", "case"));
    let tables = tables.unwrap_or_default();
    if tables.is_empty() {
        root.error("a decision table holds at least one `[[case]]`");
    }
    let mut taken = BTreeSet::new();
    let cases = tables.into_iter().filter_map(|table| {
        let case = case(table, set, names)?;
        if !taken.insert(case.name.clone()) {
            table.error(format!("two cases are called “{}”", case.name));
        }
        Some(case)
    });
    cases.collect()
}

fn case(table: Table<'_>, set: &PolicySet, names: &NamesOnly) -> Option<Case> {
    let table = table.refuse_unknown(CASE_KEYS);
    let name = table.required("name").and_then(name);
    let caller = table
        .required("caller")
        .and_then(|item| caller(item, names));
    let request = table
        .required("ask")
        .and_then(|item| ask(item, caller?, set));
    let expect = table
        .required("expect")
        .and_then(|item| expect(item, table));
    Some(Case {
        place: table.place(),
        name: name?.to_owned(),
        request: request?,
        expect: expect?,
    })
}

fn name(item: Item<'_>) -> Option<&str> {
    let name = item.text()?;
    if name.is_empty() || name.chars().count() > 200 || name.contains(char::is_control) {
        item.error("`name` must be one line of at most 200 characters");
        return None;
    }
    Some(name)
}

const CASE_KEYS: &[&str] = &[
    "name",
    "caller",
    "ask",
    "expect",
    "rule",
    "repositories",
    "organization",
    "permissions",
    "ttl",
    "secret",
    "deliver",
    "fallback",
];

/// What only a grant has.
const GRANT_KEYS: &[&str] = &[
    "repositories",
    "organization",
    "permissions",
    "ttl",
    "secret",
    "deliver",
    "fallback",
];

const CALLER_KEYS: &[&str] = &[
    "user",
    "uid",
    "group",
    "groups",
    "gid",
    "unit",
    "user_unit",
    "exe",
    "sha256",
];

/// A caller of whom only what stands here is known. `{}` is a stranger.
fn caller(item: Item<'_>, names: &NamesOnly) -> Option<Caller> {
    let table = item.table("a caller")?.refuse_unknown(CALLER_KEYS);
    if table.item("user").is_some() && table.item("uid").is_some() {
        item.error("a caller has one account: name `user` or `uid`");
    }
    let text = |key| table.item(key).and_then(Item::text);
    let number = |key| table.item(key).and_then(who::number);
    let unit = |key| table.item(key).and_then(who::unit).map(String::from);
    let mut groups: Vec<u32> = text("group")
        .and_then(|name| names.gid(name))
        .into_iter()
        .collect();
    if let Some(item) = table.item("groups") {
        groups.extend(item.list(|element| names.gid(element.text()?))?);
    }
    Some(Caller {
        started: None,
        uid: text("user")
            .and_then(|name| names.uid(name))
            .or_else(|| number("uid"))
            .unwrap_or(NOBODY),
        gid: number("gid").unwrap_or(NOBODY),
        groups,
        pid: None,
        unit: unit("unit"),
        user_unit: unit("user_unit"),
        exe: text("exe").map(str::to_owned),
        sha256: table.item("sha256").and_then(who::sha256),
    })
}

fn ask(item: Item<'_>, caller: Caller, set: &PolicySet) -> Option<Request> {
    const KEYS: &[&str] = &[
        "purpose",
        "repositories",
        "organization",
        "permissions",
        "ttl",
    ];
    let table = item.table("an `ask`")?.refuse_unknown(KEYS);
    let wanted = table.required("purpose")?;
    let purpose: Purpose = wanted.parsed()?;
    if set.purpose(&purpose).is_none() {
        // Denied, of course; but in a table it is a slip, and a table must not pass by one.
        let known = set.purposes().map(|policy| policy.purpose().as_str());
        let meant = did_you_mean(purpose.as_str(), known);
        wanted.error(format!("there is no purpose `{purpose}`{meant}"));
    }
    Some(Request {
        caller: Arc::new(caller),
        purpose,
        repositories: table.item("repositories").and_then(parts::repositories),
        organization: table.item("organization").and_then(Item::parsed),
        permissions: table.item("permissions").and_then(parts::permissions),
        ttl: table.item("ttl").and_then(Item::duration),
    })
}

fn expect(item: Item<'_>, table: Table<'_>) -> Option<Expect> {
    let rule = table
        .item("rule")
        .and_then(|item| item.number(u64::from(u32::MAX)));
    let expect = match item.text()? {
        "allow" => {
            let wanted = Wanted {
                rule,
                repositories: table.item("repositories").and_then(parts::repositories),
                organization: table.item("organization").and_then(Item::parsed),
                permissions: table.item("permissions").and_then(parts::permissions),
                ttl: table.item("ttl").and_then(Item::duration),
                secret: table.item("secret").and_then(Item::parsed),
                deliver: table.item("deliver").and_then(deliver),
                fallback: table.item("fallback").and_then(fallback),
            };
            return Some(Expect::Allow(Box::new(wanted)));
        }
        "denied" => Expect::Denied,
        "too_wide" => Expect::TooWide { rule },
        other => {
            let meant = did_you_mean(other, ["allow", "denied", "too_wide"]);
            item.error(format!(
                "`expect` must be `allow`, `denied` or `too_wide`{meant}"
            ));
            return None;
        }
    };
    let rule = matches!(expect, Expect::Denied).then_some("rule");
    let others = rule.iter().chain(GRANT_KEYS);
    for item in others.filter_map(|key| table.item(key)) {
        item.error(format!(
            "`{}` says what is granted, and this case expects nothing to be",
            item.key
        ));
    }
    Some(expect)
}

fn deliver(item: Item<'_>) -> Option<String> {
    let text = item.text()?;
    let words = [Delivery::Installation, Delivery::Proxy, Delivery::Raw].map(Delivery::as_str);
    if !words.contains(&text) {
        let meant = did_you_mean(text, words);
        item.error(format!(
            "`deliver` must be `installation`, `proxy` or `raw`{meant}"
        ));
        return None;
    }
    Some(text.to_owned())
}

/// The name of a secret, or `false`.
fn fallback(item: Item<'_>) -> Option<WantedFallback> {
    if item.is_false() {
        return Some(WantedFallback::None);
    }
    item.parsed().map(WantedFallback::On)
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
