//! Reads one `[[allow]]`: the purpose's terms, narrowed.

use std::sync::Arc;

use broker_protocol::names::{Delivery, OrgName, RepoPattern};

use super::read::ttl;
use super::{Rule, proxy};
use crate::document::{Item, Table};
use crate::parts;
use crate::request::Terms;
use crate::who::{self, Accounts, Host};

const RULE_KEYS: &[&str] = &[
    "caller",
    "repositories",
    "organization",
    "permissions",
    "ttl",
    "approval",
];

/// Reads one `[[allow]]`. Without `whole` (the purpose is wrong itself) only the form is checked.
pub(super) fn rule(
    table: Table<'_>,
    number: usize,
    whole: Option<&Terms>,
    accounts: &dyn Accounts,
    host: &Host,
) -> Option<Rule> {
    let table = table.refuse_unknown(&[RULE_KEYS, &proxy::KEYS].concat());
    if let Some(item) = table.item("approval") {
        item.error(
            "`approval` does not exist in this version, and nothing would honour it: remove it",
        );
    }
    for item in proxy::KEYS.iter().filter_map(|key| table.item(key)) {
        item.error(format!(
            "`{}` is a key of the purpose: write it before the first `[[allow]]`",
            item.key
        ));
    }
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
        (terms.ttl, terms.ttl_max) = ttl(item, (whole.ttl, whole.ttl_max))?;
        refuse(
            item,
            parts::ttl_beyond(terms.ttl_max, whole.ttl_max, PURPOSE),
        );
    }
    warn_of_raw_narrowing(table, whole, &terms);
    Some(terms)
}

const PURPOSE: &str = "the purpose";

/// No one holds the caller of a raw token to anything; a rule that seems to deserves a word.
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
pub(super) fn refuse_shadowed(tables: &[Table<'_>], rules: &[Rule]) {
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
