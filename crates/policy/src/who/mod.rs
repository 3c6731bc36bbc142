//! Whom a rule speaks for: the attributes of `caller = { … }`, and how they meet a real caller.
//!
//! A rule matches when every attribute it names equals the caller's. An attribute the caller lacks
//! equals nothing. How far each can be trusted is a table in `docs/reference/policies.md`.
//!
//! Account names are looked up when the policy is loaded, not at each request.

mod accounts;
mod read;

use super::request::Caller;

pub use self::accounts::{Accounts, Host, NamesOnly, UNKNOWN_ACCOUNT};
pub(super) use self::read::{ATTRIBUTES, number, read, sha256, unit};

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
        self.0.iter().find_map(|attribute| {
            if let Attribute::Exe(path) = attribute {
                return Some(&**path);
            }
            None
        })
    }

    pub(super) fn names_sha256(&self) -> bool {
        let sha256 = |attribute: &Attribute| matches!(attribute, Attribute::Sha256(_));
        self.0.iter().any(sha256)
    }

    pub(super) fn names_user(&self, wanted: &str) -> bool {
        let is = |attribute: &Attribute| matches!(attribute, Attribute::User(name, _) if **name == *wanted);
        self.0.iter().any(is)
    }

    pub(super) fn names_group(&self, wanted: &str) -> bool {
        let is = |attribute: &Attribute| matches!(attribute, Attribute::Group(name, _) if **name == *wanted);
        self.0.iter().any(is)
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
