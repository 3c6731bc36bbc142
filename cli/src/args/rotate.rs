//! `tokenctl rotate`, and the ends of a secret elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::SecretName;
use clap::Args;
use clap_complete::engine::ArgValueCandidates;
use jiff::Timestamp;

use crate::candidates;
use crate::clock;

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct Rotate {
    /// The secret's name
    #[arg(add = ArgValueCandidates::new(candidates::secrets))]
    pub(crate) name: SecretName,
    /// Read the new value from this file, or from stdin if it is `-`; default: ask
    #[arg(long, value_name = "FILE|-")]
    pub(crate) value_file: Option<PathBuf>,
    /// When the new value expires, such as `2027-02-20`, where GitHub does not say
    #[arg(long, value_name = "DATE", value_parser = clock::parse)]
    pub(crate) expires: Option<Timestamp>,
    /// Accept a value with fewer scopes or permissions than the one in use, or with unknown ones, where
    /// policies declare none
    #[arg(long)]
    pub(crate) fewer_scopes: bool,
    /// Do not ask: revoke the old value as soon as the new one works everywhere
    #[arg(long)]
    pub(crate) yes: bool,
    /// Show every step and do none
    #[arg(long, conflicts_with_all = ["yes", "rollback", "revoke_after", "value_file", "expires", "fewer_scopes"])]
    pub(crate) dry_run: bool,
    /// Restore the old value, here and in the sinks; possible until it is revoked
    #[arg(long, conflicts_with_all = ["yes", "revoke_after", "value_file", "expires", "fewer_scopes"])]
    pub(crate) rollback: bool,
    /// Have the broker revoke the old value after this time, such as `1h`
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) revoke_after: Option<Duration>,
}
