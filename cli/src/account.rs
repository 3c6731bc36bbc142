//! The names of accounts, for text. What the broker says of an account is its number, and JSON keeps that.

use nix::unistd::{Uid, User};

/// An account's name, or `uid N` where it has none. It may ask a directory service.
pub(crate) fn name(uid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    named(uid, user.map(|user| user.name))
}

fn named(uid: u32, name: Option<String>) -> String {
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_without_a_name_is_its_number() {
        assert_eq!(name(0), "root");
        assert_eq!(named(4711, None), "uid 4711");
        assert_eq!(named(4711, Some(String::new())), "uid 4711");
        assert_eq!(named(1000, Some("alice".to_owned())), "alice");
    }
}
