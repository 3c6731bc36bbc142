//! `tokend restore` on the command line.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use broker_audit_writer::LogIdentity;
use broker_clock::Clock;
use broker_protocol::counted::counted;
use broker_protocol::paths::Paths;
use broker_vault::root_key::{Keyring, Passphrase, RootKeySource, Wrap};
use clap::Args;
use serde::Serialize;

use super::{RestoreError, RestoreOptions, restore};
use crate::commands::backup::{self, VerifyError};
use crate::commands::print_json;
use crate::commands::typed::{self, PromptMode};

/// What `tokend restore` takes.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// Where to store the root key from now on: file, keyring or passphrase; default: where it was when
    /// the backup was made
    #[arg(long, value_name = "WHERE")]
    root_key: Option<RootKeySource>,
    /// Read the backup's passphrase from this file, or from standard input with `-`
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// With `--root-key passphrase`, where the vault had none: read its new one from this file, or from
    /// standard input with `-`
    #[arg(long, value_name = "FILE")]
    vault_passphrase_file: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// [`RestoreError`].
pub fn run(
    arguments: RestoreArguments,
    places: &Paths,
    clock: Arc<dyn Clock>,
    out: &mut dyn Write,
) -> Result<(), RestoreError> {
    let verified = backup::verify(&arguments.file, arguments.passphrase_file.as_deref())?;
    let backup = verified.backup;
    let before = backup.root_key_source().clone();
    let root_key = arguments.root_key.unwrap_or_else(|| before.clone());
    if matches!(root_key, RootKeySource::Credential(_)) {
        return Err(RestoreError::Credential);
    }
    let wants_passphrase =
        root_key == RootKeySource::Passphrase && before != RootKeySource::Passphrase;
    let passphrase = if wants_passphrase {
        let typed = vault_passphrase(arguments.vault_passphrase_file)?;
        let vault = &backup.manifest.vault;
        Some(Wrap::make(backup.root_key(), vault, &typed)?)
    } else {
        None
    };
    let manifest = backup.manifest.clone();
    let options = RestoreOptions {
        backup,
        sha256: verified.sha256,
        root_key: root_key.clone(),
        passphrase,
        keyring: Keyring::SESSION,
    };
    let restored = restore(places, options, clock)?;
    if arguments.json {
        let report = RestoreReport {
            vault: &manifest.vault,
            root_key: root_key.as_str(),
            finished_earlier: restored.log.is_none(),
            log: &restored.log,
            old_log: &manifest.log.log_id,
            old_records: manifest.log.records,
            old_head: &manifest.log.head,
            notes: &restored.notes,
        };
        return Ok(print_json(&report, out)?);
    }
    if restored.log.is_none() {
        writeln!(out, "an interrupted restore is finished")?;
    }
    writeln!(
        out,
        "vault {} is in place (secrets: {}), as of {}",
        manifest.vault, manifest.secrets, manifest.made_at
    )?;
    writeln!(out, "root key: {root_key}")?;
    if let Some(log) = &restored.log {
        writeln!(
            out,
            "audit log: a new one, {}; key, for the auditor to keep elsewhere: {}",
            log.log_id, log.public_key
        )?;
    }
    writeln!(
        out,
        "old audit log: {}, {} at the backup, head {}; keep it, and its leases are not honoured",
        manifest.log.log_id,
        counted(manifest.log.records, "record"),
        manifest.log.head
    )?;
    for note in &restored.notes {
        writeln!(out, "note: {note}")?;
    }
    writeln!(out, "\nnext: start the broker: {}", places.start_command())?;
    Ok(())
}

fn vault_passphrase(from: Option<PathBuf>) -> Result<Passphrase, RestoreError> {
    let typed = typed::passphrase(
        from.as_deref(),
        "--vault-passphrase-file",
        "New passphrase of the vault",
        PromptMode::Twice,
    );
    Ok(typed.map_err(VerifyError::from)?.chosen()?)
}

#[derive(Serialize)]
struct RestoreReport<'a> {
    vault: &'a str,
    root_key: &'a str,
    finished_earlier: bool,
    #[serde(flatten)]
    log: &'a Option<LogIdentity>,
    old_log: &'a str,
    old_records: u64,
    old_head: &'a str,
    notes: &'a [String],
}
