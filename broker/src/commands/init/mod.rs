//! `tokend init`: configuration, example policies, root key, empty vault.
//!
//! Safe to run again at any time: what exists is checked and left alone, and the report says which
//! is which. In particular an existing vault keeps its key; if the key cannot be found, that is an
//! error and never a reason to make another.
//!
//! The key is kept before the vault is made. Interrupted in between, a second run finds a key file
//! and uses it, or leaves an entry in the keyring that belongs to no vault.
//!
//! The audit log is not made here: the broker opens it at its first start, with the name and the key
//! that are made here with the vault.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use broker_protocol::paths::{Paths, SocketTooLong, check_socket};
use jiff::Timestamp;

use broker_private_files::{self as private, PrivateError};
use broker_vault::root_key::{
    KeyLocations, Keyring, Passphrase, RootKeyError, RootKeySource, Wrap,
};
use broker_vault::{self as vault, NewVault, RootKeyInForce, Vault, VaultError};

mod choose_key;
pub mod command;
mod report;
#[cfg(test)]
mod tests;

use choose_key::choose_key;

use super::{entries, make_or_check};
pub use report::{Done, InitReport, InitStep, print};

/// What the operator wants, and how to ask for more.
pub struct InitOptions<'a> {
    /// Where the root key is to come from; `None` for the keyring if one answers, else a key file.
    pub root_key: Option<RootKeySource>,
    /// Asks for a passphrase; `None` from it means that there is no one to ask, or none is wanted.
    /// An implementation asks twice for a new one.
    pub passphrase: &'a dyn Fn(PassphraseFor) -> io::Result<Option<Passphrase>>,
    /// systemd's `$CREDENTIALS_DIRECTORY`, where it is set.
    pub credentials: Option<PathBuf>,
    /// [`Keyring::SESSION`] but in tests.
    pub keyring: Keyring,
    /// What happens to an existing audit log.
    pub audit_log: AuditLogChoice,
}

/// How the name of a scratch place begins.
pub(crate) const PLACE_OF_DEV: &str = "tokend-dev-";

/// Which passphrase is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassphraseFor {
    /// The one that is to guard the root key.
    New,
    /// A second one, for the day on which the root key cannot be had. May be declined.
    Recovery,
    /// The one that guards it already.
    Existing,
}

/// What happens to an existing audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditLogChoice {
    /// It goes on.
    Keep,
    /// It is moved aside, and a new one begins: `--new-audit-log`.
    BeginNew,
}

/// Why `init` stopped. What it made so far stays, and a second run goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// A file or directory.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The root key.
    #[error(transparent)]
    RootKey(#[from] RootKeyError),
    /// No broker could listen there.
    #[error(transparent)]
    SocketTooLong(#[from] SocketTooLong),
    /// `--recovery` for a vault that exists.
    #[error("{}: the vault exists already, and nothing was changed; set its recovery passphrase while the broker runs: tokenctl rekey --recovery", .0.display())]
    TooLateForRecovery(PathBuf),
    /// `TOKEND_HOME` as a `tokend --dev` printed it that ended since.
    #[error("{} is a place of `tokend --dev`, where nothing is kept; unset TOKEND_HOME", .0.display())]
    PlaceOfDev(PathBuf),
    /// Standard output takes no more.
    #[error("the report could not be written")]
    Output(#[from] io::Error),
    /// The terminal.
    #[error("the passphrase could not be read: {0}")]
    Prompt(#[source] io::Error),
    /// There is no terminal to type one, and standard input has none.
    #[error(
        "a passphrase is needed, and there is no terminal to ask at; run `tokenctl init` in one, or give it as a line on standard input"
    )]
    NoPassphrase,
    /// The vault exists and has its key from elsewhere.
    #[error(
        "the vault's root key comes from the {in_force}, not from the {asked}; run init without --root-key, or with --root-key {in_force}"
    )]
    OtherSource {
        /// What `--root-key` says.
        asked: RootKeySource,
        /// What the vault says.
        in_force: RootKeySource,
    },
    /// A log whose vault is gone.
    #[error("{} holds an audit log, and its vault {} is missing; put the vault back from a backup, or set the log aside and start over: tokend init --new-audit-log", audit.display(), vault.display())]
    LogWithoutVault {
        /// The log.
        audit: PathBuf,
        /// Where its vault should be.
        vault: PathBuf,
    },
}

