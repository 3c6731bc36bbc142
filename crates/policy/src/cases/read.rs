//! How a table says who asks for what, and what is expected.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_protocol::names::{Delivery, Purpose};
use broker_protocol::similar::did_you_mean;

use super::{Case, Expect, Wanted, WantedFallback};
use crate::document::{Item, Table};
use crate::request::{Caller, Request};
use crate::who::{self, Accounts, NamesOnly, UNKNOWN_ACCOUNT};
use crate::{PolicySet, parts};

pub(super) fn read(root: Table<'_>, set: &PolicySet, names: &NamesOnly) -> Vec<Case> {
    let root = root.refuse_unknown(&["case"]);
    let tables = root.tables("case", "a case", "case");
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
    let table = table.refuse_unknown(&[CASE_KEYS, GRANT_KEYS].concat());
    let name = table.required("name").and_then(|item| item.line(1));
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

const CASE_KEYS: &[&str] = &["name", "caller", "ask", "expect", "rule"];

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

/// A caller of whom only what stands here is known. `{}` is a stranger.
fn caller(item: Item<'_>, names: &NamesOnly) -> Option<Caller> {
    let keys = [who::ATTRIBUTES, &["groups"]].concat();
    let table = item.table("a caller")?.refuse_unknown(&keys);
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
        uid: text("user")
            .and_then(|name| names.uid(name))
            .or_else(|| number("uid"))
            .unwrap_or(UNKNOWN_ACCOUNT),
        gid: number("gid").unwrap_or(UNKNOWN_ACCOUNT),
        groups,
        unit: unit("unit"),
        user_unit: unit("user_unit"),
        exe: text("exe").map(str::to_owned),
        sha256: table.item("sha256").and_then(who::sha256),
        ..Caller::default()
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
    let expect = match item.one_of(["allow", "denied", "too_wide"], |word| word)? {
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
        _ => Expect::TooWide { rule },
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

fn deliver(item: Item<'_>) -> Option<Delivery> {
    let all = [Delivery::Installation, Delivery::Proxy, Delivery::Raw];
    item.one_of(all, Delivery::as_str)
}

/// The name of a secret, or `false`.
fn fallback(item: Item<'_>) -> Option<WantedFallback> {
    if item.is_false() {
        return Some(WantedFallback::None);
    }
    item.parsed().map(WantedFallback::On)
}
