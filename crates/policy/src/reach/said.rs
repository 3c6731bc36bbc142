//! What the table says of one operation.

use broker_protocol::names::{PermissionName, Permissions};

use super::Why;
use crate::known::is_of_organization;

/// What the table says of one operation: what stands behind its methods. For its requests, `git` says it in
/// the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// It is on the host for uploads.
    pub(super) uploads: bool,
    /// GitHub's description has `temp_clone_token` in the answer.
    pub(super) clone_token: bool,
    /// All of the owner's repositories must be in the lease.
    whole: bool,
    /// `free`, `owner`, `-REASON`, or sets of permissions.
    need: &'static str,
}

/// What an operation needs that the table does not refuse.
#[derive(Debug)]
pub(super) struct Needed {
    /// Sets of permissions, any one of which suffices. None at all: reaching the repositories does.
    pub(super) any: Vec<Permissions>,
    /// Whether it is about the repositories that its path names.
    pub(super) on_repositories: bool,
    /// Whether it is about the organisation that its path names.
    pub(super) on_organization: bool,
}

impl Said {
    pub(super) fn parse(text: &'static str) -> Self {
        let mut need = text;
        let mut flag = |sign: char| match need.strip_prefix(sign) {
            Some(rest) => {
                need = rest;
                true
            }
            None => false,
        };
        let (uploads, clone_token, whole) = (flag('^'), flag('~'), flag('*'));
        Self {
            uploads,
            clone_token,
            whole,
            need,
        }
    }

    /// What it needs.
    ///
    /// # Errors
    ///
    /// Why the table refuses it.
    pub(super) fn needed(&self) -> Result<Needed, Why> {
        if let Some(reason) = self.need.strip_prefix('-') {
            return Err(Why::parse(reason));
        }
        let any = match self.need {
            "free" | "owner" => Vec::new(),
            sets => self::sets(sets).ok_or(Why::New)?,
        };
        let names = || any.iter().flat_map(Permissions::keys);
        let on_repositories =
            self.whole || self.need == "owner" || names().any(|name| !is_of_organization(name));
        let on_organization = names().any(is_of_organization);
        Ok(Needed {
            any,
            on_repositories,
            on_organization,
        })
    }
}

impl Why {
    fn parse(reason: &str) -> Self {
        match reason {
            "other" => Self::OtherRepository,
            "number" => Self::Number,
            "credential" => Self::Credential,
            "beyond" => Self::Beyond,
            "none" => Self::NoPermission,
            _ => Self::New,
        }
    }
}

/// `issues=read|pull_requests=read`, and commas where all are needed; `None` if it is anything else.
pub(super) fn sets(need: &str) -> Option<Vec<Permissions>> {
    let pair = |pair: &str| {
        let (name, level) = pair.split_once('=')?;
        Some((name.parse::<PermissionName>().ok()?, level.parse().ok()?))
    };
    let set = |set: &str| set.split(',').map(pair).collect::<Option<Permissions>>();
    need.split('|').map(set).collect()
}
