//! A rule that allows one account, group or unit, and which rules of a file decide about it already.
//!
//! The broker decides, by the crate `policy`, which this program does not link. Here it is only read off the
//! file whether one more rule would change anything. What depends on the process that asks is unknown here.

use std::ffi::CString;

use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::error::Failure;
use crate::shell;

/// Whom a rule allows.
#[derive(Clone)]
pub(crate) enum RuleFor {
    /// An account of this machine.
    User(String),
    /// A group of this machine.
    Group(String),
    /// A system unit.
    Unit(String),
}

impl RuleFor {
    /// The rule, as lines of a policy file.
    pub(crate) fn text(&self) -> String {
        format!(
            "[[allow]]\ncaller = {}\n",
            InlineTable::from_iter([self.attribute()])
        )
    }

    /// Who, in a message.
    pub(crate) fn name(&self) -> String {
        let (key, name) = self.attribute();
        match self {
            Self::User(_) => format!("`{name}`"),
            Self::Group(_) | Self::Unit(_) => format!("{key} `{name}`"),
        }
    }

    /// The option of `policy allow` that names it.
    pub(crate) fn option(&self) -> String {
        let (key, name) = self.attribute();
        format!("--{key} {}", shell::quoted(name))
    }

    fn attribute(&self) -> (&'static str, &str) {
        match self {
            Self::User(name) => ("user", name),
            Self::Group(name) => ("group", name),
            Self::Unit(name) => ("unit", name),
        }
    }

    /// Looks the account or group up on this machine: a rule for one that is not there allows no caller.
    pub(crate) fn require_existing(&self) -> Result<(), Failure> {
        self.facts().map(drop)
    }

    fn facts(&self) -> Result<Facts, Failure> {
        let there = |looked_up: nix::Result<Option<Facts>>| {
            let (key, name) = self.attribute();
            match looked_up {
                Ok(Some(facts)) => Ok(facts),
                Ok(None) => Err(Failure::new(format!(
                    "there is no {} `{name}` on this machine",
                    if key == "user" { "account" } else { key }
                ))),
                Err(errno) => Err(Failure::new(format!(
                    "cannot look up the {key} `{name}`: {errno}"
                ))),
            }
        };
        match self {
            Self::User(name) => there(User::from_name(name).and_then(|user| {
                let account = |user: User| {
                    let bad = |_nul| nix::Error::EINVAL;
                    let name = CString::new(user.name).map_err(bad)?;
                    let groups = getgrouplist(&name, user.gid)?;
                    Ok(Facts::Account(user.uid, groups))
                };
                user.map(account).transpose()
            })),
            Self::Group(name) => there(
                Group::from_name(name).map(|group| group.map(|group| Facts::Group(group.gid))),
            ),
            Self::Unit(name) => Ok(Facts::Unit(name.clone())),
        }
    }
}

/// What is known of every caller that the new rule is for.
enum Facts {
    Account(Uid, Vec<Gid>),
    Group(Gid),
    Unit(String),
}

/// A rule that is in the file already.
pub(crate) struct FoundRule {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// Its `caller`, as it is written.
    pub(crate) caller: String,
    /// Its other keys: what it gives less than the purpose.
    pub(crate) narrows: Vec<String>,
}

/// Which rules of a file decide before one at its end would.
pub(crate) struct DecidedBefore {
    /// The first that matches every caller that the new rule is for.
    pub(crate) always: Option<FoundRule>,
    /// Those before that one which match some of these callers.
    pub(crate) sometimes: Vec<FoundRule>,
}

impl DecidedBefore {
    /// Reads the rules of a purpose's file.
    pub(crate) fn of(document: &DocumentMut, rule: &RuleFor) -> Result<Self, Failure> {
        let facts = rule.facts()?;
        let mut sometimes = Vec::new();
        for (index, table) in rules(document).into_iter().enumerate() {
            let Some(caller) = table.get("caller").and_then(Item::as_table_like) else {
                continue;
            };
            match matches(caller, &facts) {
                Match::Never => {}
                Match::Sometimes => sometimes.push(found(index, table)),
                Match::Always => {
                    let always = Some(found(index, table));
                    return Ok(Self { always, sometimes });
                }
            }
        }
        let always = None;
        Ok(Self { always, sometimes })
    }
}

fn rules(document: &DocumentMut) -> Vec<&dyn TableLike> {
    match document.get("allow") {
        Some(Item::ArrayOfTables(tables)) => tables
            .iter()
            .map(|it: &Table| it as &dyn TableLike)
            .collect(),
        Some(Item::Value(Value::Array(tables))) => tables
            .iter()
            .filter_map(Value::as_inline_table)
            .map(|it| it as &dyn TableLike)
            .collect(),
        _ => Vec::new(),
    }
}

fn found(index: usize, table: &dyn TableLike) -> FoundRule {
    let caller = table.get("caller").map(|item| item.to_string());
    let others = table.iter().filter(|(key, _)| *key != "caller");
    FoundRule {
        number: index + 1,
        caller: caller.unwrap_or_default().trim().to_owned(),
        narrows: others.map(|(key, _)| key.to_owned()).collect(),
    }
}

