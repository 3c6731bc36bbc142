//! The accounts in records, by the names that this machine's name service knows.

use std::collections::BTreeMap;

use nix::errno::Errno;
use nix::unistd::{Uid, User};

/// The account of this name, if there is one.
pub(super) fn uid_of(name: &str) -> Result<Option<u32>, Errno> {
    Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
}

/// What accounts are called, each looked up once: that may ask a directory service.
#[derive(Default)]
pub(crate) struct AccountNames {
    looked_up: BTreeMap<u32, String>,
}

impl AccountNames {
    /// The account's name; its number where it has none.
    pub(crate) fn of(&mut self, uid: u32) -> &str {
        self.looked_up.entry(uid).or_insert_with(|| {
            let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
            user.map_or_else(|| uid.to_string(), |user| user.name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_name_or_its_number() {
        let mut names = AccountNames::default();
        assert_eq!(names.of(0), "root");
        assert_eq!(names.of(4_000_000_001), "4000000001");
        assert_eq!(uid_of("root"), Ok(Some(0)));
        assert_eq!(uid_of("no-such-account-here"), Ok(None));
    }
}
