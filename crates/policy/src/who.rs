//! Whom a rule speaks for: the attributes of `caller = { … }`, and how they meet a real caller.
//!
//! A rule matches when every attribute it names equals the caller's. An attribute the caller lacks
//! equals nothing. What each attribute is worth is a table in `docs/reference/policies.md`.
//!
//! Account names are looked up when the policy is loaded, not at each request.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::document::{Item, Table, printable};
use super::request::Caller;

/// Looks up account names.
pub trait Accounts {
    /// The account of this name; `None` if there is none.
    fn uid(&self, user: &str) -> Option<u32>;
    /// The group of this name; `None` if there is none.
    fn gid(&self, group: &str) -> Option<u32>;
    /// Whether these are the accounts of a machine, so that a name that is missing, or that has
    /// another number, says something.
    fn of_a_machine(&self) -> bool {
        true
    }
}

/// Accounts for decision tables: every name exists and is an account of its own, so that a table
/// means the same on every machine.
#[derive(Debug, Default)]
pub struct NamesOnly {
    names: RefCell<BTreeMap<String, u32>>,
}

impl NamesOnly {
    /// Counted from the top, where machines have no accounts.
    fn number(&self, name: String) -> Option<u32> {
        let mut names = self.names.borrow_mut();
        let next = u32::try_from(names.len()).ok()?;
        let next = NOBODY.checked_sub(1)?.checked_sub(next)?;
        Some(*names.entry(name).or_insert(next))
    }
}

impl Accounts for NamesOnly {
    fn uid(&self, user: &str) -> Option<u32> {
        self.number(format!("user {user}"))
    }
    fn gid(&self, group: &str) -> Option<u32> {
        self.number(format!("group {group}"))
    }
    fn of_a_machine(&self) -> bool {
        false
    }
}

/// An account and group that no rule can name, for a caller of whom neither is known. [`u32::MAX`]
/// itself means “no account” to the kernel.
pub const NOBODY: u32 = u32::MAX - 1;

/// What the broker that will use the policies is, as far as rules depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// The account it runs as; `None` where that is not known, as in a policy repository's CI.
    pub uid: Option<u32>,
    /// Whether it serves other accounts from an account of its own.
    pub system_service: bool,
}

impl Host {
    /// Some broker somewhere: nothing is refused for what this machine is.
    #[must_use]
    pub const fn anywhere() -> Self {
        Self {
            uid: None,
            system_service: false,
        }
    }
}

/// The attributes a rule names; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who(Vec<Attribute>);

/// One attribute with the value a rule wants. The name of an account that this machine does not
/// have stays without a number, and equals no caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    User(Box<str>, Option<u32>),
    Uid(u32),
    Group(Box<str>, Option<u32>),
    Gid(u32),
    Unit(Box<str>),
    UserUnit(Box<str>),
    Exe(Box<str>),
    Sha256([u8; 32]),
}

impl Who {
    pub(super) fn matches(&self, caller: &Caller) -> bool {
        self.0.iter().all(|attribute| attribute.equals(caller))
    }

    pub(super) fn attributes(&self) -> &[Attribute] {
        &self.0
    }

    /// Whether every caller that `later` matches is matched by this one too.
    pub(super) fn shadows(&self, later: &Self) -> bool {
        let implied = |mine: &Attribute| later.0.iter().any(|theirs| mine.same_as(theirs));
        self.0.iter().all(implied)
    }

    pub(super) fn exe(&self) -> Option<&str> {
        self.0.iter().find_map(|attribute| match attribute {
            Attribute::Exe(path) => Some(&**path),
            Attribute::User(..)
            | Attribute::Uid(_)
            | Attribute::Group(..)
            | Attribute::Gid(_)
            | Attribute::Unit(_)
            | Attribute::UserUnit(_)
            | Attribute::Sha256(_) => None,
        })
    }

    pub(super) fn names_sha256(&self) -> bool {
        let sha256 = |attribute: &Attribute| matches!(attribute, Attribute::Sha256(_));
        self.0.iter().any(sha256)
    }

    fn account(&self) -> Option<u32> {
        self.0.iter().find_map(Attribute::account)
    }
}

