//! One purpose and its rules, as one file says them.
//!
//! Each rule is kept with all it gives worked out: the parts it names and, for the rest, the
//! purpose's. So a decision looks at one rule and nothing else.
//!
//! What a later version will understand (`approval`, `budget`, the delivery `proxy`) is an error here
//! and never half honoured. What depends on the kind of the secret is looked at in `set`, where both
//! are known.

use std::sync::Arc;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Delivery, OrgName, Purpose, RepoPattern, SecretName};

use super::document::{Item, Table};
use super::finding::{Place, did_you_mean};
use super::parts::{self, Ttl};
use super::request::{Caller, Fallback, Terms};
use super::who::{self, Accounts, Host, Who};

/// A purpose: what it can give at the most, and who may have how much of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurposePolicy {
    pub(super) about: Option<String>,
    pub(super) whole: Terms,
    pub(super) rules: Vec<Rule>,
    /// Where the purpose is named.
    pub(super) place: Place,
    pub(super) places: Paths,
}

/// Where a purpose says what must be held against its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paths {
    /// The file as a whole.
    pub(super) whole: Place,
    pub(super) secret: Place,
    /// `None`: not written, and so it follows from the kind of the secret.
    pub(super) deliver: Option<Place>,
    pub(super) fallback: Option<Place>,
    pub(super) repositories: Option<Place>,
    pub(super) permissions: Option<Place>,
    pub(super) ttl: Option<Place>,
}

impl PurposePolicy {
    /// Its name.
    #[must_use]
    pub const fn purpose(&self) -> &Purpose {
        &self.whole.purpose
    }

    /// What it is for.
    #[must_use]
    pub fn about(&self) -> Option<&str> {
        self.about.as_deref()
    }

    /// What no rule can exceed. Its `rule` is the file's name alone: no rule gives exactly this.
    #[must_use]
    pub const fn whole(&self) -> &Terms {
        &self.whole
    }

    /// Its rules, in the order in which they are tried.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Where it is declared.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The first rule that matches; it decides alone.
    #[must_use]
    pub fn rule_for(&self, caller: &Caller) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.who.matches(caller))
    }
}

/// One `[[allow]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub(super) who: Who,
    pub(super) terms: Terms,
    pub(super) place: Place,
}

impl Rule {
    /// What it gives to those it matches: the default and the ceiling.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// The program it names, if it names one.
    #[must_use]
    pub fn exe(&self) -> Option<&str> {
        self.who.exe()
    }
}

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

const RULE_KEYS: &[&str] = &[
    "caller",
    "repositories",
    "organization",
    "permissions",
    "ttl",
    "approval",
];

/// Reads a file that has a `purpose`. `None` only with an error in the document.
pub(super) fn read(root: Table<'_>, accounts: &dyn Accounts, host: &Host) -> Option<PurposePolicy> {
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
        purpose.warn("no `[[allow]]`: nobody may use this purpose");
    }
    Some(PurposePolicy {
        about,
        whole: whole?,
        rules,
        place: purpose?.place(),
        places: Paths {
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

pub(super) const MEANWHILE: &str =
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
fn ttl(item: Item<'_>, default: Duration, max: Duration) -> Option<(Duration, Duration)> {
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

fn refuse_not_yet(table: Table<'_>, keys: &[&str]) {
    for item in keys.iter().filter_map(|key| table.item(key)) {
        item.error(format!(
            "`{}` does not exist in this version, and nothing would honour it: remove it",
            item.key
        ));
    }
}

/// Reads one `[[allow]]`. Without `whole` (the purpose is wrong itself) only the form is checked.
fn rule(
    table: Table<'_>,
    number: usize,
    whole: Option<&Terms>,
    accounts: &dyn Accounts,
    host: &Host,
) -> Option<Rule> {
    let table = table.refuse_unknown(RULE_KEYS);
    refuse_not_yet(table, &["approval"]);
    let who = table.required("caller");
    let who = who.and_then(|item| who::read(item, accounts, host));
    let terms = narrowed(table, number, whole);
    Some(Rule {
        who: who?,
        terms: terms?,
        place: table.place(),
    })
}

/// The purpose's terms with what the rule names in their place. Wider is an error.
fn narrowed(table: Table<'_>, number: usize, whole: Option<&Terms>) -> Option<Terms> {
    let repositories = table
        .item("repositories")
        .map(|item| (item, parts::repositories(item)));
    let organization = table
        .item("organization")
        .map(|item| (item, item.parsed::<OrgName>()));
    let permissions = table
        .item("permissions")
        .map(|item| (item, parts::permissions(item)));
    let ttl_item = table.item("ttl");

    let whole = whole?;
    let mut terms = whole.clone();
    terms.rule = format!("{}#{number}", table.document.name()).into();
    let refuse = |item: Item<'_>, beyond: Option<String>| {
        if let Some(beyond) = beyond {
            item.error(format!("a rule cannot be wider than its purpose: {beyond}"));
        }
    };
    if let Some((item, asked)) = repositories {
        let asked: Vec<RepoPattern> = asked?;
        refuse(
            item,
            parts::repository_beyond(&asked, &whole.repositories, PURPOSE),
        );
        terms.repositories = asked.into();
    }
    if let Some((item, asked)) = organization {
        let asked = asked?;
        refuse(
            item,
            parts::organization_beyond(&asked, whole.organization.as_ref(), PURPOSE),
        );
        terms.organization = Some(asked);
    }
    if let Some((item, asked)) = permissions {
        let asked = asked?;
        refuse(
            item,
            parts::permission_beyond(&asked, &whole.permissions, PURPOSE),
        );
        terms.permissions = Arc::new(asked);
    }
    if let Some(item) = ttl_item {
        (terms.ttl, terms.ttl_max) = ttl(item, whole.ttl, whole.ttl_max)?;
        refuse(
            item,
            parts::ttl_beyond(terms.ttl_max, whole.ttl_max, PURPOSE),
        );
    }
    warn_of_raw_narrowing(table, whole, &terms);
    Some(terms)
}

const PURPOSE: &str = "the purpose";

/// Nobody holds the caller of a raw token to anything; a rule that seems to deserves a word.
fn warn_of_raw_narrowing(table: Table<'_>, whole: &Terms, terms: &Terms) {
    let narrower =
        terms.permissions != whole.permissions || terms.repositories != whole.repositories;
    if terms.deliver == Delivery::Raw && narrower {
        table.warn(
            "with `deliver = \"raw\"` the caller gets the stored token itself: what this rule gives \
             less than its purpose is only recorded",
        );
    }
}

/// A rule behind one that matches all its callers can never speak.
fn refuse_shadowed(tables: &[Table<'_>], rules: &[Rule]) {
    for (n, (rule, table)) in rules.iter().zip(tables).enumerate() {
        let mut before = rules.iter().take(n);
        if let Some(first) = before.find(|earlier| earlier.who.shadows(&rule.who)) {
            let line = first.place.line;
            table.error(format!(
                "this rule can never match: the one in line {line} matches all its callers first"
            ));
        }
    }
}
