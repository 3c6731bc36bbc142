//! `tokenctl rotate`, and the ends of a secret elsewhere.

use std::path::PathBuf;
use std::time::Duration;

use broker_protocol::duration;
use broker_protocol::names::SecretName;
use clap::Args;
use jiff::Timestamp;

use crate::clock;

#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command line"
)]
pub(crate) struct Rotate {
    /// The secret's name
    pub(crate) name: SecretName,
    /// Read the new value from this file, or from stdin if it is `-`; without it, ask
    #[arg(long, value_name = "FILE|-")]
    pub(crate) value_file: Option<PathBuf>,
    /// When the new value ends at GitHub, such as `2027-02-20`, where GitHub does not say
    #[arg(long, value_name = "DATE", value_parser = clock::parse)]
    pub(crate) expires: Option<Timestamp>,
    /// Take a value that can do less than the one in use, or may, where policies do not declare what it must
    #[arg(long)]
    pub(crate) fewer_scopes: bool,
    /// Do not ask: end the old value as soon as the new one is everywhere and works
    #[arg(long)]
    pub(crate) yes: bool,
    /// Say every step and do none
    #[arg(long, conflicts_with_all = ["yes", "rollback", "revoke_after", "value_file", "expires", "fewer_scopes"])]
    pub(crate) dry_run: bool,
    /// Bring the old value back, here and in the sinks; possible until it is ended
    #[arg(long, conflicts_with_all = ["yes", "revoke_after", "value_file", "expires", "fewer_scopes"])]
    pub(crate) rollback: bool,
    /// Let the broker end the old value by itself after this time, such as `1h`
    #[arg(long, value_name = "SPAN", value_parser = duration::parse)]
    pub(crate) revoke_after: Option<Duration>,
}

pub(super) const ROTATE_EXAMPLES: &str = "\
Examples:
  tokenctl rotate org-label-sync-token
  tokenctl rotate org-label-sync-token --value-file - --revoke-after 1h < value.txt
  tokenctl rotate org-label-sync-token --rollback

A person creates the new value at the link that is printed; no API of GitHub does that. The broker
checks it, uses it, writes it to the sinks, asks GitHub with it, and then ends the old one. Interrupt it
where you like: run the same command again, and it goes on. Until the old value is ended, --rollback
undoes all of it.

Exit codes: 0 done, or the broker does the rest by itself; 1 refused; 7 GitHub failed, run it again;
75 it waits for you, and says for what.";
