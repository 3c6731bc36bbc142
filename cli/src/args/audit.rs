//! `tokenctl audit`: which records, and from where.

use std::path::PathBuf;

use broker_protocol::names::{LeaseId, Purpose, SecretName};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::examples::AUDIT_EXAMPLES;
use crate::clock;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify every record and the chain, offline; exit code 8 if the log does not verify
    #[command(after_help = AUDIT_EXAMPLES)]
    Verify {
        /// Segments, or directories of them; default: the broker's own log
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Show the last records
    Tail {
        /// Number of records
        #[arg(short = 'n', long = "lines", default_value_t = 20, value_name = "N")]
        lines: usize,
        /// Keep printing records as they are written, until interrupted
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        from: AuditSource,
    },
    /// Show the records that match every option
    Search {
        #[command(flatten)]
        wanted: Wanted,
        #[command(flatten)]
        from: AuditSource,
    },
    /// Print records byte for byte, as JSON lines
    Export {
        /// First record
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        from: u64,
        /// Last record
        #[arg(long, value_name = "SEQ")]
        to: Option<u64>,
        #[command(flatten)]
        source: AuditSource,
    },
    /// Print the log's public key, for an auditor to keep
    Key,
}

/// Where records are read.
#[derive(Args)]
pub(crate) struct AuditSource {
    /// Read the segments in this directory instead of asking the broker
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Which records.
#[derive(Args)]
pub(crate) struct Wanted {
    /// For this purpose
    #[arg(long)]
    pub(crate) purpose: Option<Purpose>,
    /// On this secret
    #[arg(long)]
    pub(crate) secret: Option<SecretName>,
    /// By this caller: a uid, a unit, or a program
    #[arg(long, value_name = "WHO")]
    pub(crate) caller: Option<String>,
    /// About this lease
    #[arg(long)]
    pub(crate) lease: Option<LeaseId>,
    /// Of this kind, such as `lease.granted`, or `lease` for all of them
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// From this moment on
    #[arg(long, value_name = "DATE", value_parser = clock::parse)]
    pub(crate) since: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "DATE", value_parser = clock::parse)]
    pub(crate) until: Option<Timestamp>,
}