/// Makes what is missing and checks what exists.
///
/// # Errors
///
/// [`InitError`], each with what to do.
pub fn init(
    places: &Paths,
    options: &InitOptions<'_>,
    now: Timestamp,
) -> Result<InitReport, InitError> {
    check_socket(&places.socket)?;
    check_socket(&places.proxy_socket)?;
    let mut steps = configuration(places, EXAMPLES)?;
    let made = private::make_directory(&places.data)?;
    steps.push(InitStep::new("data", &places.data, made));
    let exists = fs::exists(&places.vault).map_err(PrivateError::io(&places.vault))?;
    let has_log = holds_log(&places.audit)?;
    if has_log && !exists && options.audit_log == AuditLogChoice::Keep {
        return Err(InitError::LogWithoutVault {
            audit: places.audit.clone(),
            vault: places.vault.clone(),
        });
    }
    if exists {
        existing_vault(places, options, now, steps)
    } else {
        new_vault(places, options, now, steps)
    }
}

macro_rules! example {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../policies/", $name)))
    };
}

/// The policies of the repository, by file name, to read and copy from.
const EXAMPLES: &[(&str, &str)] = &[
    example!("README.md"),
    example!("auto-sync.cases.toml"),
    example!("auto-sync.toml"),
    example!("label-sync.cases.toml"),
    example!("label-sync.toml"),
    example!("onboarding.cases.toml"),
    example!("onboarding.toml"),
    example!("project-admin.cases.toml"),
    example!("project-admin.toml"),
    example!("repo-analysis.cases.toml"),
    example!("repo-analysis.toml"),
    example!("secrets.toml"),
];

/// Configuration and policies: for operators to read and edit, so others may read them where the
/// directory lets them. What may not be written here is left to its owner.
fn configuration(places: &Paths, examples: &[(&str, &str)]) -> Result<Vec<InitStep>, InitError> {
    let mut steps = Vec::new();
    let template = include_str!("tokend.toml");
    let directory = places.config.parent().unwrap_or_else(|| Path::new("."));
    steps.push(offer("configuration", &places.config, || {
        make_or_check(directory)?;
        make_file_or_check(&places.config, template)
    })?);
    steps.push(offer("policies", &places.policies, || {
        make_or_check(&places.policies)
    })?);
    // Only what is directly in the directory of policies is in force.
    let directory = places.policies.join("examples");
    steps.push(offer("examples", &directory, || {
        make_or_check(&directory)?;
        let mut made = false;
        for (name, text) in examples {
            made |= make_file_or_check(&directory.join(name), text)?;
        }
        Ok(made)
    })?);
    Ok(steps)
}

fn offer(
    what: &'static str,
    path: &Path,
    make: impl FnOnce() -> Result<bool, PrivateError>,
) -> Result<InitStep, PrivateError> {
    match make() {
        Err(PrivateError::Io { cause, .. }) if cause.kind() == io::ErrorKind::PermissionDenied => {
            Ok(InitStep::left(
                what,
                path,
                "this account may not write it; create it as root if you need it",
            ))
        }
        made => Ok(InitStep::new(what, path, made?)),
    }
}

fn make_file_or_check(path: &Path, content: &str) -> Result<bool, PrivateError> {
    match private::check_file_unwritable_by_others(path) {
        Err(error) if error.is_not_found() => {
            private::write_new(path, content.as_bytes()).map(|()| true)
        }
        there => there.map(|()| false),
    }
}

