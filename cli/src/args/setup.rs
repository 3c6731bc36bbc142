//! `tokenctl setup`: answers that need no question.

use std::path::PathBuf;

use broker_protocol::names::{Level, PermissionName, Purpose, RepoPattern, SecretName};
use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::values::permission;
use crate::candidates;

#[derive(Args)]
pub(crate) struct Setup {
    /// Take the default of each question that has one
    #[arg(long)]
    pub(crate) yes: bool,
    /// Read the recovery passphrase from this file
    #[arg(long, value_name = "FILE", conflicts_with = "no_recovery")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Set no recovery passphrase: if the root key is lost, so are the secrets
    #[arg(long)]
    pub(crate) no_recovery: bool,
    /// Import the tokens in this file of `export NAME="…"` lines
    #[arg(long, value_name = "FILE")]
    pub(crate) import: Option<PathBuf>,
    /// Use this secret; where it has no value, that is asked for or read from stdin
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(candidates::secrets))]
    pub(crate) secret: Option<SecretName>,
    /// The purpose to write a policy for; default: named after the secret
    #[arg(long, value_name = "NAME")]
    pub(crate) purpose: Option<Purpose>,
    /// A repository the purpose is for, or `OWNER/*`; may be repeated
    #[arg(long = "repo", value_name = "OWNER/NAME")]
    pub(crate) repositories: Vec<RepoPattern>,
    /// A permission the purpose gives, such as `issues=read`; may be repeated
    #[arg(long = "permission", value_name = "NAME=LEVEL", value_parser = permission)]
    pub(crate) permissions: Vec<(PermissionName, Level)>,
}
