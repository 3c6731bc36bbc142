//! `tokend restore`: puts a backup in place on a machine where there is none.
//!
//! No existing file is ever overwritten: what is in the way is named, and nothing is touched.
//! The vault comes last, in one step, so an interrupted restore leaves nothing that a broker would
//! use, and a second one resumes or starts over.
//!
//! ```text
//! configuration, what it names, policies, root key → new audit log and vault, staged → the log in place → the vault
//! ```
//!
//! The audit log is a new one and never the old one continued: what happened in the old one after the
//! backup is not known here. Its first records name the old log's head.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use broker_audit::record::{Body, VaultEvent};
use broker_audit_writer::{AuditLog, Effect, LogIdentity, Options, SEGMENT_LIMIT};
use broker_clock::Clock;
use broker_private_files::{self as private, PrivateError};
use broker_protocol::paths::Paths;
use broker_vault::backup::{Backup, Restoration};
use broker_vault::root_key::{Keyring, RootKeySource, Wrap, put_file};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Gid;

use self::in_the_way::in_the_way;
use self::named_files::Arranged;
use self::staging::Staging;
use super::make_or_check;
use crate::config::Config;

pub use self::error::{InTheWay, RestoreError};

pub mod command;
mod error;
mod in_the_way;
mod named_files;
mod staging;
#[cfg(test)]
mod tests;

/// What is to be restored, and how.
pub struct RestoreOptions {
    /// The backup, everything in it opened.
    pub backup: Backup,
    /// SHA-256 of its file, hexadecimal.
    pub sha256: String,
    /// Where the root key is to be kept.
    pub root_key: RootKeySource,
    /// A new passphrase around the root key, where that is its place and the vault had none.
    pub passphrase: Option<Wrap>,
    /// [`Keyring::SESSION`] but in tests.
    pub keyring: Keyring,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// The new log, for the auditor; `None` if an earlier attempt made it, and had done nearly all.
    pub log: Option<LogIdentity>,
    /// What an operator should know of the files that the configuration names.
    pub notes: Vec<String>,
}

/// Puts everything in place, or finishes what an earlier attempt began.
///
/// # Errors
///
/// [`RestoreError`]; there is no vault then, unless there was one before, and that is untouched.
pub fn restore(
    places: &Paths,
    options: RestoreOptions,
    clock: Arc<dyn Clock>,
) -> Result<Restored, RestoreError> {
    private::make_directory(&places.data)?;
    let _alone = lock(&places.data)?;
    let staging = Staging::beside(places);
    if !staging.holds_vault() {
        // Useless: an attempt that ended early, or while it cleaned up.
        staging.clear()?;
    }
    if staging.is_in_place()? {
        staging.clear()?;
        return Ok(Restored::default());
    }
    if let Some(sha256) = staging.waits_for_its_vault()? {
        if sha256 != options.sha256 {
            return Err(RestoreError::OtherAttempt {
                sha256,
                audit: places.audit.clone(),
                staging: staging.directory,
            });
        }
        staging.place_vault()?;
        staging.clear()?;
        return Ok(Restored::default());
    }
    let arranged = Arranged::at(places, &options.backup);
    let in_the_way = in_the_way(places, &options.backup, &arranged)?;
    if !in_the_way.is_empty() {
        return Err(RestoreError::InTheWay(in_the_way));
    }
    staging.clear()?;
    put_files(places, &options.backup, &arranged)?;
    let notes = arranged.notes;
    keep_root_key(places, &options)?;
    let log = stage(places, &staging, options, clock)?;
    staging.place_log()?;
    staging.place_vault()?;
    staging.clear()?;
    Ok(Restored {
        log: Some(log),
        notes,
    })
}

/// The same lock that a broker takes.
fn lock(data: &Path) -> Result<Flock<File>, RestoreError> {
    let directory = File::open(data).map_err(PrivateError::io(data))?;
    Flock::lock(directory, FlockArg::LockExclusiveNonblock)
        .map_err(|_taken| RestoreError::InUse(data.to_owned()))
}

fn put_files(places: &Paths, backup: &Backup, arranged: &Arranged<'_>) -> Result<(), PrivateError> {
    let put = |path: &Path, content: &[u8]| {
        if path.exists() {
            // With the same content: `in_the_way` looked.
            return private::check_unwritable_by_others(path);
        }
        private::put_new(path, content)
    };
    if let Some(directory) = places.config.parent() {
        make_or_check(directory)?;
    }
    for (path, pem) in &arranged.files {
        if let Some(directory) = path.parent() {
            make_or_check(directory)?;
        }
        put(path, pem)?;
    }
    if let Some(config) = &arranged.config {
        put(&places.config, config.as_bytes())?;
    }
    make_or_check(&places.policies)?;
    for policy in &backup.files.policies {
        put(&places.policies.join(&policy.name), policy.text.as_bytes())?;
    }
    Ok(())
}

fn keep_root_key(places: &Paths, options: &RestoreOptions) -> Result<(), RestoreError> {
    let key = options.backup.root_key();
    match &options.root_key {
        RootKeySource::File => {
            if let Some(directory) = places.root_key.parent() {
                // Others may look into it: the key's own mode is what counts.
                make_or_check(directory)?;
            }
            put_file(&places.root_key, key)?;
        }
        RootKeySource::Keyring => {
            (options.keyring.keep)(&options.backup.keyring_entry(), key)?;
        }
        RootKeySource::Passphrase => {}
        RootKeySource::Credential(_) => return Err(RestoreError::Credential),
    }
    Ok(())
}

/// Makes the new log, with what it begins with, and the vault that vouches for it.
fn stage(
    places: &Paths,
    staging: &Staging<'_>,
    options: RestoreOptions,
    clock: Arc<dyn Clock>,
) -> Result<LogIdentity, RestoreError> {
    let own = nix::unistd::geteuid().as_raw();
    let config = options.backup.files.config.as_deref().unwrap_or_default();
    // A configuration that is rejected here was warned of; a start would reject it too.
    let config = Config::parse(config, &places.config, own).ok();
    let manifest = options.backup.manifest.clone();
    let source = options.root_key.as_str();
    let restoration: Restoration = options
        .backup
        .restoration(options.root_key.clone(), options.passphrase)?;
    let identity = restoration.log().clone();
    staging.begin(&options.sha256, &identity.log_id)?;
    let read_group = config.and_then(|config| config.audit_read_group);
    let (log, _opened) = AuditLog::open(
        Options {
            dir: staging.audit(),
            read_group: read_group.map(Gid::from_raw),
            identity: identity.clone(),
            noted: None,
            authenticated: None,
            ahead: false,
            segment_limit: SEGMENT_LIMIT,
        },
        clock,
    )?;
    let body = Body::of(&VaultEvent::Restored {
        uid: own,
        vault: &manifest.vault,
        sha256: &options.sha256,
        made_at: manifest.made_at,
        old_log: &manifest.log.log_id,
        old_records: manifest.log.records,
        old_head: &manifest.log.head,
        root_key: source,
    })?;
    log.record_blocking(body, Effect::Nothing)?;
    let head = log.head();
    log.close();
    staging.keep_vault(&restoration.into_image(head)?)?;
    Ok(identity)
}