impl Attribute {
    pub(super) fn equals(&self, caller: &Caller) -> bool {
        let in_group = |gid: u32| caller.gid == gid || caller.groups.contains(&gid);
        match self {
            Self::User(_, uid) => *uid == Some(caller.uid),
            Self::Uid(uid) => *uid == caller.uid,
            Self::Group(_, gid) => gid.is_some_and(in_group),
            Self::Gid(gid) => in_group(*gid),
            Self::Unit(unit) => caller.unit.as_deref() == Some(unit),
            Self::UserUnit(unit) => caller.user_unit.as_deref() == Some(unit),
            Self::Exe(path) => caller.exe.as_deref() == Some(path),
            Self::Sha256(hash) => caller.sha256.as_ref() == Some(hash),
        }
    }

    /// Equal, or two names of one account or group.
    fn same_as(&self, other: &Self) -> bool {
        let both = |a: Option<u32>, b: Option<u32>| a.is_some() && a == b;
        self == other || both(self.account(), other.account()) || both(self.group(), other.group())
    }

    fn account(&self) -> Option<u32> {
        match self {
            Self::User(_, uid) => *uid,
            Self::Uid(uid) => Some(*uid),
            Self::Group(..)
            | Self::Gid(_)
            | Self::Unit(_)
            | Self::UserUnit(_)
            | Self::Exe(_)
            | Self::Sha256(_) => None,
        }
    }

    fn group(&self) -> Option<u32> {
        match self {
            Self::Group(_, gid) => *gid,
            Self::Gid(gid) => Some(*gid),
            Self::User(..)
            | Self::Uid(_)
            | Self::Unit(_)
            | Self::UserUnit(_)
            | Self::Exe(_)
            | Self::Sha256(_) => None,
        }
    }
}

/// Reads `caller = { … }`.
pub(super) fn read(item: Item<'_>, accounts: &dyn Accounts, host: &Host) -> Option<Who> {
    let table = item.table("a `caller`")?.refuse_unknown(ATTRIBUTES);
    if table.is_empty() {
        item.error(format!(
            "`caller` is empty and would match nobody: name {}",
            ATTRIBUTES.join(", ")
        ));
        return None;
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
const ATTRIBUTES: &[&str] = &[
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

pub(super) fn number(item: Item<'_>) -> Option<u32> {
    let number = item.number(u64::from(NOBODY - 1))?;
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
            "no account `{name}` on this machine: the rule matches nobody here"
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
            "no group `{name}` on this machine: the rule matches nobody here"
        ));
    }
    Some(Attribute::Group(name.into(), found))
}

/// Not what `useradd` accepts, which differs, but what cannot be a line of `/etc/passwd`.
fn account_name<'d>(item: Item<'d>, number: &str) -> Option<&'d str> {
    let name = item.text()?;
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '/' | ',' | '*');
    if name.is_empty() || name.len() > 256 || name.contains(bad) {
        let (key, name) = (item.key, printable(name));
        item.error(format!("`{name}` is not the name of a {key}"));
        return None;
    }
    if name.bytes().all(|b| b.is_ascii_digit()) {
        item.error(format!("`{name}` is a number: write `{number} = {name}`"));
        return None;
    }
    Some(name)
}

/// The full name of a running service or scope, as systemd allows it.
pub(super) fn unit(item: Item<'_>) -> Option<Box<str>> {
    let name = item.text()?;
    let stem = name
        .strip_suffix(".service")
        .or_else(|| name.strip_suffix(".scope"));
    let Some(stem) = stem else {
        item.error(format!(
            "`{}` is not a unit that holds processes: its name ends in `.service` or `.scope`",
            printable(name)
        ));
        return None;
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
        item.error(if template {
            format!("`{name}` is a template, which never runs: name one instance of it")
        } else {
            format!("`{name}` is not the name of a unit; write it out, patterns are not allowed")
        });
        return None;
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
        item.error(format!(
            "`{}` is not the canonical path of a program: write it from `/`, without links, `.` or `..`",
            printable(path)
        ));
        return None;
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

pub(super) fn sha256(item: Item<'_>) -> Option<[u8; 32]> {
    let text = item.text()?;
    let hash = from_hex(text);
    if hash.is_none() {
        item.error("`sha256` must be 64 hexadecimal digits, as `sha256sum` prints them");
    }
    hash
}

/// 64 hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let bytes: Vec<u8> = pairs
        .iter()
        .filter_map(|[high, low]| u8::try_from(high * 16 + low).ok())
        .collect();
    bytes.try_into().ok()
}