/// Whether a rule's caller is one of those that the new rule is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Never,
    Sometimes,
    Always,
}

/// A rule matches where each of its attributes does.
fn matches(caller: &dyn TableLike, facts: &Facts) -> Match {
    let each = caller.iter().map(|(key, item)| attribute(key, item, facts));
    each.min().unwrap_or(Match::Never)
}

fn attribute(key: &str, wanted: &Item, facts: &Facts) -> Match {
    let text = wanted.as_str().unwrap_or_default();
    let number = wanted.as_integer().and_then(|it| u32::try_from(it).ok());
    let gid = || match key {
        "gid" => number.map(Gid::from_raw),
        _ => Group::from_name(text).ok().flatten().map(|it| it.gid),
    };
    let exactly = |same: bool| if same { Match::Always } else { Match::Never };
    match (facts, key) {
        (Facts::Account(uid, _), "user") => {
            exactly(matches!(User::from_name(text), Ok(Some(user)) if user.uid == *uid))
        }
        (Facts::Account(uid, _), "uid") => exactly(number == Some(uid.as_raw())),
        (Facts::Account(_, groups), "group" | "gid") => {
            exactly(gid().is_some_and(|gid| groups.contains(&gid)))
        }
        (Facts::Group(own), "group" | "gid") if gid() == Some(*own) => Match::Always,
        (Facts::Unit(own), "unit") => exactly(text == own),
        (Facts::Unit(_), "user_unit") => Match::Never,
        _ => Match::Sometimes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(rules: &str, rule: &RuleFor) -> (Option<usize>, Vec<usize>) {
        let document: DocumentMut = rules.parse().unwrap();
        let decided = DecidedBefore::of(&document, rule).unwrap_or_else(|error| panic!("{error}"));
        let numbers = decided.sometimes.iter().map(|it| it.number).collect();
        (decided.always.map(|it| it.number), numbers)
    }

    fn root() -> RuleFor {
        RuleFor::User("root".to_owned())
    }

    /// Rules with these callers, in this order.
    fn rules(callers: &[&str]) -> String {
        let rule = |caller: &&str| format!("[[allow]]\ncaller = {{ {caller} }}\n");
        callers.iter().map(rule).collect()
    }

    #[test]
    fn an_account_is_allowed_already_by_name_by_number_and_by_its_group() {
        for caller in ["user = \"root\"", "uid = 0", "group = \"root\"", "gid = 0"] {
            let text = rules(&["user = \"no-such-account\"", "uid = 4711", caller]);
            assert_eq!(before(&text, &root()), (Some(3), vec![]), "{caller}");
        }
        assert_eq!(
            before("allow = [{ caller = { uid = 0 } }]", &root()).0,
            Some(1)
        );
        assert_eq!(before("purpose = \"p\"", &root()), (None, vec![]));
    }

    #[test]
    fn a_rule_for_some_processes_of_the_account_comes_first_and_does_not_allow_the_rest() {
        let text = rules(&[
            "user = \"root\", exe = \"/usr/bin/gh\"",
            "uid = 4711, exe = \"/usr/bin/gh\"",
            "unit = \"sync.service\"",
        ]);
        assert_eq!(before(&text, &root()), (None, vec![1, 3]));
    }

    #[test]
    fn a_group_is_allowed_by_its_own_rule_and_members_may_have_one_before() {
        let group = RuleFor::Group("root".to_owned());
        let text = rules(&["user = \"root\"", "gid = 0"]);
        assert_eq!(before(&text, &group), (Some(2), vec![1]));
    }

    #[test]
    fn a_unit_is_allowed_by_its_own_rule() {
        let unit = RuleFor::Unit("sync.service".to_owned());
        let text = rules(&["unit = \"other.service\"", "unit = \"sync.service\""]);
        assert_eq!(before(&text, &unit), (Some(2), vec![]));
    }

    #[test]
    fn what_a_rule_gives_less_is_named() {
        let text = "[[allow]]\nttl = { max = \"5m\" }\ncaller = { uid = 0 }\n";
        let decided = DecidedBefore::of(&text.parse().unwrap(), &root());
        let rule = decided.ok().and_then(|it| it.always).unwrap();
        assert_eq!(rule.narrows, ["ttl"]);
        assert_eq!(rule.caller, "{ uid = 0 }");
    }

    #[test]
    fn an_account_that_is_not_there_is_refused_by_its_name() {
        for (rule, what) in [
            (RuleFor::User("no-such-account".to_owned()), "account"),
            (RuleFor::Group("no-such-group".to_owned()), "group"),
        ] {
            let refused = rule.require_existing().unwrap_err().to_string();
            assert!(
                refused.contains(&format!("there is no {what} `no-such-")),
                "{refused}"
            );
        }
        assert!(root().require_existing().is_ok());
    }
}