fn new_vault(
    places: &Paths,
    options: &InitOptions<'_>,
    now: Timestamp,
    mut steps: Vec<InitStep>,
) -> Result<InitReport, InitError> {
    steps.extend(set_log_aside(places, options, now)?);
    let id = vault::new_id().map_err(RootKeyError::from)?;
    let chosen = choose_key(places, options, &id)?;
    let recovery = match ask(options, PassphraseFor::Recovery)? {
        Some(passphrase) => Some(Wrap::make(&chosen.root, &id, &passphrase)?),
        None => None,
    };
    if chosen.source == RootKeySource::File {
        steps.push(InitStep::new("root key", &places.root_key, chosen.made));
    }
    let has_recovery = recovery.is_some();
    let new = NewVault {
        id: &id,
        root: &chosen.root,
        source: chosen.source.clone(),
        passphrase: chosen.passphrase,
        recovery,
    };
    let log = Vault::create(&places.vault, new, now)?;
    steps.push(InitStep::new("vault", &places.vault, true));
    Ok(InitReport {
        steps,
        root_key: report::meaning(&chosen.source, places, chosen.because.as_deref()),
        has_recovery: Some(has_recovery),
        log: Some(log),
        next: report::first_steps(places),
    })
}

fn existing_vault(
    places: &Paths,
    options: &InitOptions<'_>,
    now: Timestamp,
    mut steps: Vec<InitStep>,
) -> Result<InitReport, InitError> {
    let begin_new = options.audit_log == AuditLogChoice::BeginNew;
    let vault = match Vault::open(&places.vault) {
        Err(VaultError::InUse(_)) if !begin_new => return Ok(report::in_use(places, steps)),
        opened => opened?,
    };
    let RootKeyInForce {
        source, recovery, ..
    } = vault.root_key_in_force();
    if let Some(asked) = &options.root_key
        && *asked != source
    {
        return Err(InitError::OtherSource {
            asked: asked.clone(),
            in_force: source,
        });
    }
    match vault.fetch_root_key(&key_locations(places, options)) {
        Ok(root) => vault.unlock(root)?,
        Err(RootKeyError::PassphraseNeeded) if begin_new => {
            let typed = ask(options, PassphraseFor::Existing)?.ok_or(InitError::NoPassphrase)?;
            vault.unlock(vault.root_key_behind(&typed)?.0)?;
        }
        // Only a start can tell: the one is typed then, the other comes with the unit.
        Err(RootKeyError::PassphraseNeeded | RootKeyError::NoCredentials(_)) if !begin_new => {}
        Err(error) => return Err(error.into()),
    }
    if source == RootKeySource::File {
        steps.push(InitStep::new("root key", &places.root_key, false));
    }
    steps.push(InitStep::new("vault", &places.vault, false));
    steps.extend(set_log_aside(places, options, now)?);
    let log = if begin_new {
        vault.begin_new_log()?
    } else {
        vault.log_identity()
    };
    Ok(InitReport {
        steps,
        root_key: report::meaning(&source, places, None),
        has_recovery: Some(recovery),
        log: Some(log),
        next: report::first_steps(places),
    })
}

/// Moves the audit log to `audit.old-TIME`, if it is to be and there is one.
fn set_log_aside(
    places: &Paths,
    options: &InitOptions<'_>,
    now: Timestamp,
) -> Result<Option<InitStep>, InitError> {
    if options.audit_log == AuditLogChoice::Keep || !holds_log(&places.audit)? {
        return Ok(None);
    }
    let mut name = places.audit.as_os_str().to_owned();
    name.push(format!(".old-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    let aside = PathBuf::from(name);
    fs::rename(&places.audit, &aside).map_err(PrivateError::io(&places.audit))?;
    private::sync_directory_of(&aside)?;
    Ok(Some(InitStep::left(
        "old audit log",
        &aside,
        "set aside; its leases are not honoured any more",
    )))
}

fn holds_log(audit: &Path) -> Result<bool, PrivateError> {
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "jsonl");
    Ok(entries(audit)?.iter().any(is_segment))
}

fn ask(options: &InitOptions<'_>, what: PassphraseFor) -> Result<Option<Passphrase>, InitError> {
    (options.passphrase)(what).map_err(InitError::Prompt)
}

fn key_locations(places: &Paths, options: &InitOptions<'_>) -> KeyLocations {
    KeyLocations {
        key_file: places.root_key.clone(),
        credentials: options.credentials.clone(),
        keyring: options.keyring,
    }
}
