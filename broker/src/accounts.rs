//! The accounts of this machine, as the name service knows them.

use std::ffi::CString;

use broker_policy::Accounts;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};

/// Looks names up in `/etc/passwd` and whatever else the name service reads. A name service that
/// fails is taken as not knowing the name: the rule that has it then matches no one.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemAccounts;

impl SystemAccounts {
    /// The primary group of an account, and all its groups; `None` if there is no such account.
    #[must_use]
    pub fn groups_of(self, uid: u32) -> Option<(u32, Vec<u32>)> {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
        let name = CString::new(user.name).ok()?;
        let groups = getgrouplist(&name, user.gid).ok()?;
        let groups = groups.into_iter().map(|gid| gid.as_raw()).collect();
        Some((user.gid.as_raw(), groups))
    }

    /// What an account is called.
    #[must_use]
    pub fn name_of(self, uid: u32) -> Option<String> {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten()?;
        Some(user.name)
    }

    /// What a group is called.
    #[must_use]
    pub fn group_name_of(self, gid: u32) -> Option<String> {
        let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten()?;
        Some(group.name)
    }
}

impl Accounts for SystemAccounts {
    fn uid(&self, user: &str) -> Option<u32> {
        let found = User::from_name(user).ok().flatten()?;
        Some(found.uid.as_raw())
    }

    fn gid(&self, group: &str) -> Option<u32> {
        let found = Group::from_name(group).ok().flatten()?;
        Some(found.gid.as_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_account_and_group_0_and_nonsense_is_neither() {
        assert_eq!(SystemAccounts.uid("root"), Some(0));
        assert_eq!(SystemAccounts.gid("root"), Some(0));
        let (gid, groups) = SystemAccounts.groups_of(0).unwrap();
        assert!(gid == 0 && groups.contains(&0));
        assert_eq!(SystemAccounts.groups_of(4_000_000_001), None);
        assert_eq!(SystemAccounts.uid("no-such-account"), None);
        assert_eq!(SystemAccounts.gid("with\0nul"), None);
    }
}
