//! The names of accounts, for text. What the broker says of an account is its number, and JSON keeps that.

use std::collections::BTreeMap;

use nix::errno::Errno;
use nix::unistd::{Uid, User, geteuid};

/// An account's name, or `uid N` where it has none. It may ask a directory service.
pub(crate) fn name(uid: u32) -> String {
    named(uid, find(uid))
}

/// The account of this name, if there is one.
pub(crate) fn uid_of(name: &str) -> Result<Option<u32>, Errno> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// The name of the account that runs this, if it has one.
pub(crate) fn own_name() -> Result<Option<String>, Errno> {
    look_up(geteuid())
}

fn find(uid: u32) -> Option<String> {
    look_up(Uid::from_raw(uid)).ok().flatten()
}

fn look_up(uid: Uid) -> Result<Option<String>, Errno> {
    Ok(User::from_uid(uid)?.map(|user| user.name))
}

/// The names of accounts that occur again and again, each looked up once.
#[derive(Default)]
pub(crate) struct AccountNames {
    found: BTreeMap<u32, String>,
}

impl AccountNames {
    /// The account's name; its number where it has none.
    pub(crate) fn of(&mut self, uid: u32) -> &str {
        self.found
            .entry(uid)
            .or_insert_with(|| find(uid).unwrap_or_else(|| uid.to_string()))
    }
}

fn named(uid: u32, name: Option<String>) -> String {
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_name() {
        assert_eq!(uid_of("root"), Ok(Some(0)));
        assert_eq!(uid_of("no-such-account-here"), Ok(None));
        let mut names = AccountNames::default();
        assert_eq!(
            (names.of(0).to_owned(), names.of(4_000_000_001)),
            ("root".to_owned(), "4000000001")
        );
    }

    #[test]
    fn an_account_without_a_name_is_its_number() {
        assert_eq!(name(0), "root");
        assert_eq!(named(4711, None), "uid 4711");
        assert_eq!(named(4711, Some(String::new())), "uid 4711");
        assert_eq!(named(1000, Some("alice".to_owned())), "alice");
    }
}
