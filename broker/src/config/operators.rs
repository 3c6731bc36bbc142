//! `[operators]`: who may change things. Names of accounts and groups, as all tables have them.

use nix::unistd::{Group, User};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::read::parsed;

/// The accounts that may change things: those named, or the broker's own; and always root.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Operators {
    #[serde(deserialize_with = "user_ids")]
    users: Vec<u32>,
    #[serde(deserialize_with = "group_ids")]
    groups: Vec<u32>,
}

impl Operators {
    /// Where none are named, it is this account.
    pub(super) fn or_only(mut self, own_uid: u32) -> Self {
        if self.users.is_empty() && self.groups.is_empty() {
            self.users.push(own_uid);
        }
        self
    }

    /// Whether a caller with this account and these groups is an operator.
    #[must_use]
    pub fn include(&self, uid: u32, gid: u32, groups: &[u32]) -> bool {
        uid == 0
            || self.users.contains(&uid)
            || self
                .groups
                .iter()
                .any(|operators| *operators == gid || groups.contains(operators))
    }
}

fn user_ids<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<u32>, D::Error> {
    let names = Vec::<String>::deserialize(value)?;
    let ids = names.iter().map(|name| user_id(name));
    ids.collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn group_ids<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<u32>, D::Error> {
    let names = Vec::<String>::deserialize(value)?;
    let ids = names.iter().map(|name| group_id(name));
    ids.collect::<Result<_, _>>().map_err(D::Error::custom)
}

/// The group of this name.
pub(super) fn group<'de, D: Deserializer<'de>>(value: D) -> Result<Option<u32>, D::Error> {
    parsed(value, |name| group_id(name).map(Some))
}

fn user_id(name: &str) -> Result<u32, String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(format!("there is no account `{name}`")),
    }
}

fn group_id(name: &str) -> Result<u32, String> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(format!("there is no group `{name}`")),
    }
}
