//! What rules need to know of a machine: its accounts, and the broker on it.

use std::cell::RefCell;
use std::collections::BTreeMap;

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
        let next = UNKNOWN_ACCOUNT.checked_sub(1)?.checked_sub(next)?;
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
pub const UNKNOWN_ACCOUNT: u32 = u32::MAX - 1;

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
