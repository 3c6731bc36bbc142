//! `exec`, and the relay that it starts.

use std::ffi::OsString;
use std::path::PathBuf;

use broker_protocol::names::{LeaseId, Purpose};
use clap::Args;
use clap_complete::engine::ArgValueCandidates;

use super::Ask;
use super::values::{NamedToken, named_token};
use crate::candidates;
use crate::host_port::HostPort;

#[derive(Args)]
pub(crate) struct Exec {
    /// The purpose whose token is in GH_TOKEN and GITHUB_TOKEN, one of `tokenctl purpose list`
    #[arg(required_unless_present = "env", add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Option<Purpose>,
    /// Set this variable too: to the token of PURPOSE, or to that of another purpose; may be repeated
    #[arg(long = "env", value_name = "NAME[=PURPOSE]", value_parser = named_token)]
    pub(crate) env: Vec<NamedToken>,
    #[command(flatten)]
    pub(crate) ask: Ask,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// What a relay needs to know. Nothing here is secret: any account can read it.
#[derive(Args)]
pub(crate) struct Relay {
    /// The broker's socket for proxy tokens
    #[arg(long, value_name = "FILE")]
    pub(crate) proxy: PathBuf,
    /// A lease for the tunnels; may be repeated
    #[arg(long = "lease", required = true)]
    pub(crate) leases: Vec<LeaseId>,
    /// The file to remove at the end
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: PathBuf,
    /// Lead this host to the broker; may be repeated
    #[arg(long = "host", value_name = "HOST:PORT")]
    pub(crate) hosts: Vec<HostPort>,
    /// Be the relay, and do not only start it
    #[arg(long)]
    pub(crate) detached: bool,
}
