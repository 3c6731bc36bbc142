//! Reads `caller = { … }`, and refuses what no caller can be.

use broker_protocol::names::{NoAccountName, check_account};

use super::{Accounts, Attribute, Host, UNKNOWN_ACCOUNT, Who};
use crate::document::{Item, Table, printable};

/// Reads `caller = { … }`.
pub(crate) fn read(item: Item<'_>, accounts: &dyn Accounts, host: &Host) -> Option<Who> {
    let table = item.table("a `caller`")?.refuse_unknown(ATTRIBUTES);
    if table.is_empty() {
        return item.refuse(format!(
            "`caller` is empty and would match no caller: name {}",
            ATTRIBUTES.join(", ")
        ));
    }
    let uid = table.item("uid").and_then(|item| number(item));
    let user = table
        .item("user")
        .and_then(|item| user(item, uid, accounts));
    let group = table.item("group").and_then(|item| group(item, accounts));
    let gid = table.item("gid").and_then(|item| number(item));
    let unit = |key| table.item(key).and_then(unit);
    let who = Who([
        user,
        uid.map(Attribute::Uid),
        group,
        gid.map(Attribute::Gid),
        unit("unit").map(Attribute::Unit),
        unit("user_unit").map(Attribute::UserUnit),
        table.item("exe").and_then(exe).map(Attribute::Exe),
        table.item("sha256").and_then(sha256).map(Attribute::Sha256),
    ]
    .into_iter()
    .flatten()
    .collect());
    refuse_impossible(table, &who, host);
    (!who.0.is_empty()).then_some(who)
}

/// The keys of `caller`.
pub(crate) const ATTRIBUTES: &[&str] = &[
    "user",
    "uid",
    "group",
    "gid",
    "unit",
    "user_unit",
    "exe",
    "sha256",
];

/// Combinations that no caller can have, or that this broker cannot see.
fn refuse_impossible(table: Table<'_>, who: &Who, host: &Host) {
    let names = |key| table.item(key);
    if let Some(item) = names("user_unit")
        && names("user").is_none()
        && names("uid").is_none()
    {
        item.error(
            "every account can make a unit of this name: `user_unit` needs `user` or `uid` beside it",
        );
    }
    if let (Some(unit), Some(item)) = (names("unit").and_then(Item::text), names("user_unit"))
        && !unit.starts_with("user@")
    {
        item.error(format!(
            "no process is in the system unit `{}` and in a unit of an account's own manager: name one",
            printable(unit)
        ));
    }
    for item in [names("exe"), names("sha256")].into_iter().flatten() {
        refuse_unreadable(item, who, host);
    }
}

/// Which program another account runs, only a privileged broker could read.
fn refuse_unreadable(item: Item<'_>, who: &Who, host: &Host) {
    let key = item.key;
    let other = match (who.account(), host.uid) {
        (_, Some(0)) => false,
        (Some(account), Some(own)) => account != own,
        (None, _) | (Some(_), None) => host.system_service,
    };
    if other {
        item.error(format!(
            "the broker cannot read which program another account runs, so a rule with `{key}` would \
             never match here: use `unit`, or `user` alone"
        ));
    }
}

pub(crate) fn number(item: Item<'_>) -> Option<u32> {
    let number = item.number(u64::from(UNKNOWN_ACCOUNT - 1))?;
    u32::try_from(number).ok()
}

fn user(item: Item<'_>, uid: Option<u32>, accounts: &dyn Accounts) -> Option<Attribute> {
    let name = account_name(item, "uid")?;
    let found = accounts.uid(name);
    if !accounts.of_a_machine() {
        // Beside a `uid` the name is that number's, whatever the number is.
        return Some(Attribute::User(name.into(), uid.or(found)));
    }
    match (found, uid) {
        (None, _) => item.warn(format!(
            "no account `{name}` on this machine: the rule matches no caller here"
        )),
        (Some(found), Some(uid)) if found != uid => item.error(format!(
            "account `{name}` has uid {found} and not {uid}: the rule can never match"
        )),
        (Some(_), _) => {}
    }
    Some(Attribute::User(name.into(), found))
}

