//! `tokend backup --verify`: proves that a backup holds all that it should. No broker is needed, and
//! nothing is written.
//!
//! To make a backup takes the running broker, which alone has the root key: `tokenctl backup`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use broker_policy::{Host, PolicyErrors, PolicySet};
use broker_protocol::hex;
use broker_vault::backup::{self, Backup, BackupError, BackupFiles, LogAtBackup, UnreadableBackup};
use clap::Args;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::print_json;
use super::typed::{self, NoPassphrase, PromptMode};
use crate::accounts::SystemAccounts;
use crate::config::{AuthorityFile, Config};
use crate::policy_files::is_table;

/// What `tokend backup` takes.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// Verify that every value in the file opens, and show what it contains; exit code 8 if not. To make a
    /// backup, use `tokenctl backup`
    #[arg(long, required = true)]
    verify: bool,
    /// The backup
    file: PathBuf,
    /// Read its passphrase from this file, or from standard input with `-`
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Why a backup is not verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] UnreadableBackup),
    /// There is no passphrase.
    #[error(transparent)]
    Passphrase(#[from] NoPassphrase),
    /// It is not a backup that can be used.
    #[error("{}: {source}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        source: BackupError,
    },
    /// Its policies.
    #[error("{}: this backup opens, but its policies are rejected:\n{source}", path.display())]
    Policies {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolicyErrors,
    },
    /// Standard output takes no more.
    #[error("the answer could not be written")]
    Output(#[from] io::Error),
}

impl VerifyError {
    /// 8 where verification failed; 2 where there was no terminal to ask at; else 1.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Refused { .. } | Self::Policies { .. } => 8,
            Self::Passphrase(_) => 2,
            Self::Unreadable(_) | Self::Output(_) => 1,
        }
    }
}

/// A backup in which everything was opened.
pub(super) struct Verified {
    pub(super) backup: Backup,
    pub(super) sha256: String,
    bytes: u64,
    /// What would not work on this machine.
    warnings: Vec<String>,
}

/// Opens a backup and everything in it.
pub(super) fn verify(path: &Path, from: Option<&Path>) -> Result<Verified, VerifyError> {
    let file = backup::read_file(path)?;
    let passphrase = typed::passphrase(
        from,
        "--passphrase-file",
        "Passphrase of the backup",
        PromptMode::Once,
    )?;
    let refused = |source| VerifyError::Refused {
        path: path.to_owned(),
        source,
    };
    let backup = Backup::open(&file, &passphrase).map_err(refused)?;
    backup.check_values().map_err(refused)?;
    // As a checkout is evaluated: they are those of some other machine, perhaps.
    let mut policies = backup.files.policies.clone();
    policies.retain(|file| !is_table(file));
    let set = PolicySet::parse(&policies, &SystemAccounts, &Host::anywhere());
    let set = set.map_err(|source| VerifyError::Policies {
        path: path.to_owned(),
        source,
    })?;
    let mut warnings: Vec<_> = set.warnings().iter().map(ToString::to_string).collect();
    let own = nix::unistd::geteuid().as_raw();
    if let Some(text) = &backup.files.config
        && let Err(error) = Config::parse(text, Path::new("tokend.toml"), own)
    {
        warnings.push(format!("a tokend would not start here: {error}"));
    }
    let text = backup.files.config.as_deref().unwrap_or_default();
    let named = AuthorityFile::named_in(text, Path::new("tokend.toml"));
    for named in named.iter().filter(|named| !holds(&backup, named)) {
        let (table, path) = (named.table, named.path.display());
        warnings.push(format!(
            "the configuration names {path} (`[{table}] ca`), which is not in the backup: back it up separately"
        ));
    }
    Ok(Verified {
        sha256: hex::of(&Sha256::digest(&file)),
        bytes: file.len() as u64,
        backup,
        warnings,
    })
}

/// Whether the backup has a file that the configuration names.
pub(super) fn holds(backup: &Backup, named: &AuthorityFile) -> bool {
    let mut held = backup.files.authorities.iter();
    held.any(|file| file.table == named.table)
}

/// Runs the command.
///
/// # Errors
///
/// [`VerifyError`].
pub fn run(arguments: &BackupArguments, out: &mut dyn Write) -> Result<(), VerifyError> {
    let path = &arguments.file;
    let verified = verify(path, arguments.passphrase_file.as_deref())?;
    let contents = BackupContents::of(path, &verified);
    if arguments.json {
        return Ok(print_json(&contents, out)?);
    }
    Ok(contents.print(out)?)
}

/// What a verified backup contains.
#[derive(Serialize)]
struct BackupContents<'a> {
    file: String,
    sha256: &'a str,
    bytes: u64,
    made_at: String,
    tokend: &'a str,
    vault: &'a str,
    root_key: &'static str,
    secrets: u64,
    versions: u64,
    policies: Vec<&'a str>,
    configuration: bool,
    authorities: Vec<&'static str>,
    log: &'a LogAtBackup,
    warnings: &'a [String],
}

impl<'a> BackupContents<'a> {
    fn of(path: &Path, verified: &'a Verified) -> Self {
        let backup = &verified.backup;
        let BackupFiles {
            config,
            policies,
            authorities,
        } = &backup.files;
        let manifest = &backup.manifest;
        Self {
            file: path.display().to_string(),
            sha256: &verified.sha256,
            bytes: verified.bytes,
            made_at: manifest.made_at.to_string(),
            tokend: &manifest.tokend,
            vault: &manifest.vault,
            root_key: backup.root_key_source().as_str(),
            secrets: manifest.secrets,
            versions: manifest.versions,
            policies: policies.iter().map(|file| file.name.as_str()).collect(),
            configuration: config.is_some(),
            authorities: authorities.iter().map(|file| file.table).collect(),
            log: &manifest.log,
            warnings: &verified.warnings,
        }
    }

    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "{} is complete, and every value in it opens",
            self.file
        )?;
        writeln!(out)?;
        let mut field = |name: &str, value: String| writeln!(out, "{name:<14} {value}");
        field(
            "made",
            format!("{} by tokend {}", self.made_at, self.tokend),
        )?;
        field("vault", self.vault.to_owned())?;
        field("secrets", self.secrets.to_string())?;
        field("versions", self.versions.to_string())?;
        field("policies", self.policies.join(", "))?;
        let configuration = if self.configuration { "yes" } else { "none" };
        field("configuration", configuration.to_owned())?;
        if !self.authorities.is_empty() {
            field("CA files", self.authorities.join(", "))?;
        }
        field("root key", format!("came from: {}", self.root_key))?;
        field("audit log", self.log.log_id.clone())?;
        field("  records", self.log.records.to_string())?;
        field("  head", self.log.head.clone())?;
        field("  key", self.log.public_key.clone())?;
        field("SHA-256", self.sha256.to_owned())?;
        for warning in self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        Ok(())
    }
}
