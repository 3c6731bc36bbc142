//! `tokend restore` on the command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use broker_clock::Clock;
use broker_protocol::paths::Paths;
use broker_vault::root_key::{Keyring, Passphrase, RootKeyError, RootKeySource, Wrap};
use clap::Args;
use serde::Serialize;

use super::{RestoreError, RestoreOptions, restore};
use crate::commands::backup::{self, VerifyError};
use crate::commands::typed::{self, NoPassphrase, PromptMode};

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
    json: bool,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreCommandError {
    /// The backup is not one that can be used.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// It could not be put in place.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// There is no passphrase for the vault.
    #[error(transparent)]
    Passphrase(#[from] NoPassphrase),
    /// The vault's new passphrase is refused.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// Standard output takes no more.
    #[error("everything is restored, but the report could not be written")]
    Output(#[from] io::Error),
}

impl RestoreCommandError {
    /// 8 where the backup is refused; 2 for a wrong command line or no terminal to ask at; else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Verify(error) => error.exit_code(),
            Self::Passphrase(_)
            | Self::Restore(RestoreError::Credential)
            | Self::RootKey(RootKeyError::ShortPassphrase | RootKeyError::ControlCharacter(_)) => 2,
            Self::Restore(_) | Self::RootKey(_) | Self::Output(_) => 1,
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// [`RestoreCommandError`].
pub fn run(
    arguments: RestoreArguments,
    places: &Paths,
    clock: Arc<dyn Clock>,
    out: &mut dyn Write,
) -> Result<(), RestoreCommandError> {
    let verified = backup::verify(&arguments.file, arguments.passphrase_file.as_deref())?;
    let backup = verified.backup;
    let before = backup.root_key_source().clone();
    let root_key = arguments.root_key.unwrap_or_else(|| before.clone());
    if matches!(root_key, RootKeySource::Credential(_)) {
        return Err(RestoreError::Credential.into());
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
        let log = restored.log.as_ref();
        let report = RestoreReport {
            vault: &manifest.vault,
            root_key: root_key.as_str(),
            finished_earlier: restored.finished_earlier,
            log_id: log.map(|log| log.log_id.as_str()),
            public_key: log.map(|log| log.public_key.as_str()),
            old_log: &manifest.log.log_id,
            old_records: manifest.log.records,
            old_head: &manifest.log.head,
            notes: &restored.notes,
        };
        serde_json::to_writer(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    if restored.finished_earlier {
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
        "old audit log: {}, {} records at the backup, head {}; keep it, and its leases are not honoured",
        manifest.log.log_id, manifest.log.records, manifest.log.head
    )?;
    for note in &restored.notes {
        writeln!(out, "note: {note}")?;
    }
    writeln!(out, "\nnext: start the broker: tokend")?;
    Ok(())
}

fn vault_passphrase(from: Option<PathBuf>) -> Result<Passphrase, RestoreCommandError> {
    let typed = typed::passphrase(
        from.as_deref(),
        "--vault-passphrase-file",
        "New passphrase of the vault",
        PromptMode::Twice,
    )?;
    Ok(typed.chosen()?)
}

#[derive(Serialize)]
struct RestoreReport<'a> {
    vault: &'a str,
    root_key: &'a str,
    finished_earlier: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    old_log: &'a str,
    old_records: u64,
    old_head: &'a str,
    notes: &'a [String],
}