fn group(item: Item<'_>, accounts: &dyn Accounts) -> Option<Attribute> {
    let name = account_name(item, "gid")?;
    let found = accounts.gid(name);
    if found.is_none() {
        item.warn(format!(
            "no group `{name}` on this machine: the rule matches no caller here"
        ));
    }
    Some(Attribute::Group(name.into(), found))
}

fn account_name<'d>(item: Item<'d>, number: &str) -> Option<&'d str> {
    let name = item.text()?;
    match check_account(name) {
        Ok(()) => Some(name),
        Err(NoAccountName::Impossible) => {
            let (key, name) = (item.key, printable(name));
            item.refuse(format!("`{name}` is not the name of a {key}"))
        }
        Err(NoAccountName::Number) => {
            item.refuse(format!("`{name}` is a number: write `{number} = {name}`"))
        }
    }
}

/// The full name of a running service or scope, as systemd allows it.
pub(crate) fn unit(item: Item<'_>) -> Option<Box<str>> {
    let name = item.text()?;
    let stem = name
        .strip_suffix(".service")
        .or_else(|| name.strip_suffix(".scope"));
    let Some(stem) = stem else {
        return item.refuse(format!(
            "`{}` is not a unit that holds processes: its name ends in `.service` or `.scope`",
            printable(name)
        ));
    };
    let good = |b: u8| b.is_ascii_alphanumeric() || b":-_.\\@".contains(&b);
    let template = stem.ends_with('@');
    if stem.is_empty()
        || stem.starts_with('@')
        || template
        || name.len() > 255
        || !stem.bytes().all(good)
    {
        let name = printable(name);
        return item.refuse(if template {
            format!("`{name}` is a template, which never runs: name one instance of it")
        } else {
            format!("`{name}` is not the name of a unit; write it out, patterns are not allowed")
        });
    }
    Some(name.into())
}

fn exe(item: Item<'_>) -> Option<Box<str>> {
    let path = item.text()?;
    let canonical = path.strip_prefix('/').is_some_and(|rest| {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        rest.split('/').all(plain) && !rest.contains(char::is_control)
    });
    if !canonical {
        return item.refuse(format!(
            "`{}` is not the canonical path of a program: write it from `/`, without links, `.` or `..`",
            printable(path)
        ));
    }
    if let Some(name) = path.rsplit('/').next()
        && runs_anything(name)
    {
        item.warn(format!(
            "`{name}` runs or passes on whatever its user tells it, so this names no program in \
             particular: prefer `unit` or `user`"
        ));
    }
    Some(path.into())
}

/// Whether naming this program in a rule says next to nothing about who asks.
fn runs_anything(program: &str) -> bool {
    let name = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    RUN_ANYTHING.contains(&name)
}

/// Interpreters, and the programs that fetch on anyone's behalf.
const RUN_ANYTHING: &[&str] = &[
    "ash", "awk", "bash", "bun", "busybox", "curl", "dash", "deno", "env", "fish", "gawk", "java",
    "ksh", "lua", "mawk", "nc", "node", "nodejs", "perl", "php", "pwsh", "pypy", "python", "ruby",
    "sh", "socat", "tclsh", "tokenctl", "wget", "zsh",
];

pub(crate) fn sha256(item: Item<'_>) -> Option<[u8; 32]> {
    let text = item.text()?;
    let hash = from_hex(text);
    if hash.is_none() {
        item.error("`sha256` must be 64 hexadecimal digits, as `sha256sum` prints them");
    }
    hash
}

/// 64 hexadecimal digits.
fn from_hex(text: &str) -> Option<[u8; 32]> {
    // Numbers may have a sign, digits have none.
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(pair).collect();
    bytes?.try_into().ok()
}
