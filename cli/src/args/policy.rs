//! `tokenctl policy new` and `policy allow`.

use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::{Level, OrgName, PermissionName, Purpose, RepoPattern, SecretName};
use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::values::{Deliver, account, one_line, permission};
use crate::candidates;
use crate::rule_for::RuleFor;

#[derive(Args)]
pub(crate) struct PolicyNew {
    /// The purpose's name, such as `site`; the file is PURPOSE.toml
    pub(crate) purpose: Purpose,
    /// The secret behind it
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::secrets))]
    pub(crate) secret: SecretName,
    /// A repository it is for, or `OWNER/*` for all of an owner's; may be repeated
    #[arg(
        long = "repo",
        value_name = "OWNER/NAME",
        required_unless_present = "organization"
    )]
    pub(crate) repositories: Vec<RepoPattern>,
    /// The organisation, for organisation-wide work
    #[arg(long = "org", value_name = "ORG")]
    pub(crate) organization: Option<OrgName>,
    /// A permission it needs, such as `issues=read`; may be repeated
    #[arg(long = "permission", value_name = "NAME=LEVEL", value_parser = permission, required = true)]
    pub(crate) permissions: Vec<(PermissionName, Level)>,
    /// What it is for, on one line
    #[arg(long, value_name = "TEXT", value_parser = one_line)]
    pub(crate) about: Option<String>,
    /// What the caller gets; default: `installation` for an App, else `proxy`
    #[arg(long, value_enum)]
    pub(crate) deliver: Option<Deliver>,
    /// How long a lease lasts
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = duration::parse)]
    pub(crate) ttl: Duration,
    /// How long a lease may live, renewals included; default: 1h, or the ttl if that is longer
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) max_ttl: Option<Duration>,
    /// Allow this account; may be repeated
    #[arg(long, value_name = "NAME", value_parser = account)]
    pub(crate) allow: Vec<String>,
}

#[derive(Args)]
pub(crate) struct PolicyAllow {
    /// The purpose, which has a file already
    #[arg(add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Purpose,
    #[command(flatten)]
    pub(crate) who: Allowed,
}

/// Whom to allow.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Allowed {
    /// Allow this account
    #[arg(long, value_name = "NAME", value_parser = account)]
    user: Option<String>,
    /// Allow every account in this group
    #[arg(long, value_name = "NAME", value_parser = account)]
    group: Option<String>,
    /// Allow this system unit, such as `sync.service`
    #[arg(long, value_name = "UNIT", value_parser = one_line)]
    unit: Option<String>,
}

impl Allowed {
    /// The one that is given.
    pub(crate) fn rule(&self) -> Option<RuleFor> {
        let user = self.user.clone().map(RuleFor::User);
        let group = self.group.clone().map(RuleFor::Group);
        let unit = self.unit.clone().map(RuleFor::Unit);
        user.or(group).or(unit)
    }
}
