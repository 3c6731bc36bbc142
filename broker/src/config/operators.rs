//! `[operators]`: who may change things; and `[audit]`: who may read the log's files.

use nix::unistd::{Group, User};
use serde::Deserialize;

use super::read::Wrong;

/// The accounts that may change things: those named, or the broker's own; and always root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operators {
    uids: Vec<u32>,
    gids: Vec<u32>,
}

impl Operators {
    /// Whether a caller with this account and these groups is an operator.
    #[must_use]
    pub fn include(&self, uid: u32, gid: u32, groups: &[u32]) -> bool {
        uid == 0
            || self.uids.contains(&uid)
            || self
                .gids
                .iter()
                .any(|operators| *operators == gid || groups.contains(operators))
    }
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct OperatorsTable {
    users: Vec<String>,
    groups: Vec<String>,
}

impl OperatorsTable {
    pub(super) fn read(self, own_uid: u32) -> Result<Operators, Wrong> {
        if self.users.is_empty() && self.groups.is_empty() {
            return Ok(Operators {
                uids: vec![own_uid],
                gids: Vec::new(),
            });
        }
        let groups = self.groups.iter().map(|name| group_id("groups", name));
        Ok(Operators {
            uids: self.users.iter().map(user_id).collect::<Result<_, _>>()?,
            gids: groups.collect::<Result<_, _>>()?,
        })
    }
}

/// The table as it is written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditTable {
    read_group: Option<String>,
}

impl AuditTable {
    pub(super) fn read(self) -> Result<Option<u32>, Wrong> {
        let group = self.read_group;
        group.map(|name| group_id("read_group", &name)).transpose()
    }
}

fn user_id(name: &String) -> Result<u32, Wrong> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(("users", format!("there is no account `{name}`"))),
    }
}

pub(super) fn group_id(key: &'static str, name: &str) -> Result<u32, Wrong> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err((key, format!("there is no group `{name}`"))),
    }
}
