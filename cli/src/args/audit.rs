//! `tokenctl audit`: which records, and from where.

use std::collections::BTreeSet;
use std::path::PathBuf;

use broker_audit::record::KINDS;
use broker_protocol::names::{LeaseId, Purpose, SecretName};
use broker_protocol::similar;
use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use jiff::Timestamp;

use super::examples::AUDIT_EXAMPLES;
use crate::candidates;
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
        /// Only the last N of them
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
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

/// Which records. What is done under a lease counts for the purpose, secret and caller of its grant.
#[derive(Args)]
pub(crate) struct Wanted {
    /// For this purpose, requests to GitHub under its leases included
    #[arg(long, add = ArgValueCandidates::new(candidates::purposes))]
    pub(crate) purpose: Option<Purpose>,
    /// On this secret
    #[arg(long, add = ArgValueCandidates::new(candidates::secrets))]
    pub(crate) secret: Option<SecretName>,
    /// By this caller: an account's name or uid, a unit, or a program
    #[arg(long, value_name = "WHO")]
    pub(crate) caller: Option<String>,
    /// About this lease
    #[arg(long)]
    pub(crate) lease: Option<LeaseId>,
    /// Of this kind, such as `lease.granted`, or `lease` for all of them
    #[arg(long, value_parser = kind)]
    pub(crate) kind: Option<String>,
    /// From this moment on: `2027-02-20`, `2027-02-20T12:00:00Z`, or `1h` for an hour ago
    #[arg(long, value_name = "WHEN", value_parser = clock::parse_past)]
    pub(crate) since: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_name = "WHEN", value_parser = clock::parse_past)]
    pub(crate) until: Option<Timestamp>,
}

/// A kind of record, or what stands before its dot.
fn kind(text: &str) -> Result<String, String> {
    let noun = |kind: &'static str| kind.split('.').next().unwrap_or(kind);
    if KINDS.iter().any(|kind| *kind == text || noun(kind) == text) {
        return Ok(text.to_owned());
    }
    let closest = closest_kinds(text);
    if closest.is_empty() {
        let nouns: BTreeSet<_> = KINDS.iter().map(|kind| noun(kind)).collect();
        let nouns: Vec<_> = nouns.into_iter().collect();
        return Err(format!(
            "no record is of this kind; kinds are of {}",
            nouns.join(", ")
        ));
    }
    let closest: Vec<_> = closest.iter().map(|kind| format!("`{kind}`")).collect();
    Err(format!(
        "no record is of this kind; close to it: {}",
        closest.join(", ")
    ))
}

/// The kinds that differ least, or have a word of it.
fn closest_kinds(text: &str) -> Vec<&'static str> {
    let most = (text.len() / 3).clamp(1, 3);
    let far = |kind: &'static str| {
        let (noun, verb) = kind.split_once('.').unwrap_or((kind, ""));
        let words = [kind, noun, verb].into_iter();
        let far = words.map(|word| similar::distance(text, word)).min();
        let within = text.len() > 2 && kind.contains(text);
        if within {
            Some(0)
        } else {
            far.filter(|far| *far <= most)
        }
    };
    let mut found: Vec<_> = KINDS
        .iter()
        .filter_map(|kind| Some((far(kind)?, similar::distance(text, kind), *kind)))
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(.., kind)| kind).collect()
}

#[cfg(test)]
impl Wanted {
    /// As these options say.
    pub(crate) fn of(options: &[&str]) -> Self {
        use clap::Parser;

        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            wanted: Wanted,
        }
        Line::parse_from([&["search"], options].concat()).wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_an_error_that_names_the_closest_ones() {
        for known in ["lease", "lease.granted", "leases", "vault.rekey_failed"] {
            assert_eq!(kind(known).as_deref(), Ok(known));
        }
        for (unknown, close) in [
            ("lease.grant", "close to it: `lease.granted`"),
            ("leas.granted", "close to it: `lease.granted`"),
            ("granted", "close to it: `lease.granted`"),
            ("proxy.requests", "close to it: `proxy.request`"),
            ("vault.lock", "close to it: `vault.locked`"),
            ("polcy", "close to it: `policy.loaded`, `policy.refused`"),
            (
                "frobnicate",
                "kinds are of audit, broker, deadline, github, ",
            ),
            ("", "kinds are of "),
            ("lease.", "close to it: `lease.denied`"),
        ] {
            let error = kind(unknown).unwrap_err();
            assert!(error.contains(close), "{unknown}: {error}");
        }
    }
}
